"""The labels of one mask: where each lies, its size and its shape, all from label runs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from .masks import LabelRuns

_PIXEL_VARIANCE = 1 / 12  # of a point spread evenly over a pixel, px^2


@dataclass(frozen=True)
class Regions:
    """One entry per label, labels ascending; runs sorted by (label, row, x0).

    Bounding boxes are half-open and in pixels of the label image; the y axis points down.

    Attributes:
        shape: (height, width) of the label image, px.
        label: uint32 (regions,).
        bbox_y0: int32 (regions,), first row.
        bbox_x0: int32 (regions,), first column.
        bbox_y1: int32 (regions,), row after the last one.
        bbox_x1: int32 (regions,), column after the last one.
        area_px: int64 (regions,), number of pixels.
        centroid_y: float64 (regions,), mean row, px.
        centroid_x: float64 (regions,), mean column, px.
        mu_yy: float64 (regions,), variance of the rows, px^2.
        mu_xx: float64 (regions,), variance of the columns, px^2.
        mu_xy: float64 (regions,), covariance of rows and columns, px^2.
        components: int32 (regions,), 8-connected bodies under the label.
        run_start: int64 (regions + 1,), the runs of region i are run_start[i] to run_start[i + 1] - 1.
        row: int32 (runs,), row of each run.
        x0: int32 (runs,), first column of each run.
        x1: int32 (runs,), column after its last one.
    """

    shape: tuple[int, int]
    label: npt.NDArray[np.uint32]
    bbox_y0: npt.NDArray[np.int32]
    bbox_x0: npt.NDArray[np.int32]
    bbox_y1: npt.NDArray[np.int32]
    bbox_x1: npt.NDArray[np.int32]
    area_px: npt.NDArray[np.int64]
    centroid_y: npt.NDArray[np.float64]
    centroid_x: npt.NDArray[np.float64]
    mu_yy: npt.NDArray[np.float64]
    mu_xx: npt.NDArray[np.float64]
    mu_xy: npt.NDArray[np.float64]
    components: npt.NDArray[np.int32]
    run_start: npt.NDArray[np.int64]
    row: npt.NDArray[np.int32]
    x0: npt.NDArray[np.int32]
    x1: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.label)


def regions_from_runs(runs: LabelRuns) -> Regions:
    """Return the runs grouped by label, and each label measured; no pixel is touched."""
    small = runs.label.size > 0 and runs.label.max() < 2**16
    order = np.argsort(runs.label.astype(np.uint16) if small else runs.label, kind="stable")  # 16 bits: radix sort
    sorted_label = runs.label[order]
    row, x0, x1 = runs.row[order], runs.x0[order], runs.x1[order]
    starts = np.flatnonzero(np.diff(sorted_label, prepend=np.uint32(0)))  # no label is 0
    run_start = np.append(starts, len(row))
    box, sums, components = _measure(row, x0, x1, run_start)
    area = sums[0].astype(np.float64)
    mean_y, mean_x = sums[1] / area, sums[2] / area
    return Regions(
        runs.shape,
        sorted_label[starts],
        bbox_y0=box[0],
        bbox_x0=box[1],
        bbox_y1=box[2],
        bbox_x1=box[3],
        area_px=sums[0],
        centroid_y=box[0] + mean_y,
        centroid_x=box[1] + mean_x,
        mu_yy=sums[3] / area - mean_y**2,
        mu_xx=sums[4] / area - mean_x**2,
        mu_xy=sums[5] / area - mean_y * mean_x,
        components=components,
        run_start=run_start,
        row=row,
        x0=x0,
        x1=x1,
    )


def shape_measurements(regions: Regions, pixels_per_um: float) -> dict[str, npt.NDArray[Any]]:
    """Return area, ellipse and components of each label as columns of the dataset.

    The ellipse is the one with the second moments of the mask, whose pixels count as unit squares. `orientation_deg`
    is the angle of its major axis to the image's x axis, counter-clockwise positive as seen, in (-90, 90].

    Returns:
        `area_px` int32; `area_um2`, `major_axis_um`, `minor_axis_um`, `eccentricity`, `orientation_deg` float32;
        `components` int16, at most 32767.
    """
    half_sum, half_difference = (regions.mu_xx + regions.mu_yy) / 2, (regions.mu_xx - regions.mu_yy) / 2
    root = np.hypot(half_difference, regions.mu_xy)
    major, minor = half_sum + root + _PIXEL_VARIANCE, np.maximum(half_sum - root, 0) + _PIXEL_VARIANCE
    # y points down, so what atan2 calls clockwise is counter-clockwise as seen.
    orientation = -np.degrees(np.arctan2(regions.mu_xy, half_difference)) / 2
    orientation = np.where(orientation <= -90, 90, orientation) + 0.0
    return {
        "area_px": regions.area_px.astype(np.int32),
        "area_um2": (regions.area_px / pixels_per_um**2).astype(np.float32),
        "major_axis_um": (4 * np.sqrt(major) / pixels_per_um).astype(np.float32),
        "minor_axis_um": (4 * np.sqrt(minor) / pixels_per_um).astype(np.float32),
        "eccentricity": np.sqrt(1 - minor / major).astype(np.float32),
        "orientation_deg": orientation.astype(np.float32),
        "components": np.minimum(regions.components, np.iinfo(np.int16).max).astype(np.int16),
    }


@compiled
def _measure(
    row: npt.NDArray[np.int32], x0: npt.NDArray[np.int32], x1: npt.NDArray[np.int32], run_start: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return boxes int32 (4, n), sums of 1, y, x, y^2, x^2, xy int64 (6, n), and the number of components.

    y and x count from the corner of the box, so the sums are exact for any mask of up to 60,000 px a side.
    """
    regions = run_start.size - 1
    box, sums = np.empty((4, regions), np.int32), np.zeros((6, regions), np.int64)
    components, parent = np.empty(regions, np.int32), np.empty(row.size, np.int64)
    for region in range(regions):
        start, stop = run_start[region], run_start[region + 1]
        top, left, right = row[start], x0[start], x1[start]
        for run in range(start, stop):
            left, right = min(left, x0[run]), max(right, x1[run])
        box[0, region], box[1, region], box[2, region], box[3, region] = top, left, row[stop - 1] + 1, right
        for run in range(start, stop):
            y, a, b = np.int64(row[run] - top), np.int64(x0[run] - left), np.int64(x1[run] - left)
            area, sum_x = b - a, (b * (b - 1) - a * (a - 1)) // 2
            sums[0, region] += area
            sums[1, region] += y * area
            sums[2, region] += sum_x
            sums[3, region] += y * y * area
            sums[4, region] += ((b - 1) * b * (2 * b - 1) - (a - 1) * a * (2 * a - 1)) // 6
            sums[5, region] += y * sum_x
        components[region] = count_components((row, x0, x1), (start, stop), parent)
    return box, sums, components


@compiled
def root(parent: npt.NDArray[np.int64], run: int) -> int:
    """Return the run that stands for the body of a run, in the `parent` that `count_components` leaves."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@compiled
def count_components(
    runs: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]],
    which: tuple[int, int],
    parent: npt.NDArray[np.int64],
) -> int:
    """Return the number of 8-connected bodies of some runs in raster order, each joined to those above it.

    `parent`, int64 (runs,), is filled for these runs; `root` reads it.
    """
    (row, x0, x1), (start, stop) = runs, which
    count, above = stop - start, start
    for run in range(start, stop):
        parent[run] = run
        while row[above] < row[run] - 1 or (row[above] == row[run] - 1 and x1[above] < x0[run]):
            above += 1
        other = above
        while row[other] == row[run] - 1 and x0[other] <= x1[run]:
            a, b = root(parent, run), root(parent, other)
            if a != b:
                parent[a] = b
                count -= 1
            other += 1
    return count
