"""Folders that appear whole or not at all."""

import glob
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nucleusnet_core.errors import NucleusNetError, OutputError
from nucleusnet_core.files.atomic import replace_folder
from nucleusnet_core.files.locking import locked


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place when all is written; what a killed process left is removed.

    Raises:
        OutputError: another process writes there, nothing can be written, or it is where this process works: `out` is
            replaced, and the shell that called would be left in a folder that is no more.
    """
    try:
        out, here = out.absolute(), Path.cwd()
    except OSError as error:
        raise OutputError(f"{out}: a current folder expected, none found ({error}); change to another") from error
    if here.is_relative_to(out.resolve()):
        raise OutputError(
            f"{out}: another folder than the current one expected; name a folder in it, or call from outside"
        )
    busy = OutputError(f"{out}: another process is writing there; wait for it, or choose another folder")
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with locked(out, busy=busy):
            for left in out.parent.glob(f".{glob.escape(out.name)}.????????.tmp"):
                shutil.rmtree(left)
            partial.mkdir()
            yield partial
            replace_folder(partial, out, aside=partial.with_suffix(".old"))
    except NucleusNetError:
        raise
    except OSError as error:
        raise OutputError(f"{out}: a folder that can be written expected ({error}); choose another") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
