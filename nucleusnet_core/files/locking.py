"""Locks that keep other processes of ours away from a folder or file."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from ..errors import NucleusNetError


@contextlib.contextmanager
def locked(
    path: Path, *, busy: NucleusNetError, refused: Callable[[OSError], NucleusNetError] | None = None
) -> Iterator[None]:
    """Hold the lock file `.<name>.lock` beside `path`.

    Args:
        path: what is locked; need not be there.
        busy: raised if another process holds the lock.
        refused: makes the error for a place where no lock file can be written; by default the system's own.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise busy from error
    except OSError as error:
        if refused is None:
            raise
        raise refused(error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps an open file, and the lock then removes it itself
            Path(lock.lock_file).unlink()  # while it is held: afterwards it may be the lock of another process
        lock.release()
