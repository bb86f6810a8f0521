"""Locks that keep other processes of NucleusNet away from a folder or file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from ..errors import NucleusNetError


@contextlib.contextmanager
def locked(path: Path, *, busy: NucleusNetError) -> Iterator[None]:
    """Hold the lock file `.<name>.lock` beside `path`.

    Args:
        path: what is locked; it need not exist.
        busy: raised if another process holds the lock.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise busy from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps an open file, and the lock then removes it itself
            Path(lock.lock_file).unlink()  # while it is held: afterwards it may belong to another process
        lock.release()
