"""The row groups of a split: where they lie, and their bytes."""

import functools
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.manifest import ShardEntry
from nucleusnet_core.shards.ranges import Chunk, Range, column_chunks, join_ranges
from nucleusnet_core.shards.sparse_file import SparseFile
from nucleusnet_core.storage.folder import READS_AHEAD, FolderFile, FolderStore
from nucleusnet_core.storage.store import Store
from nucleusnet_core.storage.threads import ReadThreads

from .buffers import new_memory

FETCH_THREADS = 4


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


class FilePart(Protocol):
    """Some bytes of a file, or all of them."""

    def view(self, start: int, stop: int) -> memoryview:
        """View bytes `start`..`stop` (half-open) of the file.

        Raises:
            OSError: They are not there.
            NucleusNetError: The file is damaged or another one.
        """


class GroupReads:
    """Starts reading some columns of row groups.

    Of a folder of this machine, pages are read when they are used, and the system is told now to get them ready: no
    thread competes with the one that decodes, and little memory is taken. From afar, and where a system takes no such
    advice, row groups are read whole by threads.

    Args:
        opened: The dataset.
        columns: The wanted columns.
    """

    def __init__(self, opened: OpenDataset, columns: Collection[str]) -> None:
        self._opened = opened
        self._columns = columns
        self._threads = ReadThreads(FETCH_THREADS)
        self._files: WeakValueDictionary[str, FolderFile] = WeakValueDictionary()

    def start(self, places: Sequence[RowGroup]) -> "list[Future[FilePart]]":
        """Start reading row groups that will be used together."""
        ranges = [ranges_of(chunks_of(self._opened, place, self._columns).values()) for place in places]
        store = self._opened.store
        if isinstance(store, FolderStore) and READS_AHEAD:
            return [
                called(functools.partial(self._open, store, place.entry, some))
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
        """Read row groups into one piece of memory, since they let go of it together."""
        sizes = [sum(stop - start for start, stop in some) for some in ranges]
        memory = new_memory(sum(sizes)).data
        reads: list[Future[FilePart]] = []
        for place, some, size in zip(places, ranges, sizes, strict=True):
            part, memory = memory[:size], memory[size:]
            read = functools.partial(read_ranges, self._opened.store, place.entry, some, part)
            reads.append(self._threads.submit(read))
        return reads


def called(function: Callable[[], FilePart]) -> "Future[FilePart]":
    """Call a function, and keep what it returns or raises for later."""
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
    """Give the ranges that hold some column chunks, near ones joined."""
    return join_ranges([(chunk.start, chunk.stop) for chunk in chunks])
