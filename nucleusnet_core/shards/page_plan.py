"""Where only a few rows of large row groups are wanted from afar: reads the offset indexes, and plans for pages."""

import contextlib
import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..dataset import OpenDataset
from ..parquet.thrift import DAMAGED
from ..storage.folder import FolderStore
from ..storage.threads import in_parallel
from .page_index import CODECS, PagedChunk, PagedRead, Range, index_ranges, page_chunk
from .ranges import NEAR_BYTES, Chunk, GroupRead, column_chunks, join_ranges

LEAST_BYTES = 1 << 20
"""Of less, pages are not worth a request for their index: on a line of 50 Mbit/s this takes 0.2 s."""
LEAST_INDEX_BYTES = 40
"""An index of fewer bytes names two or three pages, and is not worth reading."""
ROWS_FOR_ONE = 16
"""Pages are read where at most one row of so many is wanted; a page of nuclei has some 14."""

Place = tuple[int, str]
"""Number of a row group and dotted name of a column."""


def choose_pages(
    opened: OpenDataset, reads: Sequence[GroupRead], columns: Sequence[str]
) -> tuple[list[GroupRead], list[Range]]:
    """Return what to read, with only the wanted pages where that saves much.

    A file without an offset index, or with a damaged one, is read as planned. So is a folder of this machine, where
    whole chunks take less time than the index.

    Args:
        opened: the dataset, with the footers of all shards of `reads`.
        reads: what would be read.
        columns: the wanted columns.

    Returns:
        What to read, in the same order, and the ranges that were read of the shards for it.
    """
    if isinstance(opened.store, FolderStore):
        return list(reads), []
    sparse = [number for number, read in enumerate(reads) if _is_sparse(opened, read)]
    found = [
        (read, indexed)
        for _, parts in itertools.groupby([reads[number] for number in sparse], lambda read: read.entry.path)
        for read, indexed in _with_indexes(opened, list(parts), columns)
    ]
    chosen, ranges = list(reads), []
    with contextlib.closing(in_parallel(functools.partial(_paged, opened, columns), found)) as planned:
        for number, (read, of_indexes) in zip(sparse, planned, strict=True):
            chosen[number] = read
            ranges += of_indexes
    return chosen, ranges


def _is_sparse(opened: OpenDataset, read: GroupRead) -> bool:
    footer = opened.footer(read.entry)
    rows = sum(footer.row_group(group).num_rows for group in read.groups)
    return read.total_bytes >= LEAST_BYTES and len(np.unique(read.rows)) * ROWS_FOR_ONE <= rows


def _with_indexes(
    opened: OpenDataset, reads: Sequence[GroupRead], columns: Sequence[str]
) -> list[tuple[GroupRead, dict[Place, Range]]]:
    """Return the reads of one shard, each with where the offset indexes of its large column chunks lie."""
    entry = reads[0].entry
    try:
        places = index_ranges(opened.footer_bytes(entry), {group for read in reads for group in read.groups})
    except DAMAGED:
        places = {}
    end = entry.bytes - entry.footer_bytes
    inside = {place: span for place, span in places.items() if span[0] + LEAST_INDEX_BYTES <= span[1] <= end}
    found = []
    for read in reads:
        large = [place for place, chunk in _chunks(opened, read, columns).items() if _is_worth_it(chunk)]
        found.append((read, {place: inside[place] for place in large if place in inside}))
    return found


def _is_worth_it(chunk: Chunk) -> bool:
    return chunk.stop - chunk.start >= NEAR_BYTES and chunk.has_levels and chunk.is_flat and chunk.codec in CODECS


def _chunks(opened: OpenDataset, read: GroupRead, columns: Sequence[str]) -> dict[Place, Chunk]:
    footer = opened.footer(read.entry)
    return {
        (group, name): chunk
        for group in read.groups
        for name, chunk in column_chunks(read.entry, footer, columns, group).items()
    }


def _paged(
    opened: OpenDataset, columns: Sequence[str], found: tuple[GroupRead, dict[Place, Range]]
) -> tuple[GroupRead, list[Range]]:
    """Return a read with only its wanted pages, and the ranges of the offset indexes that were read for it."""
    read, indexes = found
    if not indexes:
        return read, []
    ranges = join_ranges(list(indexes.values()))
    data = {start: opened.store.read_range(read.entry.path, start, stop - start) for start, stop in ranges}
    chunks = _chunks(opened, read, columns)
    paged: dict[Place, PagedChunk] = {}
    for place, (start, stop) in indexes.items():
        first = max(begin for begin in data if begin <= start)
        with contextlib.suppress(*DAMAGED):
            paged[place] = _page_chunk(opened, read, place, chunks[place], data[first][start - first : stop - first])
    whole = [(chunk.start, chunk.stop) for place, chunk in chunks.items() if place not in paged]
    wanted = join_ranges([*whole, *(part for chunk in paged.values() for part in chunk.ranges)])
    return replace(read, ranges=tuple(wanted), paged=PagedRead(tuple(paged.values()), tuple(whole))), ranges


def _page_chunk(opened: OpenDataset, read: GroupRead, place: Place, chunk: Chunk, index: bytes) -> PagedChunk:
    footer, (group, _) = opened.footer(read.entry), place
    before = sum(footer.row_group(number).num_rows for number in read.groups if number < group)
    group_rows = footer.row_group(group).num_rows
    rows = read.rows[(read.rows >= before) & (read.rows < before + group_rows)] - before
    return page_chunk((chunk.start, chunk.stop), chunk.codec, index, group_rows=group_rows, rows=rows)
