"""A picture of an image with its mask on it, to look at what was segmented."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.inputs.channels import ALL_CHANNELS, ChannelOptions, find_one_channel
from nucleusnet_core.inputs.masks import LabelRuns, painted_rows
from nucleusnet_core.inputs.read_pair import read_pair
from nucleusnet_core.pictures.label_colours import colours_of
from nucleusnet_core.terminal.outputs import output_file, writing
from nucleusnet_core.terminal.progress import NoProgress, Progress

from .options import OverlayLook, OverlayStyle

MAX_PICTURE_PX = 100_000_000
_STRETCH_PERCENTILES = (0.5, 99.8)
_FILL_OPACITY = 0.45


@dataclass(frozen=True)
class Overlay:
    """A picture that was written.

    Attributes:
        height: of the picture, px.
        width: of the picture, px.
        labels: number of labels in it.
    """

    height: int
    width: int
    labels: int


def write_overlay(
    image_path: Path,
    mask_path: Path,
    out: Path,
    *,
    region: str | None = None,
    look: OverlayLook | None = None,
    allow_pickle: bool = False,
    channels: ChannelOptions = ALL_CHANNELS,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Overlay:
    """Draw the mask of an image on it and write a PNG.

    Args:
        image_path: TIFF or PNG.
        mask_path: label image of the same shape.
        out: the picture.
        region: "Y0,X0,Y1,X1" in px of the image, half-open; None for all of it.
        look: scale, style and seed.
        allow_pickle: the mask may be a `_seg.npy`.
        channels: which channel of the image is shown.
        overwrite: replace a file that is there.
        progress: told of two steps: drawn, written.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape.
        UsageError: an input does not exist, the picture must not lie there or would be too large, or the region lies
            outside of the image.
        OutputError: the picture cannot be written.
    """
    out = output_file(out, suffixes=(".png",), overwrite=overwrite, inputs=(image_path, mask_path))
    look, progress = look or OverlayLook(), progress or NoProgress()
    _check_scale(look)
    _check_inputs(image_path, mask_path)
    one = find_one_channel([image_path], channels)
    pair = read_pair(image_path, mask_path, allow_pickle=allow_pickle, hashes=False, file_scale=False, channels=one)
    pixels = pair.image.pixels
    box = parse_region(region, (pixels.shape[0], pixels.shape[1]))
    _check_size(box, look)
    progress.begin("overlay", 2, unit="step")
    labels = part_of(pair.runs, box)
    picture = draw(pixels[box[0] : box[2], box[1] : box[3]], labels, look)
    progress.step()
    with writing(out):
        write_bytes_atomic(out, _png(picture))
    progress.step()
    return Overlay(picture.shape[0], picture.shape[1], int(np.count_nonzero(np.unique(labels))))


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
            f"--region {text!r} is no part of an image of {shape[0]} x {shape[1]} px; give Y0,X0,Y1,X1 inside it, such "
            "as 0,0,1000,1000."
        )
    return parts[0], parts[1], parts[2], parts[3]


def draw(pixels: npt.NDArray[Any], labels: npt.NDArray[np.uint32], look: OverlayLook) -> npt.NDArray[np.uint8]:
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
    if look.style is OverlayStyle.outlines:
        where &= edges(shown)
        picture[where] = colours_of(shown[where], seed=look.seed)
    else:
        mixed = (1 - _FILL_OPACITY) * picture[where] + _FILL_OPACITY * colours_of(shown[where], seed=look.seed)
        picture[where] = mixed.astype(np.uint8)
    return picture


def stretched(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Stretch the contrast of (h, w) camera values to 0 ... 255."""
    low, high = np.percentile(pixels, _STRETCH_PERCENTILES)
    shown: npt.NDArray[np.float32] = np.clip((pixels.astype(np.float32) - low) * (255 / max(1e-3, high - low)), 0, 255)
    return shown.astype(np.uint8)


def edges(labels: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Return which pixels (h, w) have another label above, below, left or right of them."""
    found = np.zeros(labels.shape, np.bool_)
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def part_of(runs: LabelRuns, box: tuple[int, int, int, int]) -> npt.NDArray[np.uint32]:
    """Paint the labels of a region (y0, x0, y1, x1): uint32 (h, w)."""
    y0, x0, y1, x1 = box
    return painted_rows(runs, y0, y1)[:, x0:x1]


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, "PNG")
        return file.getvalue()


def _check_inputs(*paths: Path) -> None:
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; check the path.")


def _check_scale(look: OverlayLook) -> None:
    if not 0.001 <= look.scale <= 64:
        raise UsageError(f"--scale is {look.scale}; it must lie between 0.001 and 64.")


def _check_size(box: tuple[int, int, int, int], look: OverlayLook) -> None:
    height, width = look.size((box[2] - box[0], box[3] - box[1]))
    if height * width > MAX_PICTURE_PX:
        raise UsageError(
            f"the picture would have {height} x {width} px, more than {MAX_PICTURE_PX / 1e6:.0f} Mpx; give a smaller "
            "--scale or a --region."
        )
