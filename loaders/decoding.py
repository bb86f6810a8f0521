"""Cells to image tensors, a whole batch at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nucleusnet_core.cells.png import decode_cell, png_layout
from nucleusnet_core.cells.unfilter import UNFILTERED_TOGETHER, Packed, UnfilteredCells
from nucleusnet_core.contract import CROP_PX
from nucleusnet_core.errors import CorruptDataError

from .buffers import BufferPool
from .columns import Cell, CellRun

_PIXEL_TYPES: dict[int, type[np.generic]] = {1: np.bool_, 8: np.uint8, 16: np.uint16}


class CellDecoder:
    """Decodes the cells of one column into tensors.

    Args:
        bit_depth: Bits of a pixel: 1 gives bool, 8 uint8 and 16 uint16 tensors.
    """

    def __init__(self, bit_depth: int) -> None:
        self.layout = png_layout(CROP_PX, CROP_PX, bit_depth)
        self._pixel_type = np.dtype(_PIXEL_TYPES[bit_depth])
        self._pool = BufferPool()

    def decode(self, runs: Iterable[CellRun], count: int, locate: Callable[[int], str]) -> torch.Tensor:
        """Decode cells to a new tensor `(n, 1, 256, 256)`.

        Stored PNG cells are decoded together, ordinary PNG cells one by one.

        Args:
            runs: The cells, in any order; none is held longer than until the next.
            count: Their number.
            locate: Gives file and row of the n-th cell of the batch, for the error message.

        Raises:
            CorruptDataError: A cell is damaged, or has another size or bit depth.
        """
        size = count * CROP_PX * self.layout.row_bytes
        packed = self._pool.take(size).reshape(count, CROP_PX, self.layout.row_bytes)
        ordinary: list[tuple[int, bytes]] = []
        for places, cells, rows in runs:
            if isinstance(cells, UnfilteredCells):
                cells.write(rows, packed, places)
            else:
                ordinary += self._write_stored(
                    [(place, cells[row]) for place, row in zip(places, rows, strict=True)], packed
                )
        pixels = self._pixels(packed)
        for place, cell in ordinary:
            pixels[place] = self._decode_ordinary(cell, locate(place))
        return torch.from_numpy(pixels)[:, None]

    def _write_stored(self, cells: Sequence[tuple[int, Cell]], packed: Packed) -> list[tuple[int, bytes]]:
        """Write the stored cells among these, each with its place, and give the others."""
        stored = [(place, cell) for place, cell in cells if not isinstance(cell, bytes)]
        for start in range(0, len(stored), UNFILTERED_TOGETHER):
            places, some = zip(*stored[start : start + UNFILTERED_TOGETHER], strict=True)
            UnfilteredCells(some, self.layout).write(range(len(some)), packed, places)
        return [(place, cell) for place, cell in cells if isinstance(cell, bytes)]

    def _pixels(self, packed: Packed) -> npt.NDArray[Any]:
        """Turn packed rows `(n, 256, row_bytes)` into pixels `(n, 256, 256)`."""
        if self.layout.bit_depth == 1:
            return np.unpackbits(packed, axis=2, count=CROP_PX).view(np.bool_)
        pixels = packed.view(self._pixel_type)
        return pixels.byteswap(inplace=True) if self.layout.bit_depth == 16 and np.little_endian else pixels

    def _decode_ordinary(self, cell: bytes, where: str) -> npt.NDArray[Any]:
        """Decode any grey PNG of the right size and bit depth."""
        try:
            pixels = decode_cell(cell)
        except CorruptDataError as error:
            raise CorruptDataError(f"{where}: {error}; run `nucleusnet verify`, download it again") from error
        expected = (self._pixel_type, (CROP_PX, CROP_PX))
        if (pixels.dtype, pixels.shape) != expected:
            raise CorruptDataError(
                f"{where}: expected pixels {expected[0]} {expected[1]}, found {pixels.dtype} {pixels.shape}; "
                "all cells of a dataset have one size and bit depth"
            )
        return pixels
