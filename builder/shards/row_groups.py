"""Rows on their way from pieces to Parquet: copied as they are, put in order, decompressed one row group at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.png import decode_cell, encode_gray, png_layout
from nucleusnet_core.contract import ROW_GROUP_ROWS
from nucleusnet_core.errors import CorruptDataError

from ..pieces.receipt import BITS_KEY, stored_name

_MASK_BITS = 1


@dataclass(frozen=True)
class Cells:
    """What all cells of a dataset are.

    Attributes:
        bit_depth: bits of a pixel of an image, at least as many as those of the pieces.
        crop_px: side of an image and of a mask, px.
    """

    bit_depth: int
    crop_px: int

    def bytes(self, bits: int) -> int:
        """Return the size of a cell whose pixels have so many bits."""
        return png_layout(self.crop_px, self.crop_px, bits).cell_bytes


@dataclass(frozen=True)
class PieceRows:
    """Rows of several pieces in their final order; the cells stay where they were copied to.

    Attributes:
        plain: the columns without images, in the final order.
        parts: the rows of each piece, with their compressed cells.
        part: for each row in the final order, the place of its piece in `parts`, int64 (rows,).
        row: its row in that piece, int64 (rows,).
    """

    plain: pa.Table
    parts: Sequence[pa.RecordBatch]
    part: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def cells(self, name: str, start: int, stop: int) -> Iterator[tuple[pa.Buffer, int]]:
        """Yield the compressed cells of rows `start`..`stop` (half-open) of a column, and the bits of their pixels.

        Args:
            name: of the column as the dataset calls it.
            start: first row.
            stop: row behind the last one.
        """
        columns = [part.column(stored_name(name)) for part in self.parts]
        bits = [_MASK_BITS if name == "mask" else int(part.schema.metadata[BITS_KEY]) for part in self.parts]
        for part, row in zip(self.part[start:stop].tolist(), self.row[start:stop].tolist(), strict=True):
            yield columns[part][row].as_buffer(), bits[part]


def read_piece(path: Path) -> pa.RecordBatch:
    """Return a whole piece; its columns are views of the mapped file, which stays open until they are deleted.

    Raises:
        CorruptDataError: the piece is damaged.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            if reader.num_record_batches == 0:
                return pa.RecordBatch.from_pylist([], reader.schema)
            return reader.get_batch(0)
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); call the build again.") from error


def copy_rows(piece: pa.RecordBatch, start: int, stop: int) -> pa.RecordBatch:
    """Return a copy of rows `start`..`stop` (half-open) of a piece and nothing else, so that its file can be closed."""
    return pa.ipc.read_record_batch(piece.slice(start, stop - start).serialize(), piece.schema)


def in_hash_order(parts: Sequence[pa.RecordBatch]) -> PieceRows:
    """Return the rows of at least one piece in the order of (row_hash, nucleus_id)."""
    counts = [part.num_rows for part in parts]
    plain = without_cells(parts)
    order = plain.select(["row_hash", "nucleus_id"]).combine_chunks()
    places = order.append_column("place", pa.array(np.arange(len(order)))).sort_by(
        [("row_hash", "ascending"), ("nucleus_id", "ascending")]
    )
    place = places.column("place").to_numpy()
    part = np.repeat(np.arange(len(parts)), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    return PieceRows(plain.take(places.column("place")).combine_chunks(), parts, part[place], row[place])


def without_cells(parts: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return the rows of at least one piece without their compressed cells, which alone are binary."""
    table = pa.Table.from_batches(parts)
    return table.drop_columns([field.name for field in table.schema if pa.types.is_binary(field.type)])


def decoded_groups(rows: PieceRows, schema: pa.Schema, cells: Cells) -> Iterator[pa.Table]:
    """Yield tables of 256 rows, of which the last may have fewer, with decompressed images.

    Args:
        rows: what to decompress.
        schema: Arrow schema of config default.
        cells: what all cells are to be.
    """
    for start in range(0, len(rows), ROW_GROUP_ROWS):
        group = rows.plain.slice(start, ROW_GROUP_ROWS)
        stop = start + group.num_rows
        columns = []
        for field in schema:
            if pa.types.is_struct(field.type):
                bits = _MASK_BITS if field.name == "mask" else cells.bit_depth
                columns.append(decompressed(rows.cells(field.name, start, stop), group.num_rows, cells, bits))
            else:
                columns.append(group.column(field.name))
        yield pa.table(columns, schema=schema)


def decompressed(
    compressed: Iterator[tuple[pa.Buffer, int]], count: int, cells: Cells, bit_depth: int
) -> pa.StructArray:
    """Return `count` decompressed cells in one buffer, as `datasets.Image` stores them.

    Args:
        compressed: cells, and the bits of their pixels.
        count: how many there are.
        cells: their size.
        bit_depth: of all pixels afterwards; cells of 8 bits become cells of 16 bits with the same values.

    Raises:
        CorruptDataError: a cell is damaged.
    """
    cell_bytes = cells.bytes(bit_depth)
    codec = pa.Codec("zstd")
    payload = np.empty((count, cell_bytes), np.uint8)
    try:
        for row, (cell, bits) in enumerate(compressed):
            stored = codec.decompress(cell, decompressed_size=cells.bytes(bits), asbytes=bits != bit_depth)
            payload[row] = np.frombuffer(stored if bits == bit_depth else _widened(stored), np.uint8)
    except (OSError, ValueError) as error:
        raise CorruptDataError(
            f"A compressed image in the work folder is damaged: it does not hold {cell_bytes} bytes ({error}); call "
            "the build again."
        ) from error
    offsets = np.arange(0, (count + 1) * cell_bytes, cell_bytes, dtype=np.int32)
    data = pa.BinaryArray.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(payload)])
    return pa.StructArray.from_arrays([data, pa.nulls(count, pa.string())], ["bytes", "path"])


def _widened(cell: bytes) -> bytes:
    """Return a cell of 8 bits as one of 16 bits with the same pixel values."""
    return encode_gray(decode_cell(cell).astype(np.uint16))
