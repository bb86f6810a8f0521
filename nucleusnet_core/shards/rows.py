"""Reads chosen rows of a dataset: the bytes that hold them, side by side, and no others."""

import contextlib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..dataset import OpenDataset
from ..errors import CorruptDataError, SelectionError
from ..manifest import ShardEntry
from ..parquet.page_sizes import check_sizes
from ..parquet.thrift import DAMAGED
from ..small_files import SmallFileError, parse_json
from ..storage.threads import in_parallel
from .page_plan import choose_pages
from .ranges import GroupRead, plan_reads, rows_by_shard
from .sparse_file import SparseFile

_HUGGINGFACE = b"huggingface"
_TAKE_BYTES = 1 << 30
"""Rows are put in order in portions of this size; Arrow counts the bytes of a column's portion in 31 bits."""


@dataclass(frozen=True)
class ReadReport:
    """What was read of a dataset's shards.

    Attributes:
        requests: ranges read, footers and offset indexes included; a redirect or a repeated request is not counted.
        bytes: their bytes.
    """

    requests: int
    bytes: int


@dataclass(frozen=True)
class Picks:
    """Chosen rows.

    Attributes:
        entries: shards, in order.
        rows: row numbers through all of `entries`, int64 (n,), in the order of the result.
    """

    entries: tuple[ShardEntry, ...]
    rows: npt.NDArray[np.int64]

    def row_name(self, place: int) -> str:
        """Return how the row at a place in the result is named for people: its shard, and its number there."""
        ((shard, rows, _),) = rows_by_shard([entry.rows for entry in self.entries], self.rows[place : place + 1])
        return f"{self.entries[shard].path}, row {rows[0]}"


def fetch_rows(opened: OpenDataset, picks: Picks, columns: Sequence[str] | None = None) -> tuple[pa.Table, ReadReport]:
    """Return chosen rows; what is read are footers of their shards, and the columns of their row groups.

    Where a few rows of a large row group are wanted that is not in a folder of this machine, only their pages are read.

    Args:
        opened: the dataset.
        picks: the rows, at least one.
        columns: wanted columns, in this order; None for all.

    Returns:
        The rows in the order of `picks`, with the schema and metadata of the shards, and what was read.

    Raises:
        SelectionError: there is no such column.
        CorruptDataError: a shard is damaged.
        NucleusNetError: the dataset changed or cannot be reached.
    """
    chosen = list(rows_by_shard([entry.rows for entry in picks.entries], picks.rows))
    entries = [picks.entries[shard] for shard, _, _ in chosen]
    unread = [entry for entry in entries if not opened.has_footer(entry)]
    footers = opened.footers(entries)
    schema = _selected(opened.schema(entries), columns)
    reads = [
        read
        for entry, footer, (_, rows, places) in zip(entries, footers, chosen, strict=True)
        for read in plan_reads(entry, footer, schema.names, rows=rows, places=places)
    ]
    reads, indexes = choose_pages(opened, reads, schema.names)
    with contextlib.closing(in_parallel(functools.partial(_read, opened), reads)) as data:
        tables = [_decode(opened, read, parts, schema) for read, parts in zip(reads, data, strict=True)]
    requests = len(unread) + len(indexes) + sum(len(read.ranges) for read in reads)
    total_bytes = sum(entry.footer_bytes for entry in unread) + sum(read.total_bytes for read in reads)
    total_bytes += sum(stop - start for start, stop in indexes)
    return _in_order(tables, [read.places for read in reads]), ReadReport(requests, total_bytes)


def _selected(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """Return the wanted part of a schema, the features of `datasets` in its metadata included."""
    if columns is None:
        return schema
    unknown = [] if isinstance(columns, str) else [name for name in columns if name not in schema.names]
    if isinstance(columns, str) or unknown or not columns or len(set(columns)) < len(columns):
        fact = f"there is no column {unknown[0]!r}" if unknown else f"columns is {columns!r}"
        raise SelectionError(f"{fact}; give a list of different columns out of {', '.join(schema.names)}.")
    metadata = dict(schema.metadata or {})
    if _HUGGINGFACE in metadata:
        try:
            features = parse_json(metadata[_HUGGINGFACE]).get("info", {}).get("features", {})
        except (SmallFileError, AttributeError) as error:
            raise CorruptDataError(f"the shards describe their columns in damaged JSON ({error}).") from error
        content = {"info": {"features": {name: features[name] for name in columns if name in features}}}
        metadata[_HUGGINGFACE] = json.dumps(content).encode()
    return pa.schema([schema.field(name) for name in columns], metadata)


def _read(opened: OpenDataset, read: GroupRead) -> list[tuple[int, bytes]]:
    return [(start, opened.store.read_range(read.entry.path, start, stop - start)) for start, stop in read.ranges]


def _decode(opened: OpenDataset, read: GroupRead, parts: list[tuple[int, bytes]], schema: pa.Schema) -> pa.Table:
    """Return the wanted rows of what was read."""
    file = SparseFile(parts, read.entry.bytes)
    footer, where = opened.footer(read.entry), f"{opened.store.name}/{read.entry.path}"
    try:
        if read.paged:
            file = read.paged.filled(file, read.entry.bytes)
        for group in read.groups:
            check_sizes(file, footer, group, schema.names, cell_bytes=opened.most_cell_bytes, where=where)
        with pq.ParquetFile(
            pa.PythonFile(file, "r"),
            metadata=footer,
            pre_buffer=False,
            page_checksum_verification=True,
        ) as parquet_file:
            table = parquet_file.read_row_groups(list(read.groups), columns=schema.names, use_threads=False)
        return table.select(schema.names).take(read.rows).replace_schema_metadata(schema.metadata)
    except CorruptDataError:
        opened.forget_footer(read.entry)
        raise
    except (pa.ArrowException, OSError, *DAMAGED) as error:
        opened.forget_footer(read.entry)
        raise CorruptDataError(
            f"{where}: row groups {read.groups[0]} to {read.groups[-1]} cannot be "
            f"decoded ({error}); get the file again."
        ) from error


def _in_order(tables: Sequence[pa.Table], places: Sequence[npt.NDArray[np.int64]]) -> pa.Table:
    """Return the rows of tables in the order of the result."""
    n = sum(len(part) for part in places)
    portion = max(1, n * _TAKE_BYTES // max(1, sum(table.nbytes for table in tables)))
    if portion >= n:
        return pa.concat_tables(tables).take(np.argsort(np.concatenate(places)))
    portions = []
    for first in range(0, n, portion):
        chosen = [np.flatnonzero((part >= first) & (part < first + portion)) for part in places]
        parts = [table.take(rows) for table, rows in zip(tables, chosen, strict=True)]
        order = np.argsort(np.concatenate([part[rows] for part, rows in zip(places, chosen, strict=True)]))
        portions.append(pa.concat_tables(parts).take(order))
    return pa.concat_tables(portions)
