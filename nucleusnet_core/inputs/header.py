"""A look at stitched images before work begins: which stand for all, and what their headers say of size and scale."""

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import tifffile

from ..cells.png_chunks import SIGNATURE as PNG_SIGNATURE
from ..cells.png_chunks import PngDamageError
from ..errors import InputImageError
from .kinds import reading
from .scale import Scale, stated_png_scale, stated_scale
from .tiff import said_of

_PNG_HEADER_BYTES = 1 << 16  # the scale stands before the pixels
_PNG_HEADER = struct.Struct(">I4sIIB")
Image = TypeVar("Image")


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


def spread(images: Sequence[Image]) -> list[Image]:
    """Return the images that stand for all where a few are looked at: first, middle and last.

    >>> spread("abcdefg"), spread("ab"), spread("")
    (['a', 'd', 'g'], ['a', 'b'], [])
    """
    last = len(images) - 1
    return [images[place] for place in sorted({0, last // 2, last})] if images else []


def read_header(path: Path, *, file_scale: bool = True) -> Header:
    """Read the header of an image; whether its pixels can be read, only a build tells.

    Args:
        path: a TIFF or PNG file.
        file_scale: read the scale that the file states, as `read_image` does.

    Raises:
        InputImageError: there is no header of a TIFF or PNG, or it states a scale that cannot be.
    """
    with reading(path, InputImageError), path.open("rb") as file:
        start = file.read(_PNG_HEADER_BYTES)
    if not start:
        raise InputImageError(f"{path.name} is empty; copy it again.")
    try:
        if start.startswith(PNG_SIGNATURE):
            return _png_header(start, path.name, file_scale)
        return _tiff_header(path, file_scale)
    except InputImageError:
        raise
    except Exception as error:  # tifffile raises many types for a damaged file
        raise InputImageError(
            f"{path.name} is not a readable TIFF or PNG image ({type(error).__name__}: {error}); copy or export it "
            "again."
        ) from error


def _png_header(start: bytes, name: str, file_scale: bool) -> Header:
    _, _, width, height, bits = _PNG_HEADER.unpack_from(start, len(PNG_SIGNATURE))
    scale = None
    if file_scale:
        with contextlib.suppress(PngDamageError):  # the rest of the file is not here
            scale = stated_png_scale(start, name)
    return Header((height, width), height * width * max(1, bits // 8), scale)


def _tiff_header(path: Path, file_scale: bool) -> Header:
    with said_of(path.name), tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        height, width = page.imagelength, page.imagewidth
        if not isinstance(height, int) or not isinstance(width, int):
            raise ValueError("a page of several heights or widths")
        scale = stated_scale(tiff, page, path.name) if file_scale else None
        return Header((height, width), height * width * page.dtype.itemsize, scale)
