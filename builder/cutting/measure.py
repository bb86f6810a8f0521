"""Intensities of the source pixels under each label, in exact integer sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions

from .touch import touch

Boxes = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""`bbox_y0`, `bbox_x0`, `bbox_y1` and `bbox_x1` of `Regions`."""
Runs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""`run_start`, `row`, `x0` and `x1` of `Regions`."""


@dataclass(frozen=True)
class IntensitySums:
    """Integer sums over the pixels of each label, from which statistics follow with one rounding at the end.

    Attributes:
        area_px: int64 (regions,).
        total: uint64 (regions,), sum of the pixel values.
        total_squared: uint64 (regions,), sum of their squares.
        maximum: uint16 (regions,).
    """

    area_px: npt.NDArray[np.int64]
    total: npt.NDArray[np.uint64]
    total_squared: npt.NDArray[np.uint64]
    maximum: npt.NDArray[np.uint16]

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the dataset's columns: camera values as they are, population standard deviation.

        Returns:
            `mean_intensity`, `std_intensity` float32, `max_intensity` uint16, `integrated_intensity` float64.
        """
        each = zip(self.area_px.tolist(), self.total.tolist(), self.total_squared.tolist(), strict=True)
        moments = np.array([_mean_and_std(*sums) for sums in each], np.float64).reshape(-1, 2)
        return {
            "mean_intensity": moments[:, 0].astype(np.float32),
            "std_intensity": moments[:, 1].astype(np.float32),
            "max_intensity": self.maximum,
            "integrated_intensity": self.total.astype(np.float64),
        }

    def overall(self) -> tuple[float, float] | None:
        """Return mean and population standard deviation over all mask pixels of the image, None without any."""
        area = sum(self.area_px.tolist())
        return _mean_and_std(area, sum(self.total.tolist()), sum(self.total_squared.tolist())) if area else None


def sum_intensities(image: npt.NDArray[Any], regions: Regions) -> IntensitySums:
    """Return the sums over the pixels of `image` (H, W) uint8 or uint16 under each label.

    Raises:
        ValueError: the image has another shape than the mask, or another type.
    """
    if image.shape != regions.shape or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"the image is {image.dtype} {image.shape}; uint8 or uint16 {regions.shape} is needed.")
    boxes = (regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1)
    runs = (regions.run_start, regions.row, regions.x0, regions.x1)
    total, squared, maximum = sum_runs(image, boxes, runs)
    return IntensitySums(regions.area_px, total, squared, maximum)


def _mean_and_std(area: int, total: int, total_squared: int) -> tuple[float, float]:
    """Divide unbounded integers once, so that a small spread around a large mean keeps its digits."""
    variance = (area * total_squared - total * total) / (area * area)
    return total / area, variance**0.5


@compiled
def sum_runs(
    image: npt.NDArray[Any], boxes: Boxes, runs: Runs
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint16]]:
    """Return sum, sum of squares and maximum of the pixels of each region, (regions,) each.

    Boxes only make it faster; a region whose box is empty is measured too.
    """
    (run_start, row, x0, x1), regions = runs, runs[0].size - 1
    totals, squares = np.zeros(regions, np.uint64), np.zeros(regions, np.uint64)
    maxima = np.zeros(regions, np.uint16)
    for region in range(regions):
        touch(image, boxes[0][region], boxes[1][region], boxes[2][region], boxes[3][region])
        for run in range(run_start[region], run_start[region + 1]):
            pixels = image[row[run], x0[run] : x1[run]]
            total, squared, maximum = _sum_run(pixels)
            totals[region] += total
            squares[region] += squared
            maxima[region] = max(maxima[region], maximum)
    return totals, squares, maxima


@compiled
def _sum_run(pixels: npt.NDArray[Any]) -> tuple[np.uint64, np.uint64, np.uint16]:
    if pixels.itemsize == 1:
        # The squares of a row of 60,000 px of 8 bits add up within 32 bits, and twice as many fit into a register.
        narrow_total, narrow_squared, narrow_maximum = np.uint32(0), np.uint32(0), np.uint8(0)
        for i in range(pixels.size):
            narrow = np.uint32(pixels[i])
            narrow_total = np.uint32(narrow_total + narrow)
            narrow_squared = np.uint32(narrow_squared + np.uint32(narrow * narrow))
            narrow_maximum = np.uint8(max(narrow_maximum, pixels[i]))
        return np.uint64(narrow_total), np.uint64(narrow_squared), np.uint16(narrow_maximum)
    total, squared, maximum = np.uint64(0), np.uint64(0), np.uint16(0)
    for i in range(pixels.size):
        value = np.uint64(pixels[i])
        total += value
        squared += value * value
        maximum = max(maximum, pixels[i])
    return total, squared, maximum
