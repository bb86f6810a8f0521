"""Files that appear whole or not at all."""

import contextlib
import errno
import glob
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError
from .exchange import exchange
from .locking import locked

_LOG = logging.getLogger("nucleusnet")
_ASIDE = ".old"
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # some network file systems sync no folders


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success its file replaces `path`, on failure it is removed.

    The file is flushed to the disk before the rename, so that a crash leaves the old file or the new one.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # a disk that fails here has failed before, and that is the error to tell
            partial.unlink(missing_ok=True)
        raise


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def replace_folder(made: Path, place: Path) -> None:
    """Move a finished folder to its place; what is there is removed last.

    The two change places in one step where the system has that. Elsewhere what is there is moved aside first; where
    this process is ended in between, `put_back` undoes it. Windows moves no folder in which a program holds a file
    open; then everything stays as it was.
    """
    if not place.exists():
        made.rename(place)
        sync_folder(place.parent)
        return
    if exchange(made, place):
        replaced = made
    else:
        replaced = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}{_ASIDE}")
        with _moving(place):
            _replace_in_two_steps(made, place, replaced)
    sync_folder(place.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def put_back(place: Path) -> bool:
    """Undo what a process that was ended in the middle of `replace_folder` left; return whether `place` is back.

    Where the new folder is in its place, the old one is removed.

    Raises:
        OutputError: a process is in the middle of it now.
        OSError: the folder cannot be moved.
    """
    if not _left_aside(place):
        return False
    with _moving(place):
        left = _left_aside(place)
        is_back = bool(left) and not place.exists()
        if is_back:
            left.pop().rename(place)
            sync_folder(place.parent)
            _LOG.warning("%s is back: a process was ended while it replaced that folder.", place)
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
    return is_back


def _left_aside(place: Path) -> list[Path]:
    return sorted(place.parent.glob(f".{glob.escape(place.name)}.????????{_ASIDE}"))


def _moving(place: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes from putting back what this one is about to replace."""
    busy = OutputError(f"{place} is being replaced by another process; call again in a moment.")
    return locked(place.with_name(f"{place.name}.move"), busy=busy)


def _replace_in_two_steps(made: Path, place: Path, aside: Path) -> None:
    place.rename(aside)
    try:
        made.rename(place)
    except OSError:
        aside.rename(place)
        raise


def sync(path: Path) -> None:
    """Flush one file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to the disk, where the system can (Windows cannot open folders)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
