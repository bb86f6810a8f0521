"""Which bytes of which shards hold some rows and columns: arithmetic on footers; nothing is read."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ..errors import CorruptDataError
from ..manifest import ShardEntry
from .page_index import PagedRead, Range

NEAR_BYTES = 256 << 10
"""What lies closer together is read with one request: on a line of 50 Mbit/s a gap of this size takes 40 ms."""

READ_BYTES = 16 << 20
"""Row groups are read together up to this size."""


@dataclass(frozen=True)
class GroupRead:
    """Neighbouring row groups of one shard that are read together.

    Attributes:
        entry: the shard.
        groups: numbers of its row groups.
        ranges: bytes to read, half-open, in order and apart from each other.
        rows: wanted rows int64 (k,), counted from the first row of the first of `groups`.
        places: where these rows come in the result, int64 (k,).
        paged: which pages of which column chunks are in `ranges`, or None if the chunks are whole.
    """

    entry: ShardEntry
    groups: tuple[int, ...]
    ranges: tuple[Range, ...]
    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    paged: PagedRead | None = None

    @property
    def total_bytes(self) -> int:
        """Bytes of all ranges."""
        return sum(stop - start for start, stop in self.ranges)


def rows_by_shard(
    shard_rows: Sequence[int], rows: npt.NDArray[np.int64]
) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield (number of the shard, rows counted from its first, their places in `rows`) of every shard with rows.

    Args:
        shard_rows: rows of every shard.
        rows: row numbers through all shards, int64 (n,), in any order.
    """
    ends = np.cumsum(shard_rows)
    shards = np.searchsorted(ends, rows, side="right")
    for shard in np.unique(shards).tolist():
        places = np.flatnonzero(shards == shard)
        yield shard, rows[places] - (ends[shard] - shard_rows[shard]), places


def plan_reads(
    entry: ShardEntry,
    footer: pq.FileMetaData,
    columns: Sequence[str],
    *,
    rows: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
) -> list[GroupRead]:
    """Return how rows of one shard are read.

    Args:
        entry: the shard.
        footer: its metadata.
        columns: the wanted columns.
        rows: the wanted rows, counted from the shard's first, int64 (k,).
        places: where they come in the result, int64 (k,).

    Raises:
        CorruptDataError: the footer puts columns outside of the file.
    """
    counts = np.array([footer.row_group(group).num_rows for group in range(footer.num_row_groups)], np.int64)
    ends = np.cumsum(counts)
    group_of_row = np.searchsorted(ends, rows, side="right")
    reads = []
    for groups, ranges in _bundles(entry, footer, columns, np.unique(group_of_row).tolist()):
        inside = (group_of_row >= groups[0]) & (group_of_row <= groups[-1])
        first_row = ends[groups[0]] - counts[groups[0]]
        reads.append(GroupRead(entry, tuple(groups), tuple(ranges), rows[inside] - first_row, places[inside]))
    return reads


def _bundles(
    entry: ShardEntry, footer: pq.FileMetaData, columns: Sequence[str], groups: Sequence[int]
) -> Iterator[tuple[list[int], list[Range]]]:
    """Yield runs of consecutive row groups that are near each other and small enough, with their ranges."""
    bundle: list[int] = []
    ranges: list[Range] = []
    for group in groups:
        chunks = column_chunks(entry, footer, columns, group)
        found = [(chunk.start, chunk.stop) for chunk in chunks.values()]
        joined = join_ranges([*ranges, *found])
        fits = bundle and group == bundle[-1] + 1 and joined[-1][1] - joined[0][0] <= READ_BYTES
        if fits and len(joined) < len(ranges) + len(join_ranges(found)):
            bundle, ranges = [*bundle, group], joined
            continue
        if bundle:
            yield bundle, ranges
        bundle, ranges = [group], join_ranges(found)
    if bundle:
        yield bundle, ranges


@dataclass(frozen=True)
class Chunk:
    """One column of a row group.

    Attributes:
        start: its first byte.
        stop: the byte behind its last.
        codec: its compression, as Parquet calls it.
        has_levels: whether its pages hold definition levels: it, or what it lies in, may be null.
        is_flat: whether it has one value a row.
    """

    start: int
    stop: int
    codec: str
    has_levels: bool
    is_flat: bool


def column_chunks(entry: ShardEntry, footer: pq.FileMetaData, columns: Collection[str], group: int) -> dict[str, Chunk]:
    """Return the column chunks of a row group by their dotted names, such as "image.bytes".

    Args:
        entry: the shard.
        footer: its metadata.
        columns: the wanted columns; of one with fields, all fields.
        group: number of the row group.

    Raises:
        CorruptDataError: one lies outside of the file, or has no readable name.
    """
    chunks = {}
    metadata = footer.row_group(group)
    for number in range(metadata.num_columns):
        chunk = metadata.column(number)
        name = _name_of(chunk, entry)
        if name.split(".")[0] in columns:
            starts = [offset for offset in (chunk.dictionary_page_offset, chunk.data_page_offset) if offset]
            start = min(starts, default=-1)
            stop = start + chunk.total_compressed_size
            if not 0 <= start <= stop <= entry.bytes - entry.footer_bytes:
                raise CorruptDataError(
                    f"{entry.path}: the footer puts column {name} of row group {group} at bytes {start:,} to {stop:,} "
                    f"of {entry.bytes:,}, where no data can be; get the file again."
                )
            column = footer.schema.column(number)
            has_levels, is_flat = column.max_definition_level > 0, column.max_repetition_level == 0
            chunks[name] = Chunk(start, stop, chunk.compression, has_levels, is_flat)
    return chunks


def _name_of(chunk: pq.ColumnChunkMetaData, entry: ShardEntry) -> str:
    try:
        name: str = chunk.path_in_schema
    except UnicodeDecodeError as error:
        raise CorruptDataError(
            f"{entry.path}: the footer names a column in other letters than UTF-8; get the file again."
        ) from error
    return name


def join_ranges(ranges: Sequence[Range]) -> list[Range]:
    """Return half-open ranges in order, those joined that overlap or lie near each other."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start - joined[-1][1] <= NEAR_BYTES:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
