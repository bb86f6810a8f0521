"""The channels of an image, one after the other, and the grey values that suit each: memory holds one at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.channels import Channels
from nucleusnet_core.inputs.images import map_file, read_image
from nucleusnet_core.inputs.kinds import reading
from nucleusnet_core.inputs.read_channels import decode_channels

from .libvips import WHITE

_FULL_SHARE = 0.999


@dataclass(frozen=True)
class Tones:
    """How the grey values of a channel are shown.

    Attributes:
        white: grey value that becomes 255.
        bright: what one pixel in a thousand is above then, 1 to 255; pages show it in the full colour of the channel.
    """

    white: float
    bright: int


def further_planes(
    path: Path, channels: Channels, further_paths: Sequence[Path], size_px: tuple[int, int]
) -> Iterator[npt.NDArray[Any]]:
    """Yield the pixels of the channels behind the first.

    Args:
        path: the image.
        channels: that are taken.
        further_paths: files of the further channels, none where they lie in the image.
        size_px: width and height that each must have.

    Raises:
        InputImageError: a channel cannot be read, or has another size.
    """
    planes = (read_image(each, file_scale=False).pixels for each in further_paths)
    for pixels in planes if further_paths else _planes_of_file(path, channels):
        if pixels.shape[::-1] != size_px:
            height, width = pixels.shape
            raise InputImageError(
                f"{path}: a further channel is {width} x {height} px, and the image is {size_px[0]} x {size_px[1]}; "
                "export both in one size."
            )
        yield pixels


def _planes_of_file(path: Path, channels: Channels) -> Iterator[npt.NDArray[Any]]:
    if not channels.further:
        return
    with reading(path, InputImageError):
        data = map_file(path)
    for name in channels.further:
        yield decode_channels(data, path.name, replace(channels, names=(name,)), file_scale=False)[0][0]


def tones_of(pixels: npt.NDArray[Any]) -> Tones:
    """Return the tones of a channel.

    Args:
        pixels: (height, width) uint8 or uint16, camera values.
    """
    white = white_of(pixels)
    return Tones(white, WHITE if pixels.dtype != np.uint8 else int(_brightest(pixels)))


def white_of(pixels: npt.NDArray[Any]) -> float:
    """Return the grey value to show white: 255 of 8 bits, the 99.9th percentile of 16 bits.

    Args:
        pixels: (height, width) uint8 or uint16, camera values.
    """
    return WHITE if pixels.dtype == np.uint8 else _brightest(pixels)


def _brightest(pixels: npt.NDArray[Any]) -> float:
    """Return the 99.9th percentile, at least 1."""
    counts = np.zeros(1 << 8 * pixels.itemsize, np.int64)
    for row in pixels:
        counts += np.bincount(row, minlength=counts.size)
    return max(1.0, float(np.searchsorted(np.cumsum(counts), _FULL_SHARE * pixels.size)))
