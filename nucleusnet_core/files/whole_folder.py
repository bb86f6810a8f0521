"""Folders that appear whole or not at all."""

import glob
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError
from ..terminal.outputs import writing
from .atomic import put_back, replace_folder
from .locking import locked


@contextmanager
def whole_folder(out: Path, *, option: str = "--out") -> Iterator[Path]:
    """Yield a folder beside `out` that takes its place when all is written; what a killed process left is removed.

    Args:
        out: the folder; one that is there is replaced.
        option: that named it, for messages.

    Raises:
        OutputError: another process writes there, nothing can be written, or it is the current folder: `out` is
            replaced, and the shell would be left in a folder that no longer exists.
    """
    try:
        out, here = out.absolute(), Path.cwd()
    except OSError as error:
        raise OutputError(f"The current folder does not exist any more ({error}); change to another one.") from error
    if here.is_relative_to(out.resolve()):
        raise OutputError(f"{out} is the current folder; name a folder inside it, or call from outside.")
    busy = OutputError(f"Another process is writing to {out}; wait for it, or choose another folder.")
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with writing(out, option):
            out.parent.mkdir(parents=True, exist_ok=True)
            with locked(out, busy=busy):
                put_back(out)
                for left in out.parent.glob(f".{glob.escape(out.name)}.????????.tmp"):
                    shutil.rmtree(left)
                partial.mkdir()
                yield partial
                replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
