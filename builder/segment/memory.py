"""Whether an image can be labelled at once: estimated before it is tried."""

import ctypes
import os
import re
import sys
from pathlib import Path

from nucleusnet_source.errors import SegmentationError

from ..disk_space import readable_size

BASE_BYTES = 2_000_000_000
WHOLE_BYTES_PER_PX = 50
# Pixels, labels of the image and the copy that is cleaned; the rest depends on the block.
BLOCKS_BYTES_PER_PX = 12
BLOCK_PX = 4096
REMEDY = "use --fast, a smaller --block-size, fewer --workers, or --device cpu if it was a GPU's memory"

_CGROUP_LIMITS = ((Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),)


def block_size(shape: tuple[int, int], wanted: int | None, available_bytes: int) -> int:
    """Decide how an image is labelled.

    Args:
        shape: (H, W) of the image.
        wanted: side of the blocks, 0 for the whole image at once, None to decide here.
        available_bytes: memory for this image.

    Returns:
        The side of the blocks, 0 for the whole image at once.

    Raises:
        SegmentationError: memory does not suffice.
    """
    pixels = shape[0] * shape[1]
    whole = BASE_BYTES + WHOLE_BYTES_PER_PX * pixels
    if wanted is None:
        wanted = 0 if whole <= available_bytes else BLOCK_PX
    needed = whole
    if wanted:
        needed = BASE_BYTES + BLOCKS_BYTES_PER_PX * pixels + WHOLE_BYTES_PER_PX * min(pixels, wanted**2)
    if needed > available_bytes:
        raise SegmentationError(
            f"about {readable_size(needed)} of memory expected for {shape[0]} x {shape[1]} px "
            f"{f'in blocks of {wanted} px' if wanted else 'at once'}, {readable_size(available_bytes)} found; {REMEDY}."
        )
    return wanted


def available_memory() -> int:
    """Return the bytes of memory that a process can still take without swapping, as far as the system says."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        text = Path("/proc/meminfo").read_text("utf-8")
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    system = int(found[1]) * 1024 if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([system, *_container_memory()])


def _container_memory() -> list[int]:
    """Return what the limits of a container leave, one number for each that there is."""
    left = []
    for limit, used in _CGROUP_LIMITS:
        try:
            left.append(int(limit.read_text("utf-8")) - int(used.read_text("utf-8")))
        except (OSError, ValueError):  # not there, or "max": no limit
            continue
    return left


def _windows_memory() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load_percent", ctypes.c_uint32),
            ("total", ctypes.c_uint64),
            ("available", ctypes.c_uint64),
            ("others", ctypes.c_uint64 * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    windows = getattr(ctypes, "windll", None)
    if windows is None or not windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 4 * BASE_BYTES
    return int(status.available)
