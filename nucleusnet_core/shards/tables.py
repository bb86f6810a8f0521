"""Arrow tables of a Parquet shard that lies behind a `Store`, one row group and one exact read at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..cells.layout import png_layout
from ..dataset import OpenDataset
from ..errors import CorruptDataError, SelectionError
from ..manifest import ShardEntry
from ..parquet.page_sizes import check_sizes
from .ranges import column_chunks, join_ranges
from .rows import Picks, fetch_rows
from .sparse_file import SparseFile

_TEXT_BYTES = 32


def row_group_tables(opened: OpenDataset, entry: ShardEntry, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield every row group of a shard in order.

    Args:
        opened: the dataset.
        entry: one of its shards.
        schema: the wanted columns and types.

    Raises:
        CorruptDataError: the shard has other columns, another number of rows, or cannot be decoded.
    """
    where = f"{opened.store.name}/{entry.path}"
    footer = opened.footer(entry)
    found = footer.schema.to_arrow_schema()
    if found.names != schema.names:
        raise CorruptDataError(
            f"{where} has columns {', '.join(found.names)} instead of {', '.join(schema.names)}; run "
            "`nucleusnet verify`."
        )
    for group in range(footer.num_row_groups):
        yield _conformed(read_row_group(opened, entry, group), schema, where)


@dataclass(frozen=True)
class GroupPlace:
    """A row group of a config.

    Attributes:
        entry: the shard that it lies in.
        group: its number in the shard.
        rows: how many it has.
        first_row: number of its first row in its split.
    """

    entry: ShardEntry
    group: int
    rows: int
    first_row: int


def walk_row_groups(opened: OpenDataset, config: str, splits: Sequence[str] = ()) -> Iterator[GroupPlace]:
    """Yield every row group of a config, split by split, in the order of the rows; only footers are read.

    Args:
        opened: the dataset.
        config: one of its configs.
        splits: the wanted splits, all by default.
    """
    for split in splits or opened.manifest.splits_of(config):
        entries, first_row = opened.shards(config, split), 0
        for entry, footer in zip(entries, opened.footers(entries), strict=True):
            for group in range(footer.num_row_groups):
                rows = footer.row_group(group).num_rows
                yield GroupPlace(entry, group, rows, first_row)
                first_row += rows


def read_row_group(opened: OpenDataset, entry: ShardEntry, group: int) -> pa.Table:
    """Return one row group with all columns, read in one exact range.

    Args:
        opened: the dataset.
        entry: one of its shards.
        group: number of the row group, from 0.

    Raises:
        CorruptDataError: the bytes cannot be decoded.
    """
    footer = opened.footer(entry)
    chunks = column_chunks(entry, footer, footer.schema.to_arrow_schema().names, group).values()
    ranges = join_ranges([(chunk.start, chunk.stop) for chunk in chunks])
    parts = [(start, opened.store.read_range(entry.path, start, stop - start)) for start, stop in ranges]
    sparse = SparseFile(parts, entry.bytes)
    where = f"{opened.store.name}/{entry.path}"
    check_sizes(sparse, footer, group, None, cell_bytes=opened.most_cell_bytes, where=where)
    file = pa.PythonFile(sparse, "r")
    try:
        with pq.ParquetFile(file, metadata=footer, pre_buffer=False, page_checksum_verification=True) as parquet_file:
            # With threads, those of other columns may read on after an error and abort the process at its end.
            return parquet_file.read_row_group(group, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptDataError(
            f"{where}: row group {group} cannot be decoded ({error}); get the file again."
        ) from error


def arrow_row_bytes(schema: pa.Schema, bit_depth: int, crop_px: int) -> int:
    """Return about how many bytes a row takes in memory.

    Args:
        schema: its columns; images and `mask` hold stored PNG cells.
        bit_depth: bits of a pixel of an image.
        crop_px: side of a cell, px.
    """
    cells = [1 if field.name == "mask" else bit_depth for field in schema if pa.types.is_struct(field.type)]
    others = [field.type for field in schema if not pa.types.is_struct(field.type)]
    texts = sum(_TEXT_BYTES for kind in others if pa.types.is_string(kind) or pa.types.is_list(kind))
    numbers: int = sum(-(-kind.bit_width // 8) for kind in others if pa.types.is_primitive(kind))
    return numbers + texts + sum(png_layout(crop_px, crop_px, depth).cell_bytes for depth in cells)


def _conformed(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Return `table` with the types and the metadata of `schema`."""
    try:
        return table.cast(schema)
    except pa.ArrowException as error:
        raise CorruptDataError(f"{where} has columns of other types than the dataset ({error}).") from error


def common_scale(crop_pixels_per_um: pa.ChunkedArray) -> float | None:
    """Return the one scale of some crops, px per um, or None where they have several or none that can be.

    Args:
        crop_pixels_per_um: that column of their rows, float32.
    """
    scales = crop_pixels_per_um.unique().to_pylist()
    if len(scales) != 1 or scales[0] is None or not 0 < scales[0] < np.inf:
        return None
    return float(str(np.float32(scales[0])))  # 8.0453 rather than 8.045299530029297


def read_columns(opened: OpenDataset, config: str, columns: Sequence[str], splits: Sequence[str] = ()) -> pa.Table:
    """Return some columns of all rows of a config, split by split.

    Args:
        opened: the dataset.
        config: one of its configs.
        columns: the wanted columns.
        splits: the wanted splits, all by default.

    Raises:
        SelectionError: there is no such config, split or column, or there are no rows.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    entries = opened.shards(config, "+".join(splits or opened.manifest.splits_of(config)))
    every_row = np.arange(sum(entry.rows for entry in entries), dtype=np.int64)
    if not every_row.size:
        raise SelectionError(f"{opened.store.name} has no rows of config {config}.")
    return fetch_rows(opened, Picks(tuple(entries), every_row), columns)[0]
