"""Stitched images: one read of the file gives its pixels and its SHA-256."""

import contextlib
import hashlib
import io
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from nucleusnet_core.errors import InputImageError

MAX_SIDE_PX = 60_000
PIXEL_SIZE_TOLERANCE = 0.01
# No codec gains more, not even zstd on a blank image; a header that claims more is refused before allocation.
MAX_EXPANSION = 40_000
_UM_PER_UNIT = {"m": 1e6, "mm": 1e3, "µm": 1.0, "nm": 1e-3, "cm": 1e4}


@dataclass(frozen=True)
class StitchedImage:
    """The pixels of one stitched image.

    Attributes:
        pixels: (height, width) uint8 or uint16, camera values; may share memory with the file's bytes.
        sha256: of the file's bytes.
        pixels_per_um: as the header of an OME-TIFF states it, else None.
    """

    pixels: npt.NDArray[Any]
    sha256: str
    pixels_per_um: float | None


class BytesAsFile(io.RawIOBase):
    """Bytes in memory as a file to read; `io.BytesIO` would copy all but `bytes`."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data, self.at = memoryview(data), 0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: any position can be sought."""
        return True

    def readinto(self, room: Any) -> int:
        """Fill `room` with what follows, and return the number of bytes."""
        part = self.data[self.at : self.at + len(room)]
        room[: len(part)] = part
        self.at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset from the start, from here, or from the end, and return the position."""
        self.at = max(0, (0, self.at, len(self.data))[whence] + offset)
        return self.at

    def close(self) -> None:
        """Let go of the bytes."""
        self.data = memoryview(b"")
        super().close()


@contextlib.contextmanager
def reading(path: Path, kind: type[Exception]) -> Iterator[None]:
    """Turn the system's error about a file into `kind`, with its reason."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"{path.name} cannot be read ({error.strerror or error}); check the file and its permissions."
        ) from error


def read_file(path: Path) -> memoryview:
    """Return the bytes of a file; numpy asks the system for large pages, which takes half the time of `read_bytes`."""
    with path.open("rb", buffering=0) as file:
        room = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data
        have = 0
        while have < len(room) and (count := file.readinto(room[have:])):
            have += count
    return room[:have].toreadonly()


def read_image(path: Path) -> StitchedImage:
    """Read a stitched image.

    Args:
        path: a TIFF file, uncompressed or of any codec that imagecodecs knows, strips or tiles, BigTIFF, OME-TIFF.

    Raises:
        InputImageError: unreadable, truncated, not one grey plane of uint8 or uint16, or above 60,000 px a side.
    """
    with reading(path, InputImageError):
        data = read_file(path)
    pixels, pixels_per_um = decode_image(data, path.name)
    return StitchedImage(pixels, hashlib.sha256(data).hexdigest(), pixels_per_um)


def decode_image(data: bytes | memoryview, name: str) -> tuple[npt.NDArray[Any], float | None]:
    """Return the pixels (height, width) in the bytes of a TIFF file, and the pixels per um that it states, if any.

    Raises:
        InputImageError: as `read_image`.
    """
    if not len(data):
        raise InputImageError(f"{name} is empty; copy it again.")
    try:
        # Closed at once: tifffile's objects refer to each other, and would keep the bytes in memory for long.
        with BytesAsFile(data) as file, tifffile.TiffFile(file) as tiff:
            page = _only_page(tiff, name)
            _check_type(page, name)
            _check_size(page, len(data), name)
            _check_planes(tiff, page, name)
            pixels_per_um = _ome_pixels_per_um(tiff.ome_metadata or "") if tiff.is_ome else None
            return _pixels(page, data), pixels_per_um
    except InputImageError:
        raise
    except Exception as error:  # tifffile and imagecodecs raise many types for a damaged file
        raise InputImageError(
            f"{name} is not a readable TIFF image ({type(error).__name__}: {error}); copy or export it again."
        ) from error


def _only_page(tiff: tifffile.TiffFile, name: str) -> Any:
    if len(tiff.pages) != 1:
        raise InputImageError(
            f"{name} holds {len(tiff.pages)} pages; an image must be one grey plane: export the nuclear channel alone."
        )
    return tiff.pages.first


def _check_type(page: Any, name: str) -> None:
    if len(page.shape) != 2 or page.samplesperpixel != 1:
        raise InputImageError(
            f"{name} has shape {page.shape}, so several channels or colours; an image must be one grey plane (height, "
            "width): export the nuclear channel alone."
        )
    if page.dtype not in (np.uint8, np.uint16):
        raise InputImageError(
            f"{name} has pixels of type {page.dtype}; they must be uint8 or uint16: export the camera values without "
            "scaling."
        )


def _check_planes(tiff: tifffile.TiffFile, page: Any, name: str) -> None:
    """Refuse a stack that ImageJ or MetaMorph wrote under one page: only its first plane would be read."""
    if not tiff.is_ome and tiff.series[0].size != page.size:
        raise InputImageError(
            f"{name} holds a stack of shape {tiff.series[0].shape}; an image must be one grey plane (height, width): "
            "export the nuclear channel alone."
        )


def _check_size(page: Any, file_bytes: int, name: str) -> None:
    if 0 in page.shape:
        raise InputImageError(f"{name} has {page.shape[0]} x {page.shape[1]} px; export it again.")
    if max(page.shape) > MAX_SIDE_PX:
        raise InputImageError(
            f"{name} has {page.shape[0]} x {page.shape[1]} px; an image may have at most {MAX_SIDE_PX:,} px a side: "
            "cut it in parts."
        )
    end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    if end > file_bytes or page.nbytes > MAX_EXPANSION * file_bytes:
        raise InputImageError(
            f"{name} has {file_bytes:,} bytes, but its header promises {max(end, page.nbytes):,} bytes of pixels: "
            "it is truncated; copy it again."
        )
    if missing := missing_parts(page):
        raise InputImageError(
            f"{name} lacks {missing} of {len(page.dataoffsets) + missing} strips or tiles of pixels: it was not "
            "written to its end; export it again."
        )


def missing_parts(page: Any) -> int:
    """Return how many strips or tiles a page of tifffile lacks; tifffile itself returns 0 for their pixels."""
    whole = page.compression == 1 and sum(page.databytecounts) >= page.nbytes
    return 0 if whole else max(0, math.prod(page.chunked) - len(page.dataoffsets))


def _pixels(page: Any, data: bytes | memoryview) -> npt.NDArray[Any]:
    """Return native-endian pixels, read-only, without a copy where they lie in the file as they are."""
    pixels = _stored_pixels(page, data)
    pixels.flags.writeable = False  # one type for all files, so that the loops over pixels are compiled once
    return pixels


def _stored_pixels(page: Any, data: bytes | memoryview) -> npt.NDArray[Any]:
    if page.is_contiguous and page.compression == 1 and page.fillorder == 1:
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        stored = np.frombuffer(data, dtype, page.size, page.dataoffsets[0]).reshape(page.shape)
        return stored if dtype.isnative else stored.astype(dtype.newbyteorder("="))
    decoded: npt.NDArray[Any] = page.asarray()
    return np.ascontiguousarray(decoded)


def _ome_pixels_per_um(xml: str) -> float | None:
    """Return the pixels per um of an OME-XML header, or None where it states no physical size."""
    sizes = []
    for axis in "XY":
        size = re.search(rf'\bPhysicalSize{axis}="([0-9.eE+-]+)"', xml)
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', xml)
        um = _UM_PER_UNIT.get(unescape(unit[1]).replace("μ", "µ") if unit else "µm")
        if size is None or um is None or float(size[1]) <= 0:
            return None
        sizes.append(float(size[1]) * um)
    return 2 / (sizes[0] + sizes[1])


def check_pixel_size(stated: float | None, wanted: float, name: str) -> None:
    """Compare the pixels per um that a file states with those that the build was given.

    Raises:
        InputImageError: they differ by more than 1 %.
    """
    if stated is not None and abs(stated / wanted - 1) > PIXEL_SIZE_TOLERANCE:
        raise InputImageError(
            f"{name} states {stated:.5g} pixels per µm in its OME header, but --pixels-per-um is {wanted:g}; build it "
            f"with --pixels-per-um {stated:.5g}, or correct the header."
        )
