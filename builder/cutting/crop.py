"""One nucleus in its frame: what every recipe returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled


@dataclass(frozen=True)
class Crop:
    """One nucleus in its frame.

    Attributes:
        pixels: (crop_px, crop_px) in the type of the stitched image, camera values.
        mask: bool (crop_px, crop_px), the rotated mask in the same frame.
        rotation_deg: rotation applied, counter-clockwise as seen, 0 to 180.
        clipped: whether a part of the nucleus lies outside the frame.
        further: pixels of the further channels in the same frame, in the order they were given.
        shrink: scale of the crop over that of all whose nucleus fits; below 1 where a large nucleus was scaled down.
    """

    pixels: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_]
    rotation_deg: float
    clipped: bool
    further: tuple[npt.NDArray[Any], ...] = ()
    shrink: float = 1.0


@compiled
def paint_mask(
    runs: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]],
    which: tuple[int, int],
    corner: tuple[int, int],
    shape: tuple[int, int],
) -> npt.NDArray[np.uint8]:
    """Return runs painted as 0/1 in a patch whose outermost pixels stay 0.

    Args:
        runs: (row, x0, x1) as in `Regions`.
        which: first run to paint, and the run after the last one.
        corner: (row, column) of the first pixel of the patch in the label image.
        shape: (height, width) of the patch.
    """
    row, x0, x1 = runs
    mask = np.zeros(shape, np.uint8)
    for run in range(which[0], which[1]):
        y = row[run] - corner[0]
        if 1 <= y < shape[0] - 1:
            first = max(x0[run] - corner[1], 1)
            mask[y, first : max(first, min(x1[run] - corner[1], shape[1] - 1))] = 1
    return mask
