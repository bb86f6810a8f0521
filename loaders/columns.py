"""Columns of a dataset as what a batch holds: cells become image tensors, numbers tensors, texts lists."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from nucleusnet_source.cells import are_stored_cells, decode_batch, decode_cell, png_layout
from nucleusnet_source.errors import CorruptDataError, SelectionError

Batch = dict[str, Any]
"""Column name -> tensor or list, all of one length."""

Cell = npt.NDArray[np.uint8]
ColumnKind = Literal["image", "mask", "number", "text"]
CELL_SIZE_PX = 256
_SIGNED = {"uint16": pa.int32(), "uint32": pa.int64(), "uint64": pa.int64()}


def column_kinds(schema: pa.Schema, columns: Sequence[str]) -> dict[str, ColumnKind]:
    """Say of each wanted column what it becomes, in the order that a batch shall have.

    Raises:
        SelectionError: A column does not exist or is named twice, or none is named.
    """
    unknown = [name for name in columns if name not in schema.names]
    if unknown or len(set(columns)) < len(columns) or not columns:
        found = f"unknown {', '.join(unknown)}" if unknown else f"found {', '.join(columns) or 'none'}"
        raise SelectionError(f"expected columns out of {', '.join(schema.names)}, each once; {found}")
    return {name: _kind(name, schema.field(name).type) for name in columns}


def _kind(name: str, kind: pa.DataType) -> ColumnKind:
    if pa.types.is_struct(kind):
        return "mask" if name == "mask" else "image"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "number"


def numbers(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Convert a column of numbers; unsigned ones become signed, a missing integer -1, a missing real NaN."""
    values = values.cast(_SIGNED.get(str(values.type), values.type))
    if values.null_count:
        values = values.fill_null(float("nan") if pa.types.is_floating(values.type) else -1)
    return np.array(values.to_numpy())


def cells(values: pa.ChunkedArray) -> list[Cell]:
    """View the bytes of each cell of a column `{bytes, path}`; a missing cell becomes an empty view."""
    data = pc.struct_field(values, "bytes")
    return [np.frombuffer(cell.as_buffer() if cell.is_valid else b"", np.uint8) for cell in data]


class CellDecoder:
    """Decodes the cells of one column into tensors; keeps its working memory from batch to batch.

    Args:
        bit_depth: Bits of a pixel: 1 gives bool, 8 uint8 and 16 uint16 tensors.
    """

    def __init__(self, bit_depth: int) -> None:
        self.layout = png_layout(CELL_SIZE_PX, CELL_SIZE_PX, bit_depth)
        self.pixel_type = np.dtype({1: np.bool_, 8: np.uint8, 16: np.uint16}[bit_depth])
        self._staged: Cell = np.empty((0, self.layout.cell_bytes), np.uint8)

    def decode(self, batch: Sequence[Cell], locate: Callable[[int], str]) -> torch.Tensor:
        """Decode cells to a new tensor `(n, 1, 256, 256)`.

        Stored PNG cells are decoded together, ordinary PNG cells one by one.

        Args:
            batch: The bytes of each cell.
            locate: Gives file and row of the n-th cell of the batch, for the error message.

        Raises:
            CorruptDataError: A cell is damaged, or has another size or bit depth.
        """
        pixels = np.empty((len(batch), CELL_SIZE_PX, CELL_SIZE_PX), self.pixel_type)
        staged = self._stage(batch)
        stored = are_stored_cells(staged, self.layout)
        if stored.any():
            decode_batch(staged, pixels)
        for position in np.flatnonzero(~stored).tolist():
            pixels[position] = self._decode_ordinary(batch[position], locate(position))
        return torch.from_numpy(pixels)[:, None]

    def _stage(self, batch: Sequence[Cell]) -> Cell:
        """Lay the cells side by side; one of another length leaves its place without a PNG signature."""
        if len(self._staged) < len(batch):
            self._staged = np.empty((len(batch), self.layout.cell_bytes), np.uint8)
        staged = self._staged[: len(batch)]
        for place, cell in zip(staged, batch, strict=True):
            if len(cell) == len(place):
                place[:] = cell
            else:
                place[0] = 0
        return staged

    def _decode_ordinary(self, cell: Cell, where: str) -> npt.NDArray[Any]:
        """Decode any grey PNG of the right size and bit depth."""
        try:
            pixels = decode_cell(cell.tobytes())
        except CorruptDataError as error:
            raise CorruptDataError(f"{where}: {error}; run `nucleusnet verify`, download it again") from error
        expected = (self.pixel_type, (CELL_SIZE_PX, CELL_SIZE_PX))
        if (pixels.dtype, pixels.shape) != expected:
            raise CorruptDataError(
                f"{where}: expected pixels {expected[0]} {expected[1]}, found {pixels.dtype} {pixels.shape}; "
                "all cells of a dataset have one size and bit depth"
            )
        return pixels
