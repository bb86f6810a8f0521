"""Turns cells into image tensors, a whole batch at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nucleusnet_core.cells.png import decode_cell, png_layout
from nucleusnet_core.cells.unfilter import UNFILTERED_TOGETHER, Packed, UnfilteredCells
from nucleusnet_core.errors import CorruptDataError

from .buffers import BufferPool
from .columns import Cell, PlacedCells

_PIXEL_TYPES: dict[int, type[np.generic]] = {1: np.bool_, 8: np.uint8, 16: np.uint16}


class CellDecoder:
    """Decodes the cells of one column into tensors.

    Args:
        bit_depth: bits of a pixel: 1 gives bool, 8 uint8 and 16 uint16 tensors.
        crop_px: side of every image, px.

    Attributes:
        layout: of the column's cells, if they are stored PNG cells.
    """

    def __init__(self, bit_depth: int, crop_px: int) -> None:
        self.layout = png_layout(crop_px, crop_px, bit_depth)
        self._pixel_type = np.dtype(_PIXEL_TYPES[bit_depth])
        self._pool = BufferPool()

    def decode(self, placed: Iterable[PlacedCells], count: int, locate: Callable[[int], str]) -> torch.Tensor:
        """Return cells as a new tensor `(count, 1, crop_px, crop_px)`.

        Stored PNG cells are decoded together, ordinary PNG cells one by one.

        Args:
            placed: the cells, in any order; none are held longer than until the next.
            count: their number in all.
            locate: returns file and row of the n-th cell of the batch, for messages.

        Raises:
            CorruptDataError: a cell is damaged, or has another size or bit depth.
        """
        height, row_bytes = self.layout.height, self.layout.row_bytes
        packed = self._pool.take(count * height * row_bytes).reshape(count, height, row_bytes)
        ordinary: list[tuple[int, bytes]] = []
        for places, cells, rows in placed:
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
        """Write the stored cells among these, each with its place, and return the others."""
        stored = [(place, cell) for place, cell in cells if not isinstance(cell, bytes)]
        for start in range(0, len(stored), UNFILTERED_TOGETHER):
            places, some = zip(*stored[start : start + UNFILTERED_TOGETHER], strict=True)
            UnfilteredCells(some, self.layout).write(range(len(some)), packed, places)
        return [(place, cell) for place, cell in cells if isinstance(cell, bytes)]

    def _pixels(self, packed: Packed) -> npt.NDArray[Any]:
        """Return packed rows `(n, crop_px, row_bytes)` as pixels `(n, crop_px, crop_px)`."""
        if self.layout.bit_depth == 1:
            return np.unpackbits(packed, axis=2, count=self.layout.width).view(np.bool_)
        pixels = packed.view(self._pixel_type)
        return pixels.byteswap(inplace=True) if self.layout.bit_depth == 16 and np.little_endian else pixels

    def _decode_ordinary(self, cell: bytes, where: str) -> npt.NDArray[Any]:
        """Return the pixels `(crop_px, crop_px)` of any grey PNG of the right size and bit depth."""
        try:
            pixels = decode_cell(cell)
        except CorruptDataError as error:
            raise CorruptDataError(f"{where}: {error} Run `nucleusnet verify`, and get the file again.") from error
        shape = (self.layout.height, self.layout.width)
        if (pixels.dtype, pixels.shape) != (self._pixel_type, shape):
            raise CorruptDataError(
                f"{where}: the pixels are {pixels.dtype} {pixels.shape}, and those of all other cells are "
                f"{self._pixel_type} {shape}. Run `nucleusnet verify`, and get the file again."
            )
        return pixels
