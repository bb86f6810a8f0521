"""The separate bodies under one label: how large each is and where its centre lies."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.inputs.regions import Regions, count_components, root


class Bodies(NamedTuple):
    """The 8-connected bodies of a label, in the order of their first pixels.

    Attributes:
        area_px: int64 (bodies,), number of pixels.
        centroid_y: float64 (bodies,), mean row, px.
        centroid_x: float64 (bodies,), mean column, px.
    """

    area_px: npt.NDArray[np.int64]
    centroid_y: npt.NDArray[np.float64]
    centroid_x: npt.NDArray[np.float64]


def bodies_of(regions: Regions, region: int) -> Bodies:
    """Return the bodies of one region."""
    which = slice(regions.run_start[region], regions.run_start[region + 1])
    sums = _sum_bodies(regions.row[which], regions.x0[which], regions.x1[which])
    return Bodies(sums[0], sums[1] / sums[0], sums[2] / sums[0] / 2)


@compiled
def _sum_bodies(
    row: npt.NDArray[np.int32], x0: npt.NDArray[np.int32], x1: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Return the sums of 1, y and 2x over each body of runs in raster order, int64 (3, bodies)."""
    parent, number = np.empty(row.size, np.int64), np.full(row.size, -1)
    sums = np.zeros((3, count_components((row, x0, x1), (0, row.size), parent)), np.int64)
    found = 0
    for run in range(row.size):
        body = root(parent, run)
        if number[body] < 0:
            number[body] = found
            found += 1
        length = np.int64(x1[run] - x0[run])
        sums[0, number[body]] += length
        sums[1, number[body]] += length * row[run]
        sums[2, number[body]] += length * (np.int64(x0[run]) + x1[run] - 1)
    return sums
