"""What tells a good nucleus from a bad one: how light its surroundings are, how saturated and how sharp it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions

from .extremes import count_values, saturation_value
from .measure import Boxes, IntensitySums, Runs
from .surroundings import median_surroundings
from .touch import touch

BLOCK_UM = 1.0
"""Side of the blocks over which pixels are averaged before sharpness is measured, um; at least two pixels."""


def quality_columns(
    pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums, pixels_per_um: float
) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int32]]:
    """Return the dataset's columns on the quality of each nucleus.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        sums: the intensities under them.
        pixels_per_um: scale of the image.

    Returns:
        `background_intensity` float32, NaN where no free pixel is near; `saturated_px` int32; `sharpness` float32, see
        `sharpness_of`.
    """
    saturated = count_values(pixels, regions, sums.maximum, saturation_value(pixels, regions, sums.maximum))
    return {
        "background_intensity": median_surroundings(pixels, regions).astype(np.float32),
        "saturated_px": saturated.astype(np.int32),
        "sharpness": sharpness_of(pixels, regions, sums, block_px(pixels_per_um)).astype(np.float32),
    }


def block_px(pixels_per_um: float) -> int:
    """Return the side of a block of `BLOCK_UM` at this scale.

    >>> block_px(8.0453), block_px(4.0), block_px(1.0)
    (8, 4, 2)
    """
    return max(2, round(BLOCK_UM * pixels_per_um))


def sharpness_of(
    pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums, side_px: int
) -> npt.NDArray[np.float64]:
    """Return the variance of the Laplacian in each nucleus over the square of its mean intensity, without noise.

    The Laplacian of a block of pixels is the sum of the means of its four neighbours minus four times its own. Only
    blocks count that lie in the mask with all four neighbours, so neither surroundings nor touching nuclei enter. The
    blocks begin in the corner of the box of the nucleus.

    Noise of the camera would hide what is out of focus. It differs between the pixels of a block, and what the lens
    shows does not: the Laplacian is made twice, from the two colours of a chessboard of pixels, and the variance is
    that which both share, their covariance, or 0 where that is negative.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        sums: the intensities under them.
        side_px: side of a block, at least 2.

    Returns:
        float64 (regions,), NaN where no block counts, or all values are 0.

    Source: Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy, ICPR 15 (3):314-317.
    """
    runs = (regions.run_start, regions.row, regions.x0, regions.x1)
    boxes = (regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1)
    shared = _shared_variance(pixels, boxes, runs, side_px)
    mean = sums.total / sums.area_px
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, np.maximum(shared, 0) / mean**2, np.nan)


@compiled
def _shared_variance(pixels: npt.NDArray[Any], boxes: Boxes, runs: Runs, side_px: int) -> npt.NDArray[np.float64]:
    """Return the covariance of the two Laplacians of the blocks of each region, (regions,); NaN where none counts."""
    regions = runs[0].size - 1
    shared = np.full(regions, np.nan)
    for region in range(regions):
        y0, x0, y1, x1 = boxes[0][region], boxes[1][region], boxes[2][region], boxes[3][region]
        rows, columns = (y1 - y0) // side_px, (x1 - x0) // side_px
        if rows >= 3 and columns >= 3:
            touch(pixels, y0, x0, y1, x1)
            sums, filled = np.zeros((rows, columns, 2), np.int64), np.zeros((rows, columns), np.int32)
            _add_up(pixels, (runs, region), (y0, x0, side_px), sums, filled)
            shared[region] = _covariance(sums, filled, side_px)
    return shared


@compiled
def _add_up(
    pixels: npt.NDArray[Any],
    which: tuple[Runs, int],
    grid: tuple[int, int, int],
    sums: npt.NDArray[np.int64],
    filled: npt.NDArray[np.int32],
) -> None:
    """Add up the pixels of each block by their colour, and count the rows of it that lie in the region.

    Args:
        pixels: (H, W).
        which: runs, and the region.
        grid: first row and column of the first block, and the side of a block.
        sums: (rows, columns, 2), zeros; filled.
        filled: (rows, columns), zeros; filled.
    """
    ((run_start, row, x0, x1), region), (top, left, side_px) = which, grid
    rows, columns = filled.shape
    width, block_row, last_row = columns * side_px, 0, top + rows * side_px
    columns_sums = np.zeros((2, width), np.uint32)  # of the rows of a block with an even number, and of the others
    for run in range(run_start[region], run_start[region + 1]):
        if row[run] >= last_row:
            break
        if (row[run] - top) // side_px != block_row:
            _split(columns_sums, sums[block_row], side_px)
            block_row = (row[run] - top) // side_px
        start, stop = x0[run] - left, min(x1[run] - left, width)
        if start < stop:
            _add_row(
                pixels[row[run], left + start : left + stop], columns_sums[(row[run] - top) % side_px % 2, start:stop]
            )
            filled[block_row, (start + side_px - 1) // side_px : stop // side_px] += 1
    _split(columns_sums, sums[block_row], side_px)


@compiled
def _add_row(pixels: npt.NDArray[Any], sums: npt.NDArray[np.uint32]) -> None:
    for x in range(sums.size):
        sums[x] += np.uint32(pixels[x])


@compiled
def _split(columns_sums: npt.NDArray[np.uint32], sums: npt.NDArray[np.int64], side_px: int) -> None:
    """Add up a row of blocks, (columns, 2), by the colour of their pixels, and set the sums of the columns to 0."""
    even, odd = columns_sums
    for column in range(sums.shape[0]):
        first = second = np.int64(0)
        for x in range(column * side_px, (column + 1) * side_px, 2):
            first += np.int64(even[x])
            second += np.int64(odd[x])
        for x in range(column * side_px + 1, (column + 1) * side_px, 2):
            first += np.int64(odd[x])
            second += np.int64(even[x])
        sums[column, 0], sums[column, 1] = first, second
    columns_sums[:] = 0


@compiled
def _covariance(sums: npt.NDArray[np.int64], filled: npt.NDArray[np.int32], side_px: int) -> float:
    """Return the covariance of the Laplacians of the two colours over all blocks that are filled; NaN without one."""
    number, first_total, second_total, product = 0, 0, 0, 0.0
    for y in range(1, filled.shape[0] - 1):
        for x in range(1, filled.shape[1] - 1):
            around = min(filled[y - 1, x], filled[y + 1, x], filled[y, x - 1], filled[y, x + 1])
            if min(around, filled[y, x]) == side_px:
                first, second = _laplacian(sums[:, :, 0], y, x), _laplacian(sums[:, :, 1], y, x)
                number += 1
                first_total += first
                second_total += second
                product += float(first) * float(second)
    if number == 0:
        return np.nan
    pixels_of_first = (side_px * side_px + 1) // 2
    pixels_of_both = pixels_of_first * (side_px * side_px - pixels_of_first)
    return float(product / number - first_total / number * (second_total / number)) / pixels_of_both


@compiled
def _laplacian(values: npt.NDArray[np.int64], y: int, x: int) -> int:
    around = values[y - 1, x] + values[y + 1, x] + values[y, x - 1] + values[y, x + 1]
    return around - 4 * values[y, x]  # type: ignore[no-any-return]  # an int where compiled
