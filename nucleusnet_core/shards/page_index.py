"""A few rows of a large column chunk: only the pages that hold them are read, and pyarrow decodes the chunk.

pyarrow neither shows a file's offset index nor reads a part of a column chunk. So the index is read here, and a chunk
is made for pyarrow in which every page that is not wanted is replaced by a small one of as many nulls.

Source: https://github.com/apache/parquet-format: PageIndex.md, README.md (data pages), and parquet.thrift
(FileMetaData 4, RowGroup 1, ColumnChunk 3 to 5, ColumnMetaData 3, OffsetIndex).
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..parquet.thrift import CompactReader, varint
from .page_header import plain_page_header, read_page_header
from .sparse_file import SparseFile

CODECS = {"ZSTD": "zstd", "SNAPPY": "snappy", "GZIP": "gzip", "UNCOMPRESSED": None}
"""Names of compressions in Parquet, and in pyarrow."""

_ROW_GROUPS, _COLUMNS, _METADATA, _INDEX_START, _INDEX_BYTES, _PATH = 4, 1, 3, 4, 5, 3
_PAGES, _PAGE_START, _PAGE_BYTES, _PAGE_ROW = 1, 1, 2, 3

Range = tuple[int, int]


def index_ranges(footer: bytes, groups: Collection[int]) -> dict[tuple[int, str], Range]:
    """Return where the offset indexes of some row groups lie: (row group, dotted column) -> bytes, half-open.

    Args:
        footer: metadata of the file, its length and the magic number behind it included.
        groups: numbers of the row groups.

    Raises:
        DAMAGED: the metadata is damaged (see `nucleusnet_core.parquet.thrift`).
    """
    reader = CompactReader(memoryview(footer)[:-8])
    for number, field_kind in reader.fields():
        if number == _ROW_GROUPS:
            break
        reader.value(field_kind)
    found: dict[tuple[int, str], Range] = {}
    size, kind = reader.list_size()
    for group in range(min(size, max(groups) + 1)):
        columns = reader.value(kind)[_COLUMNS]
        for column in columns if group in groups else ():
            start, length = column.get(_INDEX_START, 0), column.get(_INDEX_BYTES, 0)
            if start > 0 < length:
                path = ".".join(str(part, "utf-8") for part in column[_METADATA][_PATH])
                found[group, path] = (start, start + length)
    return found


@dataclass(frozen=True)
class PagedChunk:
    """A column chunk of which some pages are read.

    Attributes:
        start: its first byte in the file.
        stop: the byte behind its last.
        codec: its compression, one of `CODECS`.
        page_starts: first byte of every page int64 (n + 1,), and `stop`.
        page_rows: first row of every page int64 (n + 1,), counted in the row group, and the rows of that.
        wanted: the pages to read, bool (n,).
    """

    start: int
    stop: int
    codec: str
    page_starts: npt.NDArray[np.int64]
    page_rows: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.bool_]

    @property
    def ranges(self) -> list[Range]:
        """Bytes of the file to read: the dictionary, if there is one, and the wanted pages."""
        dictionary = [(self.start, int(self.page_starts[0]))] if self.start < self.page_starts[0] else []
        pages = np.flatnonzero(self.wanted)
        return [*dictionary, *zip(self.page_starts[pages].tolist(), self.page_starts[pages + 1].tolist(), strict=True)]

    def filled(self, parts: SparseFile) -> bytes:
        """Return the chunk that pyarrow reads; what lies behind its last page is never looked at.

        Args:
            parts: the bytes of `ranges`.

        Raises:
            DAMAGED: a page is not what the offset index says.
            OSError: bytes of `ranges` are missing.
        """
        pages: list[bytes | memoryview] = [parts.view(self.start, int(self.page_starts[0]))]
        for page, wanted in enumerate(self.wanted.tolist()):
            rows = int(self.page_rows[page + 1] - self.page_rows[page])
            if not wanted:
                pages.append(null_page(rows, self.codec))
                continue
            data = parts.view(int(self.page_starts[page]), int(self.page_starts[page + 1]))
            header = read_page_header(data)
            if header is None or header.rows != rows:
                raise ValueError(
                    f"the page at byte {self.page_starts[page]:,} does not hold the rows that its index states"
                )
            pages.append(data)
        return b"".join(pages).ljust(self.stop - self.start, b"\0")


def page_chunk(chunk: Range, codec: str, index: bytes, *, group_rows: int, rows: npt.NDArray[np.int64]) -> PagedChunk:
    """Return a column chunk with the pages chosen that hold some rows.

    Args:
        chunk: its bytes in the file, half-open.
        codec: its compression.
        index: its offset index.
        group_rows: rows of the row group.
        rows: the wanted ones, counted in the row group, int64 (k,).

    Raises:
        DAMAGED: the index is damaged.
    """
    start, stop = chunk
    pages = CompactReader(memoryview(index)).struct()[_PAGES]
    page_starts = np.array([page[_PAGE_START] for page in pages] + [stop], np.int64)
    page_rows = np.array([page[_PAGE_ROW] for page in pages] + [group_rows], np.int64)
    sizes = np.array([page[_PAGE_BYTES] for page in pages], np.int64)
    apart = (np.diff(page_starts) == sizes).all() and (np.diff(page_rows) > 0).all()
    if not apart or page_rows[0] != 0 or page_starts[0] < start:
        raise ValueError("the offset index states pages that do not follow each other")
    wanted = np.zeros(len(pages), np.bool_)
    wanted[np.searchsorted(page_rows, rows, side="right") - 1] = True
    wanted |= sizes < 2 * len(null_page(group_rows, codec))  # so that the chunk becomes no longer
    return PagedChunk(start, stop, codec, page_starts, page_rows, wanted)


@dataclass(frozen=True)
class PagedRead:
    """How row groups are read of which some pages are wanted.

    Attributes:
        chunks: column chunks of which some pages are read.
        whole: bytes of the other ones, half-open.
    """

    chunks: tuple[PagedChunk, ...]
    whole: tuple[Range, ...]

    def filled(self, read: SparseFile, size: int) -> SparseFile:
        """Return the file that pyarrow reads, made of what was read of it.

        Args:
            read: the bytes of the ranges.
            size: bytes of the whole file.

        Raises:
            DAMAGED: a page is not what the offset index says.
            OSError: some bytes are missing.
        """
        parts: list[tuple[int, bytes | memoryview]] = [(chunk.start, chunk.filled(read)) for chunk in self.chunks]
        parts += [(start, read.view(start, stop)) for start, stop in self.whole]
        return SparseFile(parts, size)


def null_page(rows: int, codec: str) -> bytes:
    """Return a data page (version 1) of nulls for a column that is not repeated and may be null."""
    levels = varint(rows << 1) + b"\0"  # a run of definition level 0
    plain = struct.pack("<I", len(levels)) + levels
    name = CODECS[codec]
    data = pa.Codec(name).compress(plain, asbytes=True) if name else plain
    return plain_page_header(rows, uncompressed_bytes=len(plain), compressed_bytes=len(data)) + data
