"""Gets a part of an image into the processor's cache before loops read it run by run."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled

_LINE_BYTES = 64
_MOST_BYTES = 1 << 18  # of a box; a larger one does not stay in the cache, and may hold little of its label


@compiled
def touch(pixels: npt.NDArray[Any], y0: int, x0: int, y1: int, x1: int) -> np.int64:
    """Read one pixel of each cache line of a box (half-open, cut off at the borders), and return their sum.

    A large box is left alone.
    Rows of a stitched image lie far apart in memory, so a loop over a nucleus waits for memory in each of its rows.
    These reads do not depend on each other, and the processor makes ten or more of them at once.
    """
    y0, x0, y1, x1 = max(y0, 0), max(x0, 0), min(y1, pixels.shape[0]), min(x1, pixels.shape[1])
    total, step = np.int64(0), _LINE_BYTES // pixels.itemsize
    if (y1 - y0) * (x1 - x0) * pixels.itemsize > _MOST_BYTES:
        return total
    for y in range(y0, y1):
        for x in range(x0, x1, step):
            total += np.int64(pixels[y, x])
        total += np.int64(pixels[y, x1 - 1])
    return total
