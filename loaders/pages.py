"""Cells straight from the pages of a Parquet column chunk, without making Arrow values of them.

A page of stored PNG cells is decompressed as a whole and then viewed: all its values have one length, so they lie at
constant distances. Anything else (dictionaries, nulls, cells of several lengths) is left to pyarrow.

Source: https://github.com/apache/parquet-format: README.md (data pages), Encodings.md (PLAIN, byte arrays).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.checksums import crc32
from nucleusnet_core.parquet.thrift import DAMAGED
from nucleusnet_core.shards.page_header import PLAIN, RLE, PageHeader, read_page_header

from .row_group_reads import FilePart

_MOST_HEADER_BYTES = 4096
_MOST_LEVEL_BYTES = 8
"""A row's levels take less, and so does the length before them."""


@dataclass(frozen=True)
class Page:
    """One data page of a column chunk.

    Attributes:
        header: what its header states.
        row: its first row, counted in the row group.
        start: where it begins in the file, behind the header.
        levels_first: whether levels, with their length, come first once it is decompressed (version 1).
    """

    header: PageHeader
    row: int
    start: int
    levels_first: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.header.rows

    @property
    def stop(self) -> int:
        """Where it ends in the file."""
        return self.start + self.header.compressed_bytes


def find_pages(file: FilePart, start: int, stop: int, *, rows: int, has_levels: bool) -> list[Page] | None:
    """Read the page headers of a column chunk.

    Args:
        file: what the chunk lies in.
        start: where it begins.
        stop: where it ends.
        rows: rows of the row group.
        has_levels: whether the column has definition levels (it, or what it lies in, may be null).

    Returns:
        The pages in order, or None if the chunk holds anything but plain data pages.
    """
    pages: list[Page] = []
    row = 0
    try:
        while row < rows:
            header = read_page_header(file.view(start, min(start + _MOST_HEADER_BYTES, stop)))
            if header is None or not _is_plain(header, has_levels):
                return None
            page = Page(header, row, start + header.header_bytes, has_levels and header.version == 1)
            pages.append(page)
            row, start = row + page.rows, page.stop
            if start > stop:
                return None
    except DAMAGED:
        return None
    return pages if row == rows else None


def _is_plain(header: PageHeader, has_levels: bool) -> bool:
    """Return whether a page holds plain values, as far as its header tells, and its numbers make sense."""
    return (
        header.encoding == PLAIN
        and not header.has_nulls
        and (not has_levels or header.level_encoding == RLE)
        and header.rows > 0
        and 0 <= header.level_bytes <= min(header.compressed_bytes, header.uncompressed_bytes)
    )


def read_page(file: FilePart, page: Page, *, codec: pa.Codec | None, cell_bytes: int) -> Any:
    """Decompress a page and view its cells.

    Args:
        file: what the page lies in.
        page: the page.
        codec: compression of the column chunk, or None.
        cell_bytes: size of a cell.

    Returns:
        uint8 array `(rows, cell_bytes)`, its rows 4 bytes apart, or None if a cell is null or has another length.

    Raises:
        OSError: the compressed bytes are damaged.
        NucleusNetError: the file is damaged or another one.
    """
    header = page.header
    if header.uncompressed_bytes > page.rows * (4 + cell_bytes + _MOST_LEVEL_BYTES) + _MOST_LEVEL_BYTES:
        return None
    data: Any = file.view(page.start, page.stop)
    if header.checksum is not None and crc32(data) != header.checksum:
        raise OSError(f"the page at byte {page.start:,} does not fit its checksum")
    data = data[header.level_bytes :]
    if codec is not None and header.is_compressed:
        data = codec.decompress(data, header.uncompressed_bytes - header.level_bytes)
    values: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    if page.levels_first:
        values = values[4 + int.from_bytes(values[:4].tobytes(), "little") :]
    if len(values) != page.rows * (4 + cell_bytes):
        return None
    table = values.reshape(page.rows, 4 + cell_bytes)
    lengths = np.ascontiguousarray(table[:, :4]).view("<u4")
    return table[:, 4:] if (lengths == cell_bytes).all() else None
