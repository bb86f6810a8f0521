"""The ends of an image's range of values: whether it is of one value, and how many mask pixels have the highest."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions


def has_range_above(pixels: npt.NDArray[Any], limit: int) -> bool:
    """Return whether any two pixels (H, W) uint8 or uint16 differ by more than `limit`; stops at the first that do."""
    return pixels.size > 0 and bool(_has_range_above(pixels, limit))


def count_value(pixels: npt.NDArray[Any], regions: Regions, which: npt.NDArray[np.int64], value: int) -> int:
    """Return how many mask pixels of the regions `which` have one value."""
    return int(_count_value(pixels, (regions.run_start, regions.row, regions.x0, regions.x1), which, value))


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
def _count_value(
    pixels: npt.NDArray[Any],
    runs: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]],
    which: npt.NDArray[np.int64],
    value: int,
) -> int:
    (run_start, row, x0, x1), count, sought = runs, 0, pixels.dtype.type(value)
    for region in which:
        for run in range(run_start[region], run_start[region + 1]):
            line, found = pixels[row[run], x0[run] : x1[run]], np.uint16(0)
            for i in range(line.size):
                found += np.uint16(line[i] == sought)
            count += int(found)
    return count


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
