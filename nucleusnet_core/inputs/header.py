"""The header of a stitched image: size and scale, without its pixels."""

import struct
from dataclasses import dataclass
from pathlib import Path

import tifffile

from ..cells.png_chunks import SIGNATURE as PNG_SIGNATURE
from ..errors import InputImageError
from .images import reading
from .scale import Scale, stated_scale

_PNG_HEADER = struct.Struct(">I4sIIB")


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Attributes:
        shape: (height, width), px.
        pixel_bytes: bytes of all pixels.
        scale: that it states, or None.
    """

    shape: tuple[int, int]
    pixel_bytes: int
    scale: Scale | None


def read_header(path: Path) -> Header:
    """Read the header of an image; whether its pixels can be read, only a build tells.

    Raises:
        InputImageError: there is no header of a TIFF or PNG, or it states a scale that cannot be.
    """
    with reading(path, InputImageError), path.open("rb") as file:
        start = file.read(len(PNG_SIGNATURE) + _PNG_HEADER.size)
    if not start:
        raise InputImageError(f"{path.name} is empty; copy it again.")
    try:
        return _png_header(start) if start.startswith(PNG_SIGNATURE) else _tiff_header(path)
    except InputImageError:
        raise
    except Exception as error:  # tifffile raises many types for a damaged file
        raise InputImageError(
            f"{path.name} is not a readable TIFF or PNG image ({type(error).__name__}: {error}); copy or export it "
            "again."
        ) from error


def _png_header(start: bytes) -> Header:
    _, _, width, height, bits = _PNG_HEADER.unpack(start[len(PNG_SIGNATURE) :])
    return Header((height, width), height * width * max(1, bits // 8), None)


def _tiff_header(path: Path) -> Header:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        height, width = page.imagelength, page.imagewidth
        return Header((height, width), height * width * page.dtype.itemsize, stated_scale(tiff, page, path.name))
