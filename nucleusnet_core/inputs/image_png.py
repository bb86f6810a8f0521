"""Stitched images in PNG files: grey, of 8 or 16 bits."""

from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from ..errors import InputImageError
from .kinds import IMAGE, check_expansion, check_sides
from .mask_png import DEFLATE_EXPANSION, read_png

_GREY, _GREY_AND_ALPHA = 0, 4


def decode_png_image(data: bytes | memoryview, name: str) -> npt.NDArray[Any]:
    """Return the pixels (height, width) of a PNG file, uint8 or uint16.

    A palette is refused: unlike in a TIFF, its programs number the colours of a picture as they like.

    Raises:
        InputImageError: truncated, damaged, not grey of 8 or 16 bits, partly transparent, or too large.
    """
    png = read_png(data, name, IMAGE)
    check_sides(png.height, png.width, name, IMAGE)
    if png.color_type not in (_GREY, _GREY_AND_ALPHA) or png.bit_depth not in (8, 16):
        raise InputImageError(
            f"{name} is a PNG with {png.kind}; an image must be greyscale of 8 or 16 bits: export the nuclear channel "
            "alone, without colours, best as TIFF."
        )
    pixel_bytes = png.height * png.width * png.bit_depth // 8
    check_expansion(pixel_bytes, len(png.compressed) * DEFLATE_EXPANSION, name, IMAGE)
    try:
        decoded: npt.NDArray[Any] = imagecodecs.png_decode(bytes(data))
    except Exception as error:  # imagecodecs makes the class of libpng's errors at run time
        raise InputImageError(f"{name} cannot be decoded ({error}); {IMAGE.again}.") from error
    return decoded if decoded.ndim == 2 else _opaque(decoded, name)


def _opaque(decoded: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return the grey values (height, width) of grey and alpha (height, width, 2)."""
    alpha = decoded[..., 1]
    if (alpha != alpha[0, 0]).any():
        raise InputImageError(
            f"{name} is a PNG with transparent parts, so it was edited as a picture; export the nuclear channel alone, "
            "without transparency."
        )
    return np.ascontiguousarray(decoded[..., 0])
