"""Where only a few rows of large row groups are wanted from afar: reads the offset indexes, and plans for pages."""

import contextlib
import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..dataset import OpenDataset
from ..storage.folder import FolderStore
from ..storage.threads import in_parallel
from .page_index import CODECS, DAMAGED, PagedChunk, PagedRead, Range, index_ranges, page_chunk
from .ranges import NEAR_BYTES, Chunk, Piece, column_chunks, join_ranges

LEAST_BYTES = 1 << 20
"""Of less, pages are not worth a request for their index: on a line of 50 Mbit/s this takes 0.2 s."""
LEAST_INDEX_BYTES = 40
"""An index of fewer bytes names two or three pages, which is not worth reading it."""
ROWS_FOR_ONE = 16
"""Pages are read where at most one row of so many is wanted; a page of nuclei has some 14."""

Place = tuple[int, str]
"""Number of a row group and dotted name of a column."""


def choose_pages(
    opened: OpenDataset, pieces: Sequence[Piece], columns: Sequence[str]
) -> tuple[list[Piece], list[Range]]:
    """Have only the wanted pages read where that saves much.

    A file without an offset index, or with a damaged one, is read as planned. So is a folder of this machine, where
    whole chunks take less time than the index.

    Args:
        opened: the dataset, with the footers of all shards of `pieces`.
        pieces: what would be read.
        columns: the wanted columns.

    Returns:
        What to read, in the same order, and the ranges that were read of the shards for it.
    """
    if isinstance(opened.store, FolderStore):
        return list(pieces), []
    sparse = [number for number, piece in enumerate(pieces) if _is_sparse(opened, piece)]
    found = [
        (piece, indexed)
        for _, parts in itertools.groupby([pieces[number] for number in sparse], lambda piece: piece.entry.path)
        for piece, indexed in _with_indexes(opened, list(parts), columns)
    ]
    chosen, ranges = list(pieces), []
    with contextlib.closing(in_parallel(functools.partial(_paged, opened, columns), found)) as planned:
        for number, (piece, read) in zip(sparse, planned, strict=True):
            chosen[number] = piece
            ranges += read
    return chosen, ranges


def _is_sparse(opened: OpenDataset, piece: Piece) -> bool:
    footer = opened.footer(piece.entry)
    rows = sum(footer.row_group(group).num_rows for group in piece.groups)
    return piece.total_bytes >= LEAST_BYTES and len(np.unique(piece.rows)) * ROWS_FOR_ONE <= rows


def _with_indexes(
    opened: OpenDataset, pieces: Sequence[Piece], columns: Sequence[str]
) -> list[tuple[Piece, dict[Place, Range]]]:
    """Give pieces of one shard, each with where the offset indexes of its large column chunks lie."""
    entry = pieces[0].entry
    try:
        places = index_ranges(opened.footer_bytes(entry), {group for piece in pieces for group in piece.groups})
    except DAMAGED:
        places = {}
    end = entry.bytes - entry.footer_bytes
    inside = {place: span for place, span in places.items() if span[0] + LEAST_INDEX_BYTES <= span[1] <= end}
    found = []
    for piece in pieces:
        large = [place for place, chunk in _chunks(opened, piece, columns).items() if _is_worth_it(chunk)]
        found.append((piece, {place: inside[place] for place in large if place in inside}))
    return found


def _is_worth_it(chunk: Chunk) -> bool:
    return chunk.stop - chunk.start >= NEAR_BYTES and chunk.has_levels and chunk.is_flat and chunk.codec in CODECS


def _chunks(opened: OpenDataset, piece: Piece, columns: Sequence[str]) -> dict[Place, Chunk]:
    footer = opened.footer(piece.entry)
    return {
        (group, name): chunk
        for group in piece.groups
        for name, chunk in column_chunks(piece.entry, footer, columns, group).items()
    }


def _paged(
    opened: OpenDataset, columns: Sequence[str], found: tuple[Piece, dict[Place, Range]]
) -> tuple[Piece, list[Range]]:
    """Read the offset indexes of a piece, and plan for its pages."""
    piece, indexes = found
    if not indexes:
        return piece, []
    ranges = join_ranges(list(indexes.values()))
    data = {start: opened.store.read_range(piece.entry.path, start, stop - start) for start, stop in ranges}
    chunks = _chunks(opened, piece, columns)
    paged: dict[Place, PagedChunk] = {}
    for place, (start, stop) in indexes.items():
        first = max(begin for begin in data if begin <= start)
        with contextlib.suppress(*DAMAGED):
            paged[place] = _page_chunk(opened, piece, place, chunks[place], data[first][start - first : stop - first])
    whole = [(chunk.start, chunk.stop) for place, chunk in chunks.items() if place not in paged]
    wanted = join_ranges([*whole, *(part for chunk in paged.values() for part in chunk.ranges)])
    return replace(piece, ranges=tuple(wanted), paged=PagedRead(tuple(paged.values()), tuple(whole))), ranges


def _page_chunk(opened: OpenDataset, piece: Piece, place: Place, chunk: Chunk, index: bytes) -> PagedChunk:
    footer, (group, _) = opened.footer(piece.entry), place
    before = sum(footer.row_group(number).num_rows for number in piece.groups if number < group)
    group_rows = footer.row_group(group).num_rows
    rows = piece.rows[(piece.rows >= before) & (piece.rows < before + group_rows)] - before
    return page_chunk((chunk.start, chunk.stop), chunk.codec, index, group_rows=group_rows, rows=rows)
