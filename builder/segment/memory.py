"""Whether an image can be labelled at once: estimated before it is tried, and noticed when it could not."""

import ctypes
import errno
import os
import re
import sys
from pathlib import Path

from nucleusnet_core.errors import SegmentationError
from nucleusnet_core.files.disk_space import readable_size

from .control_groups import control_group_room
from .network.weights import WeightsKind

# A process with its libraries and the network, eight tiles at a time.
NETWORK_BYTES = {
    WeightsKind.cellpose_3: 1_000_000_000,
    WeightsKind.cellpose_sam: 2_800_000_000,
    WeightsKind.cellpose_dino: 2_800_000_000,
}
# Measured by `benchmarks/segment.py`, with a little to spare: pixels, their ends, counts, heat and labels of an image
# of which a tenth is nuclei; the flows of a block; labels and their copies.
IMAGE_BYTES_PER_PX, BLOCK_BYTES_PER_PX, FAST_BYTES_PER_PX = 10, 3, 6
BLOCK_PX = 4096
REMEDY = "use --fast, a smaller --block-size, fewer --workers, or --device cpu if it was a GPU's memory"

_UNKNOWN_BYTES = 8_000_000_000
# What torch and its libraries say on a CPU, on CUDA and on MPS, OpenCV, codecs, the C++ library, Python's threads, and
# the loader of shared libraries.
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "insufficient memory",
    "allocate memory",
    "alloc_failed",
    "allocation_failed",
    "invalid buffer size",
    "bad_alloc",
    "can't start new thread",
    "failed to map segment",
)
# Of oneDNN; a primitive that it does not support at all fails as "a primitive descriptor".
_NOT_MADE = re.compile(r"could not (create|execute) a (primitive|memory|memory object)")
_WINDOWS_PAGING_FILE_TOO_SMALL = 1455


def block_size(
    shape: tuple[int, int], wanted: int | None, available_bytes: int, kind: WeightsKind, *, fast: bool = False
) -> int:
    """Decide how an image is labelled.

    Args:
        shape: (H, W) of the image.
        wanted: side of the blocks, 0 for the whole image at once, None to decide here.
        available_bytes: memory for this image.
        kind: of the network.
        fast: label at its scale.

    Returns:
        The side of the blocks, 0 for the whole image at once.

    Raises:
        SegmentationError: memory does not suffice.
    """
    if wanted is None:
        at_once = fast or max(shape) <= BLOCK_PX or needed_memory(shape, 0, kind) <= available_bytes
        wanted = 0 if at_once else BLOCK_PX
    needed = needed_memory(shape, wanted, kind, fast=fast)
    if needed > available_bytes:
        way = "at the network's scale" if fast else f"in blocks of {wanted} px" if wanted else "at once"
        raise SegmentationError(
            f"segmenting {shape[0]} x {shape[1]} px {way} takes about {readable_size(needed)} of memory, but only "
            f"{readable_size(available_bytes)} is free; {REMEDY}."
        )
    return wanted


def needed_memory(shape: tuple[int, int], block_px: int, kind: WeightsKind, *, fast: bool = False) -> int:
    """Estimate the bytes of memory that an image (H, W) needs, in blocks of a side (0: whole), or at network scale."""
    pixels = shape[0] * shape[1]
    if fast:
        return NETWORK_BYTES[kind] + FAST_BYTES_PER_PX * pixels
    seen = min(pixels, block_px**2) if block_px else pixels
    return NETWORK_BYTES[kind] + IMAGE_BYTES_PER_PX * pixels + BLOCK_BYTES_PER_PX * seen


def available_memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that a process can still take without swapping, as far as the system says.

    Args:
        root: of the file system, where the system is Linux.
    """
    if sys.platform == "win32":
        return _windows_memory()
    try:
        text = (root / "proc/meminfo").read_text("utf-8")
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    system = int(found[1]) * 1024 if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([system, *control_group_room(root)])


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory is out; the text of one with a number names files and is not read."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_PAGING_FILE_TOO_SMALL
    text = str(error).strip().lower()
    signs = any(sign in text for sign in _OUT_OF_MEMORY) or _NOT_MADE.fullmatch(text) is not None
    return isinstance(error, MemoryError) or signs


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
        return _UNKNOWN_BYTES
    return int(status.available)
