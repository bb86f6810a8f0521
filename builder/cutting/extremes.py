"""The ends of an image's range of values: whether it is of one value, and how many mask pixels have the highest."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions

_CLIPPING_REGIONS = 50  # whose values just below the highest are counted
_CLIPPED_RATIO = 4  # of the pixels at the highest value to those at each other high value
_LEAST_CLIPPED_PX = 10  # fewer stand out by chance


def has_range_above(pixels: npt.NDArray[Any], limit: int) -> bool:
    """Return whether any two pixels (H, W) uint8 or uint16 differ by more than `limit`; stops at the first that do."""
    return pixels.size > 0 and bool(_has_range_above(pixels, limit))


def count_values(
    pixels: npt.NDArray[Any], regions: Regions, maximum: npt.NDArray[np.uint16], value: int
) -> npt.NDArray[np.int64]:
    """Return how many mask pixels of each region have one value, int64 (regions,).

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        maximum: uint16 (regions,), their highest values; regions whose highest value is lower are not looked at.
        value: the value.
    """
    counts = np.zeros(len(regions), np.int64)
    which = np.flatnonzero(maximum >= value)
    counts[which] = _count_values(pixels, (regions.run_start, regions.row, regions.x0, regions.x1), which, value)
    return counts


def saturation_value(pixels: npt.NDArray[Any], regions: Regions, maximum: npt.NDArray[np.uint16]) -> int:
    """Return the value at which the camera ends: the largest of the type, or the highest one if it stands out.

    A camera of 12 bits ends at 4095 in a file of 16: its highest value is then far more common than those just below,
    while in an image of few grey values it is less so. Where no value lies just below it, it is no end.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        maximum: uint16 (regions,), their highest values.
    """
    largest, top = int(np.iinfo(pixels.dtype).max), int(maximum.max(initial=0))
    low = max(min(top - 1, top * 9 // 10), 0)
    if top in (0, largest):
        return largest
    counts = histogram_from(pixels, regions, np.flatnonzero(maximum == top)[:_CLIPPING_REGIONS], low)
    at_top, below = counts[top - low], counts[: top - low]
    clipped = at_top >= _LEAST_CLIPPED_PX and below.any() and at_top > _CLIPPED_RATIO * below[below > 0].mean()
    return top if clipped else largest


def histogram_from(
    pixels: npt.NDArray[Any], regions: Regions, which: npt.NDArray[np.int64], low: int
) -> npt.NDArray[np.int64]:
    """Return how many mask pixels of the regions `which` have each value from `low` on, int64 (65536 - low,)."""
    return _histogram_from(pixels, (regions.run_start, regions.row, regions.x0, regions.x1), which, low)


@compiled
def _has_range_above(pixels: npt.NDArray[Any], limit: int) -> bool:
    low = high = np.int64(pixels[0, 0])
    for y in range(pixels.shape[0]):
        row_low = row_high = pixels[y, 0]
        for x in range(pixels.shape[1]):
            row_low, row_high = min(row_low, pixels[y, x]), max(row_high, pixels[y, x])
        low, high = min(low, np.int64(row_low)), max(high, np.int64(row_high))
        if high - low > limit:
            return True
    return False


@compiled
def _count_values(
    pixels: npt.NDArray[Any],
    runs: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]],
    which: npt.NDArray[np.int64],
    value: int,
) -> npt.NDArray[np.int64]:
    (run_start, row, x0, x1), counts, sought = runs, np.zeros(which.size, np.int64), pixels.dtype.type(value)
    for number in range(which.size):
        for run in range(run_start[which[number]], run_start[which[number] + 1]):
            line, found = pixels[row[run], x0[run] : x1[run]], np.uint16(0)
            for i in range(line.size):
                found += np.uint16(line[i] == sought)
            counts[number] += int(found)
    return counts


@compiled
def _histogram_from(
    pixels: npt.NDArray[Any],
    runs: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]],
    which: npt.NDArray[np.int64],
    low: int,
) -> npt.NDArray[np.int64]:
    (run_start, row, x0, x1), counts = runs, np.zeros(2**16 - low, np.int64)
    for region in which:
        for run in range(run_start[region], run_start[region + 1]):
            for value in pixels[row[run], x0[run] : x1[run]]:
                if value >= low:
                    counts[value - low] += 1
    return counts
