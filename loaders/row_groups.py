"""The row groups of a split: where they lie, and their bytes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nucleusnet_source.manifest import ShardEntry
from nucleusnet_source.opened import OpenDataset
from nucleusnet_source.read_plan import Chunk, Range, column_chunks, join_ranges
from nucleusnet_source.sparse_file import SparseFile
from nucleusnet_source.stores import Store


@dataclass(frozen=True)
class RowGroup:
    """A row group: its shard, its number in that, its rows, and the rows of the shard before it."""

    entry: ShardEntry
    index: int
    rows: int
    first_row: int


def list_row_groups(opened: OpenDataset, entries: Sequence[ShardEntry]) -> list[RowGroup]:
    """List the row groups of some shards that hold rows, shard by shard; their footers are read side by side."""
    groups = []
    for entry, footer in zip(entries, opened.footers(entries), strict=True):
        first_row = 0
        for index in range(footer.num_row_groups):
            rows = footer.row_group(index).num_rows
            if rows:
                groups.append(RowGroup(entry, index, rows, first_row))
            first_row += rows
    return groups


def chunks_of(opened: OpenDataset, place: RowGroup, columns: Collection[str]) -> dict[str, Chunk]:
    """Give the column chunks of a row group that belong to `columns`, by their dotted names."""
    return column_chunks(place.entry, opened.footer(place.entry), columns, place.index)


def read_ranges(store: Store, entry: ShardEntry, ranges: Sequence[Range], memory: memoryview) -> SparseFile:
    """Read some parts of a shard, one behind the other, into memory of their size.

    Does nothing but that, so that it may be stopped anywhere.
    """
    parts = []
    for start, stop in ranges:
        part, memory = memory[: stop - start], memory[stop - start :]
        store.read_into(entry.path, start, part)
        parts.append((start, part))
    return SparseFile(parts, entry.bytes)


def ranges_of(chunks: Collection[Chunk]) -> list[Range]:
    """Give the ranges that hold some column chunks, near ones joined."""
    return join_ranges([(chunk.start, chunk.stop) for chunk in chunks])
