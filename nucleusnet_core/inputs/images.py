"""Stitched images: one read of the file gives its pixels and its SHA-256."""

import hashlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cells.png_chunks import SIGNATURE as PNG_SIGNATURE
from ..errors import InputImageError
from .image_png import decode_png_image
from .kinds import IMAGE, reading
from .scale import Scale, stated_png_scale, stated_scale
from .tiff import SIGNATURES as TIFF_SIGNATURES
from .tiff import check_whole, open_page, stored_pixels

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class StitchedImage:
    """The pixels of one stitched image.

    Attributes:
        pixels: (height, width) uint8 or uint16, camera values; may share memory with the file's bytes.
        sha256: of the file's bytes.
        scale: that the file states, None where it states none or was not asked.
    """

    pixels: npt.NDArray[Any]
    sha256: str
    scale: Scale | None


def read_file(path: Path) -> memoryview:
    """Return the bytes of a file; numpy asks the system for large pages, which takes half the time of `read_bytes`."""
    with path.open("rb", buffering=0) as file:
        room = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data
        have = 0
        while have < len(room) and (count := file.readinto(room[have:])):
            have += count
    return room[:have].toreadonly()


def map_file(path: Path) -> memoryview:
    """Return the bytes of a file, which are read from the disk when they are used, and not held in memory."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")  # which cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def read_image(path: Path, *, file_scale: bool = True) -> StitchedImage:
    """Read a stitched image.

    Args:
        path: a TIFF file, uncompressed or of any codec that imagecodecs knows, strips or tiles, BigTIFF, OME-TIFF, or
            a PNG of 8 or 16 bits.
        file_scale: read the scale that the file states; where that does not matter, a wrong one is no error.

    Raises:
        InputImageError: unreadable, not written to its end, not one grey plane, above 60,000 px a side, of another
            type than uint8, uint16, or float32 and float64 with whole numbers, or the scale that it states is unusable.
    """
    with reading(path, InputImageError):
        data = read_file(path)
    pixels, scale = decode_image(data, path.name, file_scale=file_scale)
    return StitchedImage(pixels, hashlib.sha256(data).hexdigest(), scale)


def decode_image(
    data: bytes | memoryview, name: str, *, file_scale: bool = True
) -> tuple[npt.NDArray[Any], Scale | None]:
    """Return the pixels (height, width) in the bytes of a TIFF or PNG file, read-only, and the scale that it states.

    Raises:
        InputImageError: as `read_image`.
    """
    start = bytes(data[:8])
    if not start:
        raise InputImageError(f"{name} is empty; copy it again.")
    if start == PNG_SIGNATURE:
        pixels = decode_png_image(data, name)
        scale = stated_png_scale(data, name) if file_scale else None
    elif start.startswith(TIFF_SIGNATURES):
        with open_page(data, name, IMAGE) as (tiff, page):
            _check_type(page, name)
            check_whole(page, len(data), name, IMAGE)
            scale = stated_scale(tiff, page, name) if file_scale else None
            pixels = _camera_values(stored_pixels(page, data), name)
    else:
        raise InputImageError(f"{name} is neither a TIFF nor a PNG: it starts with {start!r}; export it as TIFF.")
    pixels.flags.writeable = False  # one type for all files, so that the loops over pixels are compiled once
    return pixels, scale


def _check_type(page: Any, name: str) -> None:
    if page.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise InputImageError(
            f"{name} has pixels of type {page.dtype}; they must be uint8 or uint16: export the camera values without "
            "scaling."
        )


def _camera_values(pixels: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return integers as they are, and whole floats as uint8 where that holds them all, else as uint16.

    Raises:
        InputImageError: floats with fractions, or beyond 16 bits.
    """
    if pixels.dtype.kind != "f":
        return pixels
    low, high = pixels.min(), pixels.max()
    if not (low >= 0 and high <= np.iinfo(np.uint16).max):  # also for NaN
        raise InputImageError(
            f"{name} has pixels of type {pixels.dtype} from {low:g} to {high:g}; camera values lie between 0 and "
            "65535: export the camera values without scaling."
        )
    whole = np.empty(pixels.shape, np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)
    for row in range(0, len(pixels), _ROWS_AT_ONCE):
        rows = slice(row, row + _ROWS_AT_ONCE)
        whole[rows] = pixels[rows]
        if (wrong := whole[rows] != pixels[rows]).any():
            raise InputImageError(
                f"{name} has pixels of type {pixels.dtype} with fractions, such as {pixels[rows][wrong][0]:g}; camera "
                "values are whole numbers: export the camera values without scaling."
            )
    return whole
