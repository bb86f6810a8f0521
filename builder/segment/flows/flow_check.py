"""The flow check: a label stays if the network's flows are near those that its shape alone would have.

A shape has the flows along which heat runs off that is made at its centre, step after step. Each label is warmed on its
own in two small arrays that stay in the processor's cache, which takes some hundredth of cellpose's time and gives its
numbers: the same centres, the same number of steps for all labels, and heat of touching labels seen over the border.

Source: cellpose 4.2.1.1, `dynamics.remove_bad_flow_masks`, `flow_error` and `masks_to_flows_gpu`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import Regions, regions_from_runs

from .flow_field import FLOW_SCALE
from .rescale import bilinear

_NINTH = 1.0 / 9.0
_TINY = 1e-60
_SINGLE_PRECISION_ABOVE_PX = 4e7  # as in cellpose, for memory

# Row, first column, and last one + 1 of the runs of a label.
RegionRuns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]


def without_bad_flows(labels: npt.NDArray[Any], flows: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[Any]:
    """Remove labels whose flow error is above a threshold, and number the others 1, 2, ... in the order they had.

    Args:
        labels: (H, W) unsigned integers, 0 = background; not changed.
        flows: (2, h, w), 5 x flow y and 5 x flow x, at this or the network's scale.
        threshold: largest error of the flows of a nucleus.

    Returns:
        (H, W) of the type of `labels`.
    """
    regions = regions_from_runs(runs_from_array(labels))
    if not len(regions):
        return labels
    kept = regions.label[~(flow_errors(regions, flows) > threshold)]
    numbers = np.zeros(int(regions.label[-1]) + 1, labels.dtype)
    numbers[kept] = np.arange(1, kept.size + 1)
    renumbered: npt.NDArray[Any] = numbers[labels]
    return renumbered


def flow_errors(regions: Regions, flows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return for each label the mean squared distance of the network's flows to those of its shape.

    Args:
        regions: the labels of an image (H, W).
        flows: (2, h, w), 5 x flow y and 5 x flow x; enlarged to (H, W) box by box.
    """
    heat, errors = heat_of(regions), np.empty(len(regions))
    for region, (y0, x0, y1, x1) in enumerate(_boxes(regions)):
        part = bilinear(flows, regions.shape, rows=(y0, y1), columns=(x0, x1))
        errors[region] = _error(heat, part, (y0, x0), _runs_of(regions, region))
    return errors


def heat_of(regions: Regions) -> npt.NDArray[Any]:
    """Return the heat (H + 2, W + 2) that the labels of an image (H, W) hold; it has a border of one cold pixel.

    The centre of a label is its pixel nearest to its rounded centroid; all are warmed for as many steps as the largest
    box needs.
    """
    height, width = regions.shape
    single = (height + 2) * (width + 2) > _SINGLE_PRECISION_ABOVE_PX
    heat: npt.NDArray[Any] = np.zeros((height + 2, width + 2), np.float32 if single else np.float64)
    steps = 2 * max((y1 - y0 + x1 - x0 + 2 for y0, x0, y1, x1 in _boxes(regions)), default=0)
    # Rounded in the box, where a half goes to the even number.
    centroids_y = regions.bbox_y0 + np.round(regions.centroid_y - regions.bbox_y0).astype(np.int64)
    centroids_x = regions.bbox_x0 + np.round(regions.centroid_x - regions.bbox_x0).astype(np.int64)
    centroids = zip(centroids_y.tolist(), centroids_x.tolist(), strict=True)
    for region, (box, centroid) in enumerate(zip(_boxes(regions), centroids, strict=True)):
        _warm(heat, _runs_of(regions, region), box, centroid, steps)
    return heat


def _boxes(regions: Regions) -> list[tuple[int, int, int, int]]:
    sides = (regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1)
    return list(zip(*(side.tolist() for side in sides), strict=True))


def _runs_of(regions: Regions, region: int) -> RegionRuns:
    which = slice(regions.run_start[region], regions.run_start[region + 1])
    return regions.row[which], regions.x0[which], regions.x1[which]


@compiled
def _warm(
    heat: npt.NDArray[Any], runs: RegionRuns, box: tuple[int, int, int, int], centroid: tuple[int, int], steps: int
) -> None:
    """Make heat at the centre of a label, and give each pixel the mean of its 3 x 3 neighbours, for some steps.

    Pixels outside the label stay cold. Unsigned places let the compiler work on several pixels at a time.

    Args:
        heat: of the image with its border; the label's own is written to its place.
        runs: of the label.
        box: of the label, first row and column and last ones + 1.
        centroid: row and column, rounded.
        steps: how often.
    """
    (row, x0, x1), (top, left, bottom, right) = runs, box
    pitch = right - left + 2
    start = (row - (top - 1)) * pitch + (x0 - (left - 1))
    now, then, column = np.zeros((bottom - top + 2) * pitch), np.zeros((bottom - top + 2) * pitch), np.empty(pitch)
    y, x = _nearest(runs, centroid)
    source = (y - (top - 1)) * pitch + (x - (left - 1))
    one, line = np.uint64(1), np.uint64(pitch)
    for _ in range(steps):
        now[source] += 1
        for run in range(row.size):
            first, count = np.uint64(start[run]), np.uint64(x1[run] - x0[run])
            above, here, below = first - line - one, first - one, first + line - one
            for place in range(count + one + one):
                column[place] = now[above + place] + now[here + place] + now[below + place]
            for place in range(count):
                then[first + place] = (column[place] + column[place + one] + column[place + one + one]) * _NINTH
        now, then = then, now
    for run in range(row.size):
        heat[row[run] + 1, x0[run] + 1 : x1[run] + 1] = now[start[run] : start[run] + x1[run] - x0[run]]


@compiled
def _nearest(runs: RegionRuns, place: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the first of the pixels of a label that are nearest to a place."""
    (row, x0, x1), (y, x) = runs, place
    best, best_y, best_x = np.inf, y, x
    for run in range(row.size):
        column = min(max(x, x0[run]), x1[run] - 1)
        distance = float((row[run] - y) ** 2 + (column - x) ** 2)
        if distance < best:
            best, best_y, best_x = distance, row[run], column
    return best_y, best_x


@compiled
def _error(heat: npt.NDArray[Any], flows: npt.NDArray[np.float32], corner: tuple[int, int], runs: RegionRuns) -> float:
    """Compare the flows of a label's box with the directions in which its heat rises, pixel by pixel."""
    (row, x0, x1), (top, left) = runs, corner
    total, area_px = 0.0, 0
    for run in range(row.size):
        y = row[run]
        for x in range(x0[run], x1[run]):
            rise_y = heat[y + 2, x + 1] - heat[y, x + 1]
            rise_x = heat[y + 1, x + 2] - heat[y + 1, x]
            norm = _TINY + np.sqrt(rise_y**2 + rise_x**2)
            total += (rise_y / norm - flows[0, y - top, x - left] / FLOW_SCALE) ** 2
            total += (rise_x / norm - flows[1, y - top, x - left] / FLOW_SCALE) ** 2
        area_px += x1[run] - x0[run]
    return total / area_px
