"""The surroundings of a nucleus: the pixels near its mask that lie in no mask, found from label runs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions

from .touch import touch

_NEAR_PX, _FAR_PX = 3, 15  # of the edge of the mask; closer than the first lies the blur of the nucleus itself
_ROWS = 32  # of the surroundings are read at most for a mean, evenly spread

_Runs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""`run_start`, `row`, `x0` and `x1` of `Regions`."""
_Boxes = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Boxes int64 (4, regions) as y0, x0, y1, x1; the regions in the order of y0; and y0 in this order."""


def _reaches(distance_px: int) -> npt.NDArray[np.int32]:
    """Return how far a disc of that radius reaches along x in the rows from -radius to radius."""
    squared = distance_px**2 - np.arange(-distance_px, distance_px + 1) ** 2
    return np.array(np.sqrt(squared), np.int32)


_NOWHERE = 2**30  # first column of an empty row, and minus that the last
_NEAR_REACHES, _FAR_REACHES = _reaches(_NEAR_PX), _reaches(_FAR_PX)


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
    means, _ = _surroundings(pixels, _boxes(regions), _runs(regions), which, _ROWS)
    return means


def median_surroundings(pixels: npt.NDArray[Any], regions: Regions) -> npt.NDArray[np.float64]:
    """Return the median of the pixels 3 to 15 px outside each region that lie in no mask; every row is read.

    The median of an even number of pixels is the mean of the two in the middle.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: all regions of the image.

    Returns:
        float64 (regions,), NaN where no pixel is left.
    """
    every_row = regions.shape[0] + 2 * _FAR_PX
    _, medians = _surroundings(pixels, _boxes(regions), _runs(regions), np.arange(len(regions)), every_row)
    return medians


def _boxes(regions: Regions) -> _Boxes:
    boxes = np.stack([regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1]).astype(np.int64)
    by_top = np.argsort(boxes[0], kind="stable")
    return boxes, by_top, boxes[0, by_top]


def _runs(regions: Regions) -> _Runs:
    return regions.run_start, regions.row, regions.x0, regions.x1


@compiled
def _surroundings(
    pixels: npt.NDArray[Any],
    sorted_boxes: _Boxes,
    runs: _Runs,
    which: npt.NDArray[np.int64],
    most_rows: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and median around each region of `which`, float64 (chosen,); NaN where no pixel is left."""
    boxes, (height, width) = sorted_boxes[0], pixels.shape
    means, medians, near_by = np.empty(which.size), np.empty(which.size), np.empty(boxes.shape[1], np.int64)
    counts, free = np.zeros(2**16, np.int64), np.empty(width, np.bool_)
    tallest = np.max(boxes[2] - boxes[0]) if boxes.shape[1] else 0
    for number in range(which.size):
        region = which[number]
        top, bottom = boxes[0, region] - _FAR_PX, boxes[2, region] + _FAR_PX
        window = top, boxes[1, region] - _FAR_PX, bottom, boxes[3, region] + _FAR_PX
        near = near_by[: _overlapping(sorted_boxes, tallest, (region, *window), near_by)]
        next_runs = runs[0][near]
        ring = _ring(_row_extents(boxes[:, region], runs, region), width)
        low, high, first, last = 2**16, -1, max(top, 0), min(bottom, height)
        if last - first <= most_rows:
            touch(pixels, *window)
        for y in range(first, last, (last - first + most_rows - 1) // most_rows):
            x0, x1, x2, x3 = ring[:, y - top]
            free[x0:x3] = True
            _clear_masks(free, y, near, next_runs, runs)
            low, high = _count_free(pixels[y, x0:x1], free[x0:x1], counts, (low, high))
            low, high = _count_free(pixels[y, x2:x3], free[x2:x3], counts, (low, high))
        means[number], medians[number] = _mean_and_median(counts[low : high + 1], low)
        counts[low : high + 1] = 0
    return means, medians


@compiled
def _overlapping(
    sorted_boxes: _Boxes, tallest: int, window: tuple[int, int, int, int, int], found: npt.NDArray[np.int64]
) -> int:
    """Write the other regions whose boxes meet the window of one into `found` and return how many they are."""
    (boxes, by_top, tops), count, (region, top, left, bottom, right) = sorted_boxes, 0, window
    for place in range(np.searchsorted(tops, top - tallest), np.searchsorted(tops, bottom)):
        other = by_top[place]
        meets = boxes[2, other] > top and boxes[1, other] < right and boxes[3, other] > left
        if meets and other != region:
            found[count] = other
            count += 1
    return count


@compiled
def _row_extents(box: npt.NDArray[np.int64], runs: _Runs, region: int) -> npt.NDArray[np.int32]:
    """Return the first column and the column after the last one of each row of a region, int32 (2, rows)."""
    run_start, row, x0, x1 = runs
    extent = np.empty((2, box[2] - box[0]), np.int32)
    extent[0], extent[1] = _NOWHERE, -_NOWHERE
    for run in range(run_start[region], run_start[region + 1]):
        y = row[run] - box[0]
        extent[0, y], extent[1, y] = min(extent[0, y], x0[run]), max(extent[1, y], x1[run])
    return extent


@compiled
def _ring(extent: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.int32]:
    """Return the ring around a region, int32 (4, rows), from 15 rows above it to 15 rows below it.

    In each row lie the columns x0 to x1 and x2 to x3 (half-open) in it; x0 <= x1 <= x2 <= x3.
    """
    outer, inner = _widened(extent, _FAR_REACHES), _widened(extent, _NEAR_REACHES)
    ring = np.zeros((4, outer.shape[1]), np.int32)
    for row in range(outer.shape[1]):
        if outer[0, row] < outer[1, row]:
            x0, x3 = max(outer[0, row], 0), min(outer[1, row], width)
            x1, x2 = min(max(inner[0, row], x0), x3), min(inner[1, row], x3)
            ring[0, row], ring[1, row], ring[2, row], ring[3, row] = x0, x1, max(x1, x2), x3
    return ring


@compiled
def _widened(extent: npt.NDArray[np.int32], reaches: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the extents of all that lies no further from a region than `reaches` tells, int32 (2, rows + 30)."""
    rows, margin = extent.shape[1], _FAR_PX - reaches.size // 2
    wide = np.empty((2, rows + 2 * _FAR_PX), np.int32)
    wide[0], wide[1] = _NOWHERE, -_NOWHERE
    for offset in range(reaches.size):
        reach, first = reaches[offset], margin + offset
        left, right = wide[0, first : first + rows], wide[1, first : first + rows]
        for y in range(rows):
            left[y] = min(left[y], np.int32(extent[0, y] - reach))
            right[y] = max(right[y], np.int32(extent[1, y] + reach))
    return wide


@compiled
def _clear_masks(
    free: npt.NDArray[np.bool_], y: int, near: npt.NDArray[np.int64], next_runs: npt.NDArray[np.int64], runs: _Runs
) -> None:
    """Set to False the columns of row y that lie in a mask of one of the regions `near`.

    `next_runs` says from which run on each of them is looked at; it is moved behind those of row y.
    """
    run_start, row, x0, x1 = runs
    for place in range(near.size):
        run, stop = next_runs[place], run_start[near[place] + 1]
        while run < stop and row[run] <= y:
            if row[run] == y:
                free[x0[run] : x1[run]] = False
            run += 1
        next_runs[place] = run


@compiled
def _count_free(
    pixels: npt.NDArray[Any],
    free: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
    bounds: tuple[int, int],
) -> tuple[int, int]:
    """Count the values of the free pixels, and return the lowest and the highest so far."""
    low, high = bounds
    for x in range(pixels.size):
        if free[x]:
            value = int(pixels[x])
            counts[value] += 1
            low, high = min(low, value), max(high, value)
    return low, high


@compiled
def _mean_and_median(counts: npt.NDArray[np.int64], low: int) -> tuple[float, float]:
    """Return mean and median of the values `low`, `low` + 1, ... that were counted so often, NaN without any."""
    number, total = counts.sum(), 0
    if number == 0:
        return np.nan, np.nan
    lower, upper, below = -1, -1, 0
    for place in range(counts.size):
        total += counts[place] * (low + place)
        below += counts[place]
        if lower < 0 and below > (number - 1) // 2:
            lower = low + place
        if upper < 0 and below > number // 2:
            upper = low + place
    return total / number, (lower + upper) / 2
