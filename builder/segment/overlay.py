"""A picture of an image with its mask on it, to look at what was segmented."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucleusnet_core.errors import InputMaskError, OutputError, UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic

from ..inputs.images import read_image
from ..inputs.masks import LabelRuns, read_label_runs

MAX_PICTURE_PX = 100_000_000
_STRETCH_PERCENTILES = (0.5, 99.8)
_FILL_OPACITY = 0.45


@dataclass(frozen=True)
class Look:
    """How an overlay shows a region.

    Attributes:
        scale: pixels of the picture for each pixel of the image.
        style: "outlines", or "fill" for coloured areas.
        seed: decides the colours; a label has the same in every picture.
    """

    scale: float = 1.0
    style: Literal["outlines", "fill"] = "outlines"
    seed: int = 0

    def size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width of the picture of a region (h, w)."""
        return max(1, round(shape[0] * self.scale)), max(1, round(shape[1] * self.scale))


def write_overlay(
    image_path: Path, mask_path: Path, out: Path, *, region: str | None = None, look: Look | None = None
) -> tuple[int, int, int]:
    """Draw the mask of an image on it and write a PNG.

    Args:
        image_path: TIFF.
        mask_path: label image of the same shape.
        out: the picture.
        region: "Y0,X0,Y1,X1" in px of the image, half-open; None for all of it.
        look: scale, style and seed.

    Returns:
        Height and width of the picture, and the number of labels in it.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape.
        UsageError: the region lies outside, or the picture would be too large.
    """
    pixels = read_image(image_path).pixels
    runs = _read_mask(mask_path)
    if runs.shape != pixels.shape:
        raise InputMaskError(
            f"{mask_path.name}: a mask of {pixels.shape[0]} x {pixels.shape[1]} px expected as {image_path.name} has, "
            f"{runs.shape[0]} x {runs.shape[1]} found; give the mask of this image."
        )
    box, look = parse_region(region, (pixels.shape[0], pixels.shape[1])), look or Look()
    _check_size(box, look)
    labels = part_of(runs, box)
    picture = draw(pixels[box[0] : box[2], box[1] : box[3]], labels, look)
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, "PNG")
        try:
            write_bytes_atomic(out, file.getvalue())
        except OSError as error:
            raise OutputError(
                f"{out}: a file that can be written expected, found: {error.strerror or error}."
            ) from error
    return picture.shape[0], picture.shape[1], int(np.count_nonzero(np.unique(labels)))


def parse_region(text: str | None, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Read a region "Y0,X0,Y1,X1" of an image (H, W).

    Raises:
        UsageError: not four numbers, or they lie outside.
    """
    if text is None:
        return 0, 0, shape[0], shape[1]
    parts = [int(part) for part in text.split(",")] if re.fullmatch(r"\s*\d+(\s*,\s*\d+){3}\s*", text) else []
    if len(parts) != 4 or not (0 <= parts[0] < parts[2] <= shape[0] and 0 <= parts[1] < parts[3] <= shape[1]):
        raise UsageError(
            f"--region: Y0,X0,Y1,X1 inside an image of {shape[0]} x {shape[1]} px expected, {text!r} found; "
            "such as 0,0,1000,1000."
        )
    return parts[0], parts[1], parts[2], parts[3]


def draw(pixels: NDArray[Any], labels: NDArray[np.uint32], look: Look) -> NDArray[np.uint8]:
    """Draw labels on pixels.

    Args:
        pixels: (h, w) camera values of the region.
        labels: uint32 (h, w), 0 = background.
        look: scale, style and seed.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = look.size(labels.shape)
    grey = Image.fromarray(stretched(pixels))
    smooth = Image.Resampling.BOX if look.scale < 1 else Image.Resampling.NEAREST
    picture = np.repeat(np.asarray(grey.resize((width, height), smooth))[:, :, None], 3, axis=2)
    rows = np.minimum(np.arange(height) * labels.shape[0] // height, labels.shape[0] - 1)
    columns = np.minimum(np.arange(width) * labels.shape[1] // width, labels.shape[1] - 1)
    shown = labels[rows[:, None], columns]
    where = shown > 0
    if look.style == "outlines":
        where &= edges(shown)
        picture[where] = colours(shown[where], look.seed)
    else:
        mixed = (1 - _FILL_OPACITY) * picture[where] + _FILL_OPACITY * colours(shown[where], look.seed)
        picture[where] = mixed.astype(np.uint8)
    return picture


def stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretch the contrast of (h, w) camera values to 0 ... 255."""
    low, high = np.percentile(pixels, _STRETCH_PERCENTILES)
    shown: NDArray[np.float32] = np.clip((pixels.astype(np.float32) - low) * (255 / max(1e-3, high - low)), 0, 255)
    return shown.astype(np.uint8)


def edges(labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Say which pixels (h, w) have another label above, below, left or right of them."""
    found = np.zeros(labels.shape, np.bool_)
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def colours(labels: NDArray[np.uint32], seed: int) -> NDArray[np.uint8]:
    """Return a bright colour for each label (n,): uint8 (n, 3), the same for the same label and seed."""
    mixed = (labels.astype(np.uint64) + np.uint64(seed % 2**32) * np.uint64(0x9E3779B1)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    hue = (mixed >> np.uint64(40)).astype(np.float64) * (6 / 2**24)
    channels = np.stack([np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4)], axis=1)
    return (55 + 200 * np.clip(channels, 0, 1)).astype(np.uint8)


def part_of(runs: LabelRuns, box: tuple[int, int, int, int]) -> NDArray[np.uint32]:
    """Paint the labels of a region (y0, x0, y1, x1): uint32 (h, w)."""
    y0, x0, y1, x1 = box
    labels = np.zeros((y1 - y0, x1 - x0), np.uint32)
    inside = (runs.row >= y0) & (runs.row < y1) & (runs.x1 > x0) & (runs.x0 < x1)
    starts, stops = np.maximum(runs.x0, x0) - x0, np.minimum(runs.x1, x1) - x0
    for run in np.flatnonzero(inside):
        labels[runs.row[run] - y0, starts[run] : stops[run]] = runs.label[run]
    return labels


def _read_mask(path: Path) -> LabelRuns:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputMaskError(f"{path}: a mask expected, found: {error.strerror or error}; check the path.") from error
    return read_label_runs(data, path.name)


def _check_size(box: tuple[int, int, int, int], look: Look) -> None:
    if not 0.001 <= look.scale <= 64:
        raise UsageError(f"--scale: 0.001 to 64 expected, {look.scale} found.")
    height, width = look.size((box[2] - box[0], box[3] - box[1]))
    if height * width > MAX_PICTURE_PX:
        raise UsageError(
            f"--scale: a picture of at most {MAX_PICTURE_PX / 1e6:.0f} Mpx expected, {height} x {width} px found; give "
            "a smaller --scale or a --region."
        )
