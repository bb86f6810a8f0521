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

_TOGETHER_PX = 4096  # squares of so many Laplacians of 8 bits add up within 32 bits


def quality_columns(
    pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums
) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int32]]:
    """Return the dataset's columns on the quality of each nucleus.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        sums: the intensities under them.

    Returns:
        `background_intensity` float32, NaN where no free pixel is near; `saturated_px` int32; `sharpness` float32, see
        `sharpness_of`.
    """
    saturated = count_values(pixels, regions, sums.maximum, saturation_value(pixels, regions, sums.maximum))
    return {
        "background_intensity": median_surroundings(pixels, regions).astype(np.float32),
        "saturated_px": saturated.astype(np.int32),
        "sharpness": sharpness_of(pixels, regions, sums).astype(np.float32),
    }


def sharpness_of(pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums) -> npt.NDArray[np.float64]:
    """Return the variance of the Laplacian in each nucleus over the square of its mean intensity.

    The Laplacian of a pixel is the sum of its four neighbours minus four times itself. Only pixels count whose four
    neighbours lie in the same mask, so neither surroundings nor touching nuclei enter.

    Returns:
        float64 (regions,), NaN where no pixel counts, or all values are 0.

    Source: Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy, ICPR 15 (3):314-317.
    """
    runs = (regions.run_start, regions.row, regions.x0, regions.x1)
    boxes = (regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1)
    number, total, squared = _laplacian_sums(pixels, boxes, runs)
    mean = sums.total / sums.area_px
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = squared / number - (total / number) ** 2
        return np.where(mean > 0, np.maximum(variance, 0) / mean**2, np.nan)


@compiled
def _laplacian_sums(
    pixels: npt.NDArray[Any], boxes: Boxes, runs: Runs
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return number, sum and sum of squares of the Laplacians inside each region, (regions,) each."""
    (run_start, row, x0, x1), regions = runs, runs[0].size - 1
    number, total, squared = np.zeros(regions, np.int64), np.zeros(regions), np.zeros(regions)
    for region in range(regions):
        touch(pixels, boxes[0][region], boxes[1][region], boxes[2][region], boxes[3][region])
        start, stop = run_start[region], run_start[region + 1]
        above = below = start
        for run in range(start, stop):
            y = row[run]
            while above < run and (row[above] < y - 1 or (row[above] == y - 1 and x1[above] <= x0[run])):
                above += 1
            while below < stop and (row[below] <= y or (row[below] == y + 1 and x1[below] <= x0[run])):
                below += 1
            up = above
            while up < run and row[up] == y - 1 and x0[up] < x1[run]:
                down = below
                while down < stop and row[down] == y + 1 and x0[down] < x1[run]:
                    left = max(x0[run] + 1, x0[up], x0[down])
                    right = min(x1[run] - 1, x1[up], x1[down])
                    if left < right:
                        sums = _sum_laplacians(pixels, y, left, right)
                        number[region] += right - left
                        total[region] += sums[0]
                        squared[region] += sums[1]
                    down += 1
                up += 1
    return number, total, squared


@compiled
def _sum_laplacians(pixels: npt.NDArray[Any], y: int, left: int, right: int) -> tuple[np.int64, np.int64]:
    """Return sum and sum of squares of the Laplacians of columns `left` to `right` (half-open) of row y, exactly."""
    here, up, down = pixels[y, left - 1 : right + 1], pixels[y - 1, left:right], pixels[y + 1, left:right]
    total, squared = np.int64(0), np.int64(0)
    if pixels.itemsize == 1 and up.size <= _TOGETHER_PX:
        narrow_total, narrow_squared = np.int32(0), np.uint32(0)
        for x in range(up.size):
            laplacian = _laplacian(up[x], down[x], here[x], here[x + 2], here[x + 1])
            narrow_total = np.int32(narrow_total + laplacian)
            narrow_squared = np.uint32(narrow_squared + np.uint32(laplacian * laplacian))
        return np.int64(narrow_total), np.int64(narrow_squared)
    for x in range(up.size):
        wide = np.int64(_laplacian(up[x], down[x], here[x], here[x + 2], here[x + 1]))
        total += wide
        squared += wide * wide
    return total, squared


@compiled
def _laplacian(up: int, down: int, left: int, right: int, middle: int) -> np.int32:
    around = np.int32(np.int32(np.int32(up) + np.int32(down)) + np.int32(np.int32(left) + np.int32(right)))
    return np.int32(around - np.int32(np.int32(4) * np.int32(middle)))
