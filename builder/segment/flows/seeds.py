"""Labels from where pixels end: those that meet are one nucleus.

One array of counts, which then holds the labels of the places, is all that is as large as the image.

Source: cellpose 4.2.1.1, `dynamics.get_masks_torch`; the labels and their numbers are the same, but that seeds with
equally many ends keep the order of the image here, which torch leaves open.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled

from .steps import Pixels

MAX_SHARE_OF_IMAGE = 0.4
_REACH_PX = 5  # of a nucleus around its seed
_PEAK_PX = 2  # no place in this distance has more ends than a seed
_MANY, _FEW = 10, 2  # a seed has more ends than the first, its surroundings more than the second


def label_ends(pixels: Pixels, ends: Pixels, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Label pixels by where they end.

    Args:
        pixels: that moved; int32 rows and columns.
        ends: where each ended; int32 rows and columns.
        shape: (H, W) of the image.

    Returns:
        uint16 or uint32 (H, W): 1, 2, ... in the order in which labels come first among the pixels, 0 elsewhere.
    """
    places = np.zeros((shape[0] + 2 * _REACH_PX, shape[1] + 2 * _REACH_PX), np.int32)
    _count(places, ends)
    seeds = _seeds(places)
    seeds = seeds[np.argsort(places[seeds[:, 0], seeds[:, 1]], kind="stable")]
    rows, columns, numbers = _surroundings(places, seeds)
    places.fill(0)
    np.maximum.at(places, (rows, columns), numbers)  # where two meet, the seed with more ends wins
    labels = np.zeros(shape, np.uint16 if len(seeds) < 2**16 else np.uint32)
    _assign(labels, places, (pixels, ends), len(seeds), int(MAX_SHARE_OF_IMAGE * shape[0] * shape[1]))
    return labels


def _surroundings(places: npt.NDArray[np.int32], seeds: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], ...]:
    """Return rows, columns and number (1, 2, ...) of the places that belong to seeds."""
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - comes with cellpose

    around = np.arange(-_REACH_PX, _REACH_PX + 1)
    rows, columns = seeds[:, 0, None, None] + around[:, None], seeds[:, 1, None, None] + around
    grown = np.zeros((len(seeds), around.size, around.size), np.bool_)
    grown[:, _REACH_PX, _REACH_PX] = True
    if len(seeds):
        touching = np.ones((1, 3, 3), np.bool_)
        grown = binary_dilation(grown, touching, iterations=_REACH_PX, mask=places[rows, columns] > _FEW)
    number, row, column = np.nonzero(grown)
    return rows[number, row, 0], columns[number, 0, column], number.astype(np.int32) + 1


@compiled
def _count(places: npt.NDArray[np.int32], ends: Pixels) -> None:
    rows, columns = ends
    for pixel in range(rows.size):
        places[rows[pixel] + _REACH_PX, columns[pixel] + _REACH_PX] += 1


@compiled
def _seeds(places: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return row and column of the places with many ends and none with more nearby, in raster order."""
    found = []
    for row in range(_REACH_PX, places.shape[0] - _REACH_PX):
        for column in range(_REACH_PX, places.shape[1] - _REACH_PX):
            count = places[row, column]
            if count > _MANY:
                near = places[row - _PEAK_PX : row + _PEAK_PX + 1, column - _PEAK_PX : column + _PEAK_PX + 1]
                if near.max() == count:
                    found.append((row, column))
    seeds = np.empty((len(found), 2), np.int64)
    for number, place in enumerate(found):
        seeds[number, 0], seeds[number, 1] = place
    return seeds


@compiled
def _assign(
    labels: npt.NDArray[Any], places: npt.NDArray[np.int32], moves: tuple[Pixels, Pixels], seeds: int, most_px: int
) -> None:
    """Give each pixel the label of the place where it ended, but none to those of too large labels."""
    (rows, columns), (end_rows, end_columns) = moves
    area_px, numbers = np.zeros(seeds + 1, np.int64), np.zeros(seeds + 1, np.int64)
    for pixel in range(rows.size):
        area_px[places[end_rows[pixel] + _REACH_PX, end_columns[pixel] + _REACH_PX]] += 1
    count = 0
    for pixel in range(rows.size):
        seed = places[end_rows[pixel] + _REACH_PX, end_columns[pixel] + _REACH_PX]
        if seed and area_px[seed] <= most_px:
            if not numbers[seed]:
                count += 1
                numbers[seed] = count
            labels[rows[pixel], columns[pixel]] = numbers[seed]
