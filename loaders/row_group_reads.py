"""Where the row groups of a split lie, and how their bytes are read.

Those that will be used together are asked for at once, before they are needed. What comes of each read, a `FilePart`,
is decoded in `row_group`.
"""

import functools
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.manifest import ShardEntry
from nucleusnet_core.shards.page_index import Range
from nucleusnet_core.shards.ranges import Chunk, column_chunks, join_ranges
from nucleusnet_core.shards.sparse_file import SparseFile
from nucleusnet_core.storage.folder import READS_AHEAD, FolderFile, FolderStore
from nucleusnet_core.storage.store import Store
from nucleusnet_core.storage.threads import ReadThreads

from .buffers import new_memory

FETCH_THREADS = 4


@dataclass(frozen=True)
class RowGroup:
    """Where a row group lies.

    Attributes:
        entry: its shard.
        index: its number in the shard.
        rows: how many it has.
        first_row: rows of the shard before it.
    """

    entry: ShardEntry
    index: int
    rows: int
    first_row: int


def list_row_groups(opened: OpenDataset, entries: Sequence[ShardEntry]) -> list[RowGroup]:
    """Return the row groups of some shards that hold rows, shard by shard; their footers are read side by side."""
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
    """Return the column chunks of a row group that belong to `columns`, by their dotted names."""
    return column_chunks(place.entry, opened.footer(place.entry), columns, place.index)


class FilePart(Protocol):
    """Some bytes of a file, or all of them."""

    def view(self, start: int, stop: int) -> memoryview:
        """Return bytes `start`..`stop` (half-open) of the file.

        Raises:
            OSError: they are not there.
            NucleusNetError: the file is damaged or another one.
        """


class RowGroupReads:
    """Starts reading some columns of row groups.

    In a folder of this machine, pages are read when they are used, and the system is told beforehand to get them ready:
    no thread competes with the one that decodes, and little memory is taken. From afar, and where a system takes no
    such advice, row groups are read whole by threads.

    Args:
        opened: the dataset.
        columns: the wanted columns.
    """

    def __init__(self, opened: OpenDataset, columns: Collection[str]) -> None:
        self._opened = opened
        self._columns = columns
        self._threads = ReadThreads(FETCH_THREADS)
        self._files: WeakValueDictionary[str, FolderFile] = WeakValueDictionary()

    def start(self, places: Sequence[RowGroup]) -> "list[Future[FilePart]]":
        """Start reading row groups that will be used together, and return their reads in the same order."""
        ranges = [ranges_of(chunks_of(self._opened, place, self._columns).values()) for place in places]
        store = self._opened.store
        if isinstance(store, FolderStore) and READS_AHEAD:
            return [
                as_future(functools.partial(self._open, store, place.entry, some))
                for place, some in zip(places, ranges, strict=True)
            ]
        return self._read_whole(places, ranges)

    def close(self) -> None:
        """Give up what is being read."""
        self._threads.close()

    def _open(self, store: FolderStore, entry: ShardEntry, ranges: Sequence[Range]) -> FolderFile:
        """Open a shard, or take the one that is open, and have parts of it brought into the system's cache."""
        file = self._files.get(entry.path)
        if file is None:
            file = self._files[entry.path] = store.open_file(entry.path)
        for start, stop in ranges:
            file.read_ahead(start, stop)
        return file

    def _read_whole(self, places: Sequence[RowGroup], ranges: Sequence[Sequence[Range]]) -> "list[Future[FilePart]]":
        """Have row groups read by threads into one array, since they are let go of together."""
        sizes = [sum(stop - start for start, stop in some) for some in ranges]
        memory = new_memory(sum(sizes)).data
        reads: list[Future[FilePart]] = []
        for place, some, size in zip(places, ranges, sizes, strict=True):
            part, memory = memory[:size], memory[size:]
            read = functools.partial(read_ranges, self._opened.store, place.entry, some, part)
            reads.append(self._threads.submit(read))
        return reads


def as_future(function: Callable[[], FilePart]) -> "Future[FilePart]":
    """Call a function at once, and return a future that holds what it returns or raises."""
    future: Future[FilePart] = Future()
    try:
        future.set_result(function())
    except Exception as error:  # for whoever asks for the result
        future.set_exception(error)
    return future


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
    """Return the ranges that hold some column chunks, near ones joined."""
    return join_ranges([(chunk.start, chunk.stop) for chunk in chunks])
