"""Images and masks read as `build` reads them, and kept on disk as plain numbers that libvips walks strip by strip."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.masks import LabelRuns, painted_rows
from nucleusnet_core.inputs.read_pair import read_pair

from .libvips import vips
from .panoramas import Part

if TYPE_CHECKING:
    import pyvips

_ROWS_AT_ONCE = 1024
_FORMATS = {"uint8": "uchar", "uint16": "ushort", "uint32": "uint"}
"""What libvips calls the types of pixels."""


@dataclass(frozen=True)
class PlainCopy:
    """The channels and the mask of one part of a panorama; they are opened anew for each walk over them."""

    size_px: tuple[int, int]
    images: tuple[tuple[Path, str], ...]
    mask_path: Path
    mask_dtype: str

    def image(self, channel: int) -> "pyvips.Image":
        """Open the camera values of a channel, 0 for the first."""
        path, dtype = self.images[channel]
        return _open(path, self.size_px, dtype)

    def mask(self) -> "pyvips.Image":
        """Open the labels."""
        return _open(self.mask_path, self.size_px, self.mask_dtype)


@contextlib.contextmanager
def plain_copies(parts: Sequence[Part], folder: Path) -> Iterator[list[PlainCopy]]:
    """Yield copies of the images and masks of a panorama, which are gone afterwards.

    Args:
        parts: of the panorama.
        folder: to be made for the copies; one or two bytes a pixel and channel, and two to four for its mask.

    Raises:
        InputImageError: an image has changed since it was first read, or cannot be read any more.
        InputMaskError: a mask cannot be read any more.
    """
    folder.mkdir()
    try:
        yield [_copied(part, folder / str(number)) for number, part in enumerate(parts)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(part: Part, stem: Path) -> PlainCopy:
    pair = read_pair(
        part.image_path,
        part.mask_path,
        allow_pickle=part.allow_pickle,
        hashes=False,
        file_scale=False,
        channels=part.channels.first_alone(),
    )
    runs = pair.runs
    if (runs.shape[1], runs.shape[0]) != part.size_px or max(part.labels, default=0) < runs.label.max(initial=0):
        raise InputImageError(f"{part.image_path} or its mask changed while it was read; call again.")
    mask_dtype = np.dtype(np.uint16 if max(part.labels, default=0) <= np.iinfo(np.uint16).max else np.uint32)
    mask_path = stem.with_suffix(".mask")
    _write_labels(runs, mask_path, mask_dtype)
    first = _written(pair.image.pixels, stem, 0)
    del pair, runs  # else they are in memory with each of the further channels
    further = (_written(pixels, stem, number) for number, pixels in enumerate(part.further_planes(), 1))
    return PlainCopy(part.size_px, (first, *further), mask_path, mask_dtype.name)


def _written(pixels: npt.NDArray[Any], stem: Path, number: int) -> tuple[Path, str]:
    """Write a channel; return where, and its type."""
    path = stem.with_suffix(f".image{number}")
    pixels.tofile(path)
    return path, pixels.dtype.name


def _write_labels(runs: LabelRuns, path: Path, dtype: np.dtype[Any]) -> None:
    with path.open("wb") as file:
        for y0 in range(0, runs.shape[0], _ROWS_AT_ONCE):
            painted_rows(runs, y0, min(y0 + _ROWS_AT_ONCE, runs.shape[0])).astype(dtype).tofile(file)


def _open(path: Path, size_px: tuple[int, int], dtype: str) -> "pyvips.Image":
    return vips().Image.rawload(str(path), *size_px, 1, format=_FORMATS[dtype])
