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
from ..storage.threads import in_parallel
from .page_index import DAMAGED
from .page_plan import choose_pages
from .ranges import Piece, plan_pieces, rows_by_shard
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

    def describe(self, place: int) -> str:
        """Name the row at a place in the result for people: its shard, and its number there."""
        ((shard, rows, _),) = rows_by_shard([entry.rows for entry in self.entries], self.rows[place : place + 1])
        return f"{self.entries[shard].path}, row {rows[0]}"


def fetch_rows(opened: OpenDataset, picks: Picks, columns: Sequence[str] | None = None) -> tuple[pa.Table, ReadReport]:
    """Read chosen rows; read are footers of their shards and the columns of their row groups.

    Of a few rows of a large row group that is not in a folder of this machine, only the pages are read.

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
    pieces = [
        piece
        for entry, footer, (_, rows, places) in zip(entries, footers, chosen, strict=True)
        for piece in plan_pieces(entry, footer, schema.names, rows=rows, places=places)
    ]
    pieces, indexes = choose_pages(opened, pieces, schema.names)
    with contextlib.closing(in_parallel(functools.partial(_read, opened), pieces)) as data:
        tables = [_decode(opened, piece, parts, schema) for piece, parts in zip(pieces, data, strict=True)]
    requests = len(unread) + len(indexes) + sum(len(piece.ranges) for piece in pieces)
    total_bytes = sum(entry.footer_bytes for entry in unread) + sum(piece.total_bytes for piece in pieces)
    total_bytes += sum(stop - start for start, stop in indexes)
    return _in_order(tables, [piece.places for piece in pieces]), ReadReport(requests, total_bytes)


def _selected(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """Return the wanted part of a schema, the features of `datasets` in its metadata included."""
    if columns is None:
        return schema
    unknown = [columns] if isinstance(columns, str) else [name for name in columns if name not in schema.names]
    if unknown or not columns or len(set(columns)) < len(columns):
        found = repr(unknown[0]) if unknown else f"{list(columns)}"
        raise SelectionError(f"a list of different columns out of {', '.join(schema.names)} expected, {found} found")
    metadata = dict(schema.metadata or {})
    if _HUGGINGFACE in metadata:
        content = json.loads(metadata[_HUGGINGFACE])
        features = content.get("info", {}).get("features", {})
        content = {"info": {"features": {name: features[name] for name in columns if name in features}}}
        metadata[_HUGGINGFACE] = json.dumps(content).encode()
    return pa.schema([schema.field(name) for name in columns], metadata)


def _read(opened: OpenDataset, piece: Piece) -> list[tuple[int, bytes]]:
    return [(start, opened.store.read_range(piece.entry.path, start, stop - start)) for start, stop in piece.ranges]


def _decode(opened: OpenDataset, piece: Piece, parts: list[tuple[int, bytes]], schema: pa.Schema) -> pa.Table:
    """Return the wanted rows of a piece."""
    file = SparseFile(parts, piece.entry.bytes)
    try:
        if piece.paged:
            file = piece.paged.filled(file, piece.entry.bytes)
        with pq.ParquetFile(
            pa.PythonFile(file, "r"),
            metadata=opened.footer(piece.entry),
            pre_buffer=False,
            page_checksum_verification=True,
        ) as parquet_file:
            table = parquet_file.read_row_groups(list(piece.groups), columns=schema.names, use_threads=False)
        return table.select(schema.names).take(piece.rows).replace_schema_metadata(schema.metadata)
    except (pa.ArrowException, OSError, *DAMAGED) as error:
        opened.forget_footer(piece.entry)
        raise CorruptDataError(
            f"{opened.store.name}/{piece.entry.path}: row groups {piece.groups[0]} to {piece.groups[-1]} cannot be "
            f"decoded ({error}); get the file again"
        ) from error


def _in_order(tables: Sequence[pa.Table], places: Sequence[npt.NDArray[np.int64]]) -> pa.Table:
    """Put the rows of tables where they come in the result."""
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
