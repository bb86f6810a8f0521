"""Filter Up of stored PNG cells undone for many cells at once, in runs that are long enough for numpy.

Every row of pixels is the sum of all filtered rows down to it, byte by byte modulo 256 (PNG specification,
https://www.w3.org/TR/png-3/, 9.2). The rows of a cell are cut into segments: first all segments of all cells are
summed inside, then what the segments before add up to is added. So a few dozen additions of some ten kilobytes do for
the 256 rows of a page of cells.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .layout import PngLayout

StoredCells = npt.NDArray[np.uint8]
"""The bytes `(n, cell_bytes)` of stored PNG cells whose layout has been checked; those of one cell are contiguous."""
Packed = npt.NDArray[np.uint8]
"""Rows of pixels as cells hold them, `(n, height, row_bytes)`."""

UNFILTERED_TOGETHER = 16
"""Cells that are unfiltered at once: enough to make numpy's calls cheap, few enough for the processor's cache."""


Memory = Callable[[int], npt.NDArray[np.uint8]]
"""Returns an array of that many bytes; what they hold does not matter."""


class BlockRows(NamedTuple):
    """Rows of one stored block that make up whole segments, or a part of one.

    Attributes:
        rows: which rows of a segment.
        segments: which segments.
        offset: where in a cell the first of them begins, with its filter byte.
    """

    rows: range
    segments: range
    offset: int


def segment_rows(height: int) -> int:
    """Return the rows of a segment: so many that a cell has about as many segments, all of one length."""
    return next(rows for rows in range(math.isqrt(height), 0, -1) if height % rows == 0)


@functools.lru_cache
def block_rows(layout: PngLayout) -> tuple[BlockRows, ...]:
    """Return the rows of the stored blocks of a layout, cut where a block or a segment ends."""
    length, stride = segment_rows(layout.height), layout.row_bytes + 1
    found = []
    for block in layout.blocks:
        row = block.start_row
        while row < block.stop_row:
            segment, first = divmod(row, length)
            rows = range(first, min(length, first + block.stop_row - row))
            segments = range(segment, segment + (max(1, (block.stop_row - row) // length) if first == 0 else 1))
            found.append(BlockRows(rows, segments, block.offset + (row - block.start_row) * stride))
            row += len(rows) * len(segments)
    return tuple(found)


class UnfilteredCells:
    """Pixels of some cells, their rows in an order that was good for adding.

    Args:
        tables: the stored cells, in one or several arrays `(n, cell_bytes)`.
        layout: theirs.
        memory: returns that many bytes for the pixels.
    """

    def __init__(
        self,
        tables: Sequence[StoredCells],
        layout: PngLayout,
        memory: Memory = lambda size: np.empty(size, np.uint8),
    ) -> None:
        count = sum(len(cells) for cells in tables)
        cell_bytes, rows = layout.height * layout.row_bytes, segment_rows(layout.height)
        # As much for a few cells as for many, so that the memory can be used again for any others.
        room = memory(max(UNFILTERED_TOGETHER, count) * cell_bytes)[: count * cell_bytes]
        sums = room.reshape(rows, layout.height // rows, count, layout.row_bytes)
        first = 0
        for cells in tables:
            _copy_filtered(cells, layout, sums[:, :, first : first + len(cells)])
            first += len(cells)
        _add_up(sums)
        self._cells = sums.transpose(2, 1, 0, 3)

    def write(self, rows: Sequence[int], packed: Packed, places: Sequence[int]) -> None:
        """Write the pixels of some of the cells.

        Args:
            rows: numbers of the cells.
            packed: where to.
            places: place in `packed` of each.
        """
        targets = packed.reshape(len(packed), *self._cells.shape[1:])
        for place, row in zip(places, rows, strict=True):
            targets[place] = self._cells[row]


def _copy_filtered(cells: StoredCells, layout: PngLayout, out: npt.NDArray[np.uint8]) -> None:
    """Copy the filtered rows, without their filter bytes, to `(rows of a segment, segments, n, row_bytes)`."""
    stride = layout.row_bytes + 1
    for rows, segments, offset in block_rows(layout):
        size = len(segments) * len(rows) * stride
        lines = cells[:, offset : offset + size].reshape(len(cells), len(segments), len(rows), stride)
        target = out[rows.start : rows.stop, segments.start : segments.stop]
        target[:] = lines[..., 1:].transpose(2, 1, 0, 3)


def _add_up(sums: npt.NDArray[np.uint8]) -> None:
    """Turn filtered rows `(rows of a segment, segments, n, row_bytes)` into pixels, in place."""
    for above, here in itertools.pairwise(sums):
        np.add(above, here, here)
    for before, here in itertools.pairwise(sums[-1]):
        np.add(before, here, here)
    np.add(sums[:-1, 1:], sums[-1, :-1], sums[:-1, 1:])
