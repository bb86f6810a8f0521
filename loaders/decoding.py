"""Cells to image tensors, a whole batch at once."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nucleusnet_source.cells import decode_cell, png_layout
from nucleusnet_source.errors import CorruptDataError

from .columns import Cell, StoredCell

CELL_SIZE_PX = 256
GROUP_CELLS = 256
"""Cells whose rows are added up together; fewer make numpy's calls cost more than the additions."""
_PIXEL_TYPES: dict[int, type[np.generic]] = {1: np.bool_, 8: np.uint8, 16: np.uint16}


class CellDecoder:
    """Decodes the cells of one column into tensors.

    Args:
        bit_depth: Bits of a pixel: 1 gives bool, 8 uint8 and 16 uint16 tensors.
    """

    def __init__(self, bit_depth: int) -> None:
        self.layout = png_layout(CELL_SIZE_PX, CELL_SIZE_PX, bit_depth)
        self._pixel_type = np.dtype(_PIXEL_TYPES[bit_depth])
        stride = self.layout.row_bytes + 1
        self._blocks = [
            (slice(block.start_row, block.stop_row), block.offset + 1, (stride, 1)) for block in self.layout.blocks
        ]

    def decode(self, cells: Iterable[tuple[int, Cell]], count: int, locate: Callable[[int], str]) -> torch.Tensor:
        """Decode cells to a new tensor `(n, 1, 256, 256)`.

        Stored PNG cells are decoded together, ordinary PNG cells one by one.

        Args:
            cells: Each cell with its place in the batch, in any order; none is held longer than until the next.
            count: Their number.
            locate: Gives file and row of the n-th cell of the batch, for the error message.

        Raises:
            CorruptDataError: A cell is damaged, or has another size or bit depth.
        """
        packed = np.empty((count, CELL_SIZE_PX, self.layout.row_bytes), np.uint8)
        ordinary: list[tuple[int, bytes]] = []
        for position, cell in cells:
            if isinstance(cell, bytes):
                packed[position] = 0
                ordinary.append((position, cell))
            else:
                self._spread(cell, packed[position])
        for start in range(0, count, GROUP_CELLS):
            add_up_rows(packed[start : start + GROUP_CELLS])
        pixels = self._pixels(packed)
        for position, cell in ordinary:
            pixels[position] = self._decode_ordinary(cell, locate(position))
        return torch.from_numpy(pixels)[:, None]

    def _spread(self, cell: StoredCell, place: StoredCell) -> None:
        """Copy the filtered rows of a stored cell to where its pixels shall lie."""
        for rows, offset, strides in self._blocks:
            part = place[rows]
            part[:] = np.ndarray(part.shape, np.uint8, cell, offset, strides)

    def _pixels(self, packed: StoredCell) -> npt.NDArray[Any]:
        """Turn packed rows `(n, 256, row_bytes)` into pixels `(n, 256, 256)`."""
        if self.layout.bit_depth == 1:
            return np.unpackbits(packed, axis=2, count=CELL_SIZE_PX).view(np.bool_)
        pixels = packed.view(self._pixel_type)
        return pixels.byteswap(inplace=True) if self.layout.bit_depth == 16 and np.little_endian else pixels

    def _decode_ordinary(self, cell: bytes, where: str) -> npt.NDArray[Any]:
        """Decode any grey PNG of the right size and bit depth."""
        try:
            pixels = decode_cell(cell)
        except CorruptDataError as error:
            raise CorruptDataError(f"{where}: {error}; run `nucleusnet verify`, download it again") from error
        expected = (self._pixel_type, (CELL_SIZE_PX, CELL_SIZE_PX))
        if (pixels.dtype, pixels.shape) != expected:
            raise CorruptDataError(
                f"{where}: expected pixels {expected[0]} {expected[1]}, found {pixels.dtype} {pixels.shape}; "
                "all cells of a dataset have one size and bit depth"
            )
        return pixels


def add_up_rows(packed: StoredCell) -> None:
    """Undo filter Up in place: add to each row of `(n, height, row_bytes)` all rows above it.

    Source: PNG specification (https://www.w3.org/TR/png-3/), 9.2: Recon(x) = Filt(x) + Recon(b).
    """
    for row in range(1, packed.shape[1]):
        np.add(packed[:, row - 1], packed[:, row], out=packed[:, row])
