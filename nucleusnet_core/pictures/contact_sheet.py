"""A contact sheet: many nuclei on one dark page, all under the same contrast, with a scale bar."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ..files.atomic import atomic_path
from ..terminal.outputs import writing
from .channels import COLOURS, composite
from .outlines import COLOUR

Tiles = npt.NDArray[np.float32]

MAX_NUCLEI = 10_000
SHEET_WIDTH_PX = 2560
MIN_SHEET_WIDTH_PX = 640
TILE_LIMITS_PX = (32, 256)
CONTRAST_PERCENTILES = (1.0, 99.8)
"""Of the pixels above 0, so that the empty surroundings of masked nuclei do not count."""
NO_SCALE_BAR = "The crops have several scales (column crop_pixels_per_um), so the contact sheet has no scale bar."

_INK = 210
_BAR = 255


@dataclass(frozen=True)
class SheetGrid:
    """How nuclei are laid out: `rows` x `columns` square tiles of `tile_px`."""

    columns: int
    rows: int
    tile_px: int

    @property
    def width_px(self) -> int:
        """Width of the sheet; a few nuclei leave room for the caption."""
        return max(self.columns * self.tile_px, MIN_SHEET_WIDTH_PX)


def sheet_grid(count: int) -> SheetGrid:
    """Return the grid for `count` nuclei, about 16:10, tiles as large as the width of a sheet allows.

    Args:
        count: 1 to `MAX_NUCLEI`.
    """
    columns = min(math.ceil(math.sqrt(1.6 * count)), count)
    smallest, largest = TILE_LIMITS_PX
    return SheetGrid(columns, math.ceil(count / columns), min(max(SHEET_WIDTH_PX // columns, smallest), largest))


def shrunk(images: npt.NDArray[Any], size_px: int) -> npt.NDArray[np.float32]:
    """Return images of any grey type, (n, height, width), as float32 (n, size_px, size_px), averaged over areas."""
    small = [
        Image.fromarray(image.astype(np.float32)).resize((size_px, size_px), Image.Resampling.BOX) for image in images
    ]
    return np.stack([np.asarray(image) for image in small])


def contrast_limits(tiles: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the grey values that are drawn black and white: percentiles of all pixels above 0."""
    foreground = tiles[tiles > 0]
    if not foreground.size:
        return 0.0, 1.0
    low, high = np.percentile(foreground, CONTRAST_PERCENTILES)
    return float(low), max(float(high), float(low) + 1)


def scale_bar_um(px_per_um: float, longest_px: float) -> float:
    """Return the longest of 1, 2, 5, 10, 20, 50 ... um (or 0.5, 0.2 ...) that is at most `longest_px` long."""
    power = 10.0 ** math.floor(math.log10(longest_px / px_per_um))
    # The logarithm may be rounded up to the next power, hence 0.5.
    return max(step * power for step in (0.5, 1, 2, 5) if step * power * px_per_um <= longest_px)


def draw_sheet(
    tiles: Tiles | Mapping[str, Tiles],
    *,
    caption: Sequence[str],
    tile_um: float | None,
    outlines: npt.NDArray[np.bool_] | None = None,
) -> Image.Image:
    """Draw a contact sheet, mode L, or RGB with several channels or outlines.

    Args:
        tiles: float32 (n, size, size), raw camera values, of the size that `sheet_grid(n)` gives; or such ones by the
            name of their channel, of which several are drawn in colours, with a legend.
        caption: texts below the nuclei on the left, such as what they are.
        tile_um: width of what a tile shows, um; None draws no scale bar.
        outlines: bool as `tiles`, where the outlines of the nuclei lie; None draws none.
    """
    layers = list(tiles.values()) if isinstance(tiles, Mapping) else [tiles]
    names = list(tiles) if isinstance(tiles, Mapping) else [""]
    grid, contrasts = sheet_grid(len(layers[0])), [contrast_limits(layer) for layer in layers]
    pictures = [_mosaic(_stretched(layer, *limits), grid) for layer, limits in zip(layers, contrasts, strict=True)]
    font_px = min(max(grid.width_px // 80, 15), 32)
    margin = font_px
    height = grid.rows * grid.tile_px + 2 * margin + 2 * font_px
    sheet = Image.new("L", (grid.width_px + 2 * margin, height + 2 * font_px * (len(layers) > 1)), 0)
    sheet.paste(Image.fromarray(pictures[0]), (margin, margin))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(font_px)
    middle_y = height - margin - font_px // 2
    outlined = ["outlined: the nucleus"] if outlines is not None else []
    greys = [f"grey values {low:.0f} to {high:.0f}" for low, high in contrasts if len(layers) == 1]
    pen.text((margin, middle_y), "   ".join([*caption, *outlined, *greys]), fill=_INK, font=font, anchor="lm")
    if tile_um is not None:
        longest_px = min(2 * grid.tile_px, grid.width_px / 5)
        _draw_scale_bar(pen, font, (sheet.width - margin, middle_y), grid.tile_px / tile_um, longest_px)
    if len(layers) == 1 and outlines is None:
        return sheet
    coloured = sheet.convert("RGB")
    if len(layers) > 1:
        coloured.paste(Image.fromarray(composite(pictures)), (margin, margin))
        _draw_legend(coloured, font, (margin, middle_y + 2 * font_px), dict(zip(names, contrasts, strict=True)))
    if outlines is not None:
        coloured.paste(COLOUR, (margin, margin), Image.fromarray(_mosaic(outlines * np.uint8(255), grid)))
    return coloured


def _stretched(tiles: Tiles, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Return grey values from `low` to `high` as 0 to 255."""
    return np.clip((tiles - low) * (255 / (high - low)), 0, 255).astype(np.uint8)


def _draw_legend(
    sheet: Image.Image,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    start: tuple[int, int],
    contrasts: Mapping[str, tuple[float, float]],
) -> None:
    """Write the channels from `start` (x, y) to the right, each in its colour, with its grey values."""
    pen, (x, middle_y) = ImageDraw.Draw(sheet), start
    for (name, (low, high)), (word, colour) in zip(contrasts.items(), COLOURS.items(), strict=False):
        text = f"{name} ({word}): {low:.0f} to {high:.0f}   "
        pen.text((x, middle_y), text, fill=colour, font=font, anchor="lm")
        x += round(pen.textlength(text, font=font))


def _mosaic(tiles: npt.NDArray[np.uint8], grid: SheetGrid) -> npt.NDArray[np.uint8]:
    """Return tiles (n, size, size) as one image, row by row; missing ones are black."""
    full = np.zeros((grid.rows * grid.columns, grid.tile_px, grid.tile_px), np.uint8)
    full[: len(tiles)] = tiles
    rows = full.reshape(grid.rows, grid.columns, grid.tile_px, grid.tile_px)
    return rows.transpose(0, 2, 1, 3).reshape(grid.rows * grid.tile_px, grid.columns * grid.tile_px)


def _draw_scale_bar(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    end: tuple[int, int],
    px_per_um: float,
    longest_px: float,
) -> None:
    """Draw a bar that ends at `end` (x, y), with its length on the left of it."""
    length_um = scale_bar_um(px_per_um, longest_px)
    end_x, middle_y = end
    start_x = end_x - round(length_um * px_per_um)
    height = max(round(pen.textbbox((0, 0), "0", font=font)[3] / 4), 3)
    pen.rectangle((start_x, middle_y - height // 2, end_x - 1, middle_y - height // 2 + height - 1), fill=_BAR)
    pen.text((start_x - 2 * height, middle_y), f"{length_um:g} um", fill=_INK, font=font, anchor="rm")


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a contact sheet as PNG, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with writing(path), atomic_path(path) as partial:
        sheet.save(partial, "png")
