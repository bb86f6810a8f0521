"""What one row group holds, decoded: its cells page by page, its other columns whole.

Where it lies and how its bytes are read is the part of `row_group_reads`.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_core.cells.png import PngLayout, are_stored_cells
from nucleusnet_core.cells.unfilter import UNFILTERED_TOGETHER, Memory, UnfilteredCells
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.parquet.page_sizes import check_sizes
from nucleusnet_core.shards.page_index import CODECS
from nucleusnet_core.shards.sparse_file import SparseFile

from .columns import ColumnKind, PlacedCells, cells, numbers, texts
from .pages import Page, find_pages, read_page
from .row_group_reads import FilePart, RowGroup, chunks_of


class PagedCells:
    """Cells of one column of a row group, decompressed when first asked for, a page or a few small ones at a time.

    Every row is asked for once, and pages are let go of with their last row: their memory is used again for the next
    ones while it is still in the processor's cache.

    Args:
        file: what the column chunk lies in.
        pages: the pages of the chunk.
        codec: name of the compression for pyarrow, or None.
        layout: of the stored PNG cells; all cells must have it.
        memory: returns memory for decoded cells.
    """

    def __init__(
        self, file: FilePart, pages: Sequence[Page], *, codec: str | None, layout: PngLayout, memory: Memory
    ) -> None:
        self._file = file
        self._memory = memory
        self._codec = pa.Codec(codec) if codec else None
        self._layout = layout
        self._bundles = bundled(pages)
        self._first_rows = np.array([bundle[0].row for bundle in self._bundles])
        self._rows_left = [sum(page.rows for page in bundle) for bundle in self._bundles]
        self._open: dict[int, UnfilteredCells | None] = {}

    def cells(self, rows: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> Iterator[PlacedCells | None]:
        """Yield cells bundle by bundle; None for pages that hold anything but stored cells.

        Args:
            rows: rows of the row group int64 (k,), rising.
            places: place in the batch of each, int64 (k,).
        """
        for number, start, stop in equal_neighbours(self._bundles_of(rows)):
            bundle = self._take(number, stop - start)
            local = rows[start:stop] - self._first_rows[number]
            yield None if bundle is None else PlacedCells(places[start:stop].tolist(), bundle, local.tolist())

    def _bundles_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self._first_rows, rows, side="right") - 1

    def _take(self, number: int, rows: int) -> UnfilteredCells | None:
        """Return the cells of a bundle, of which so many are used now."""
        if number not in self._open:
            self._open[number] = self._read(self._bundles[number])
        cells = self._open[number]
        self._rows_left[number] -= rows
        if not self._rows_left[number]:
            del self._open[number]
        return cells

    def _read(self, pages: Sequence[Page]) -> UnfilteredCells | None:
        tables = []
        for page in pages:
            table = read_page(self._file, page, codec=self._codec, cell_bytes=self._layout.cell_bytes)
            if table is None or not are_stored_cells(table, self._layout).all():
                return None
            tables.append(table)
        return UnfilteredCells(tables, self._layout, self._memory)

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Forget all decompressed pages but those of `rows`."""
        wanted = set(self._bundles_of(rows).tolist())
        self._open = {number: cells for number, cells in self._open.items() if number in wanted}


def bundled(pages: Sequence[Page]) -> list[list[Page]]:
    """Return pages in bundles, small neighbours together: unfiltering many cells costs little more than one."""
    bundles: list[list[Page]] = []
    rows = UNFILTERED_TOGETHER
    for page in pages:
        if rows + page.rows > UNFILTERED_TOGETHER:
            bundles.append([])
            rows = 0
        bundles[-1].append(page)
        rows += page.rows
    return bundles


class OpenGroup:
    """The wanted columns of one row group whose bytes are there.

    Args:
        opened: the dataset.
        place: where the row group lies.
        file: its shard, or the part of it that holds the wanted columns.
        kinds: what each wanted column becomes.
        layouts: layout of a stored PNG cell of each column of cells.
        memory: returns memory for decoded cells.

    Raises:
        CorruptDataError: a column that is no column of stored cells cannot be decoded.
    """

    def __init__(
        self,
        opened: OpenDataset,
        place: RowGroup,
        file: FilePart,
        *,
        kinds: Mapping[str, ColumnKind],
        layouts: Mapping[str, PngLayout],
        memory: Memory,
    ) -> None:
        self._opened = opened
        self._place = place
        self._file = file
        self._kinds = kinds
        self._layouts = layouts
        self._memory = memory
        self._chunks = chunks_of(opened, place, kinds)
        self._paged = {name: paged for name in layouts if (paged := self._find_pages(name))}
        self._whole: dict[str, Any] = {}
        self._read_whole([name for name in kinds if name not in self._paged])

    def _find_pages(self, column: str) -> PagedCells | None:
        chunk = self._chunks.get(f"{column}.bytes")
        if chunk is None or chunk.codec not in CODECS:
            return None
        pages = find_pages(self._file, chunk.start, chunk.stop, rows=self._place.rows, has_levels=chunk.has_levels)
        if pages is None:
            return None
        codec, layout = CODECS[chunk.codec], self._layouts[column]
        return PagedCells(self._file, pages, codec=codec, layout=layout, memory=self._memory)

    def _read_whole(self, columns: Sequence[str]) -> None:
        """Read columns with pyarrow, into what a batch is put together from."""
        if not columns:
            return
        entry = self._place.entry
        chunks = [chunk for name, chunk in self._chunks.items() if name.partition(".")[0] in columns]
        try:
            parts = [(chunk.start, self._file.view(chunk.start, chunk.stop)) for chunk in chunks]
            file, footer = SparseFile(parts, entry.bytes), self._opened.footer(entry)
            cell_bytes = self._opened.most_cell_bytes
            check_sizes(file, footer, self._place.index, columns, cell_bytes=cell_bytes, where=self._path)
            source = pa.PythonFile(file, "r")
            parquet = pq.ParquetFile(source, metadata=footer, pre_buffer=False, page_checksum_verification=True)
            table = parquet.read_row_group(self._place.index, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error
        for name in columns:
            self._whole[name] = self._convert(name, table[name])

    def _convert(self, column: str, values: pa.ChunkedArray) -> Any:
        if column in self._layouts:
            return cells(values, self._layouts[column])
        return texts(values) if self._kinds[column] == "text" else numbers(values)

    def keep(self, rows: npt.NDArray[np.int64]) -> None:
        """Forget decompressed pages that none of `rows` needs."""
        for paged in self._paged.values():
            paged.keep(rows)

    def values(self, column: str) -> Any:
        """Return all numbers of a column as an array `(rows,)`, or all texts as a list."""
        return self._whole[column]

    def cells(self, column: str, rows: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> Iterator[PlacedCells]:
        """Yield cells of a column.

        Args:
            column: its name.
            rows: rows of the row group int64 (k,), rising.
            places: place in the batch of each, int64 (k,).

        Raises:
            CorruptDataError: the bytes of the row group are damaged.
        """
        done = 0
        if column not in self._whole:
            try:
                for placed in self._paged[column].cells(rows, places):
                    if placed is None:
                        self._read_whole([column])
                        break
                    yield placed
                    done += len(placed.rows)
            except (OSError, IndexError, ValueError) as error:
                raise self._damaged(error) from error
        if done < len(rows):
            yield PlacedCells(places[done:].tolist(), self._whole[column], rows[done:].tolist())

    def row_name(self, row: int) -> str:
        """Return what one of the rows is called in messages: its shard, and its number there."""
        return f"{self._path}, row {self._place.first_row + row}"

    @property
    def _path(self) -> str:
        return f"{self._opened.store.name}/{self._place.entry.path}"

    def _damaged(self, error: Exception) -> CorruptDataError:
        first = self._place.first_row
        return CorruptDataError(
            f"{self._path}, rows {first} to {first + self._place.rows - 1}: the row group cannot be read ({error}); "
            "run `nucleusnet verify` on the folder, or download the file again."
        )


def equal_neighbours(values: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yield every value of a sorted array (n,), n > 0, with the places (half-open) where it stands."""
    edges = np.flatnonzero(np.diff(values)) + 1
    for start, stop in itertools.pairwise([0, *edges.tolist(), len(values)]):
        yield int(values[start]), start, stop
