"""The surroundings of a nucleus: the pixels near its mask that lie in no mask, found from label runs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions

_NEAR_PX, _FAR_PX = 3, 15  # of the edge of the mask; closer than the first lies the blur of the nucleus itself
_ROWS = 32  # of the surroundings are read at most, evenly spread

_Runs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""`run_start`, `row`, `x0` and `x1` of `Regions`."""


def mean_surroundings(
    pixels: npt.NDArray[Any], regions: Regions, which: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the mean of the pixels 3 to 15 px outside some regions that lie in no mask.

    A region counts as filled from its first to its last pixel in each row. Of tall regions only every second, third ...
    row is read.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: all regions of the image.
        which: int64 (chosen,), the regions to look at.

    Returns:
        float64 (chosen,), NaN where no pixel is left.
    """
    boxes = np.stack([regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1]).astype(np.int64)
    return _mean_surroundings(pixels, boxes, (regions.run_start, regions.row, regions.x0, regions.x1), which)


@compiled
def _mean_surroundings(
    pixels: npt.NDArray[Any],
    boxes: npt.NDArray[np.int64],
    runs: _Runs,
    which: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    height, width = pixels.shape
    means, near_by = np.empty(which.size), np.empty(boxes.shape[1], np.int64)
    for number in range(which.size):
        region = which[number]
        top, bottom = max(boxes[0, region] - _FAR_PX, 0), min(boxes[2, region] + _FAR_PX, height)
        left, right = max(boxes[1, region] - _FAR_PX, 0), min(boxes[3, region] + _FAR_PX, width)
        near = near_by[: _overlapping(boxes, (top, left, bottom, right), near_by)]
        extent = _row_extents(boxes[:, region], runs, region)
        total, count = 0, 0
        for y in range(top, bottom, (bottom - top + _ROWS - 1) // _ROWS):
            free = np.zeros(right - left, np.bool_)
            outer_x0, outer_x1 = _widened(extent, y - boxes[0, region], _FAR_PX)
            inner_x0, inner_x1 = _widened(extent, y - boxes[0, region], _NEAR_PX)
            free[max(outer_x0 - left, 0) : max(outer_x1 - left, 0)] = True
            free[max(inner_x0 - left, 0) : max(inner_x1 - left, 0)] = False
            _clear_masks(free, (y, left), near, runs)
            for x in range(free.size):
                if free[x]:
                    total += pixels[y, left + x]
                    count += 1
        means[number] = total / count if count else np.nan
    return means


@compiled
def _overlapping(boxes: npt.NDArray[np.int64], window: tuple[int, int, int, int], found: npt.NDArray[np.int64]) -> int:
    """Write the regions whose boxes meet the window into `found` and return how many they are."""
    count, (top, left, bottom, right) = 0, window
    for other in range(boxes.shape[1]):
        if boxes[0, other] < bottom and boxes[2, other] > top and boxes[1, other] < right and boxes[3, other] > left:
            found[count] = other
            count += 1
    return count


@compiled
def _row_extents(
    box: npt.NDArray[np.int64],
    runs: _Runs,
    region: int,
) -> npt.NDArray[np.int64]:
    """Return the first column and the column after the last one of each row of a region, int64 (2, rows)."""
    run_start, row, x0, x1 = runs
    extent = np.empty((2, box[2] - box[0]), np.int64)
    extent[0], extent[1] = 2**31, -1
    for run in range(run_start[region], run_start[region + 1]):
        y = row[run] - box[0]
        extent[0, y], extent[1, y] = min(extent[0, y], x0[run]), max(extent[1, y], x1[run])
    return extent


@compiled
def _widened(extent: npt.NDArray[np.int64], y: int, by_px: int) -> tuple[int, int]:
    """Return the columns of row y that lie no more than `by_px` from the region."""
    left, right = 2**31, -1
    for other in range(max(y - by_px, 0), min(y + by_px + 1, extent.shape[1])):
        if extent[1, other] >= 0:
            reach = int(np.sqrt(by_px**2 - (other - y) ** 2))
            left, right = min(left, extent[0, other] - reach), max(right, extent[1, other] + reach)
    return left, right


@compiled
def _clear_masks(
    free: npt.NDArray[np.bool_],
    corner: tuple[int, int],
    near: npt.NDArray[np.int64],
    runs: _Runs,
) -> None:
    """Set to False what lies in a mask of one of the regions `near`."""
    (y, left), (run_start, row, x0, x1) = corner, runs
    for region in near:
        start, stop = run_start[region], run_start[region + 1]
        run = start + np.searchsorted(row[start:stop], y)
        while run < stop and row[run] == y:
            free[max(x0[run] - left, 0) : max(x1[run] - left, 0)] = False
            run += 1
