"""Filter Up of stored PNG cells undone for many cells at once, in runs that are long enough for numpy.

Every row of pixels is the sum of all filtered rows down to it, byte by byte modulo 256 (PNG specification,
https://www.w3.org/TR/png-3/, 9.2). The rows of a cell are cut into segments: first all segments of all cells are
summed inside, then what the segments before add up to is added. So a few dozen additions of some ten kilobytes do for
the 256 rows of a page of cells.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .cell_layout import PngLayout

StoredCells = npt.NDArray[np.uint8]
"""The bytes `(n, cell_bytes)` of stored PNG cells whose layout has been checked; those of one cell are contiguous."""
Packed = npt.NDArray[np.uint8]
"""Rows of pixels as cells hold them, `(n, height, row_bytes)`."""

UNFILTERED_TOGETHER = 16
"""Cells that are unfiltered at once: enough to make numpy's calls cheap, few enough for the processor's cache."""


Memory = Callable[[int], npt.NDArray[np.uint8]]
"""Gives an array of that many bytes which hold anything."""


class Stretch(NamedTuple):
    """Rows of a cell that lie side by side: so many segments of so many rows each.

    Attributes:
        start_row: The first of them.
        segments: Number of segments.
        rows: Rows of a segment.
        offset: Where in a cell the first of them begins, with its filter byte.
    """

    start_row: int
    segments: int
    rows: int
    offset: int

    @property
    def stop_row(self) -> int:
        """The row behind the last."""
        return self.start_row + self.segments * self.rows


@functools.lru_cache
def stretches_of(layout: PngLayout) -> tuple[Stretch, ...]:
    """Cut the rows of a layout into stretches, near square ones where that is possible."""
    found = []
    for block in layout.blocks:
        rows = block.stop_row - block.start_row
        side = min(range(max(1, math.isqrt(rows) - 4), math.isqrt(rows) + 5), key=lambda side: rows % side)
        whole = Stretch(block.start_row, rows // side, side, block.offset)
        found.append(whole)
        if rows % side:
            offset = whole.offset + whole.segments * side * (layout.row_bytes + 1)
            found.append(Stretch(whole.stop_row, 1, rows % side, offset))
    return tuple(found)


class UnfilteredCells:
    """Pixels of some cells, their rows in an order that was good for adding.

    Args:
        tables: The stored cells, in one or several arrays `(n, cell_bytes)`.
        layout: Theirs.
        memory: Gives that many bytes for the pixels.
    """

    def __init__(
        self,
        tables: Sequence[StoredCells],
        layout: PngLayout,
        memory: Memory = lambda size: np.empty(size, np.uint8),
    ) -> None:
        self._stretches = stretches_of(layout)
        # As much for a few cells as for many, so that any others can have it afterwards.
        count = max(UNFILTERED_TOGETHER, sum(len(cells) for cells in tables))
        room = memory(count * layout.height * layout.row_bytes)
        self._sums = list(_sums(tables, self._stretches, layout.row_bytes, room))

    def write(self, rows: Sequence[int], packed: Packed, places: Sequence[int]) -> None:
        """Write the pixels of some of the cells.

        Args:
            rows: Numbers of the cells.
            packed: Where to.
            places: Place in `packed` of each.
        """
        for stretch, sums in zip(self._stretches, self._sums, strict=True):
            targets = packed[:, stretch.start_row : stretch.stop_row].reshape(len(packed), *sums.shape[1:])
            for place, row in zip(places, rows, strict=True):
                targets[place] = sums[row]


def _sums(
    tables: Sequence[StoredCells], stretches: Sequence[Stretch], row_bytes: int, room: npt.NDArray[np.uint8]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Give the pixels of each stretch, `(n, segments, rows, row_bytes)`, one behind the other in `room`."""
    above = np.zeros((sum(len(cells) for cells in tables), row_bytes), np.uint8)
    for stretch in stretches:
        size = stretch.rows * stretch.segments * above.size
        sums, room = room[:size].reshape(stretch.rows, stretch.segments, *above.shape), room[size:]
        first = 0
        for cells in tables:
            sums[:, :, first : first + len(cells)] = _filtered(cells, stretch, row_bytes)
            first += len(cells)
        for row in range(1, stretch.rows):
            np.add(sums[row - 1], sums[row], out=sums[row])
        before = np.empty((stretch.segments + 1, *above.shape), np.uint8)
        before[0] = above
        for segment in range(stretch.segments):
            np.add(before[segment], sums[-1, segment], out=before[segment + 1])
        np.add(sums, before[:-1], out=sums)
        above = before[-1]
        yield sums.transpose(2, 1, 0, 3)


def _filtered(cells: StoredCells, stretch: Stretch, row_bytes: int) -> npt.NDArray[np.uint8]:
    """View the filtered rows of a stretch as `(rows, segments, n, row_bytes)`, without their filter bytes."""
    size = stretch.segments * stretch.rows * (row_bytes + 1)
    lines = cells[:, stretch.offset : stretch.offset + size]
    split = lines.reshape(len(cells), stretch.segments, stretch.rows, row_bytes + 1)
    return split[..., 1:].transpose(2, 1, 0, 3)
