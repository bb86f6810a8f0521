"""Whether a build fits on the disk: estimated before it starts, and a clear error when the disk fills up after all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import OutputError

# Pieces and shards together, as a share of the images' bytes: 664 nuclei of 16 kB in 156 MB, twice, and a margin.
NEEDED_SHARE = 0.2
NEEDED_LEAST_BYTES = 64 << 20
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def check_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse to start when the disk is too small.

    Raises:
        OutputError: less is free than needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise OutputError(
            f"{folder} has {readable_size(free)} of free space; about {readable_size(needed_bytes)} are needed for "
            f"{what}. Make room and call again: what is finished is kept."
        )


def readable_size(size_bytes: int) -> str:
    """Return a size in GB, or in MB below one."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def file_bytes(paths: Iterable[Path]) -> int:
    """Return the sizes of files added up; one that does not exist counts as 0."""
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def space_for_images(image_bytes: int, made_bytes: int) -> int:
    """Return about how many bytes a build still needs, pieces and shards together.

    Args:
        image_bytes: size of the images.
        made_bytes: size of the pieces that have been made already.
    """
    return max(NEEDED_LEAST_BYTES, int(NEEDED_SHARE * image_bytes) - made_bytes)


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error means that nothing more can be written: a full disk, a quota, a limit on file sizes."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextlib.contextmanager
def disk_full_reported(work: Path) -> Iterator[None]:
    """Turn the system's error about a full disk into one that says what to do.

    Raises:
        OutputError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OutputError(
            f"{work}: the disk is full ({os.strerror(error.errno or 0)}); make room and call again: "
            "what is finished is kept."
        ) from error
