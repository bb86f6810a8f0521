"""The disk of the output: whether a build fits on it, estimated before it starts, and one error when it fails."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import NucleusNetError, OutputDiskError, OutputError

# Pieces and shards together, as a share of the images' bytes: 664 nuclei of 16 kB in 156 MB, twice, and a margin.
NEEDED_SHARE = 0.2
NEEDED_LEAST_BYTES = 64 << 20
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FAILING = {errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV, getattr(errno, "ESTALE", errno.EIO)}


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


def is_disk_failure(error: BaseException | None) -> bool:
    """Return whether an error means that nothing more can be written: full, over quota, read-only, gone or broken."""
    return isinstance(error, OSError) and error.errno in _FULL | _FAILING


def output_disk_error(folder: Path, error: OSError) -> OutputDiskError:
    """Return the error that says what is wrong with the disk of a folder, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return OutputDiskError(
            f"{folder}: the disk is full ({reason}); make room and call again: what is finished is kept."
        )
    return OutputDiskError(
        f"{folder} cannot be written ({reason}); check its disk and connection and call again: what is finished is "
        "kept."
    )


@contextlib.contextmanager
def disk_failures_reported(folder: Path, *, every: bool = False) -> Iterator[None]:
    """Turn the system's error about the disk of the output into one that says what to do.

    Args:
        folder: where the output is made.
        every: whether all errors of the system are about it, since no input is read meanwhile.

    Raises:
        OutputDiskError: nothing more can be written.
    """
    try:
        yield
    except NucleusNetError:
        raise
    except OSError as error:
        if not every and not is_disk_failure(error):
            raise
        raise output_disk_error(folder, error) from error
