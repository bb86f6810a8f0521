"""Cells straight from the pages of a Parquet column chunk, without making Arrow values of them.

A page of stored PNG cells is decompressed as a whole and then viewed: all its values have one length, so they
lie at constant distances. Anything else (dictionaries, nulls, cells of several lengths) is left to pyarrow.

Source: https://github.com/apache/parquet-format: README.md (data pages), parquet.thrift (PageHeader).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.checksums import crc32
from nucleusnet_core.shards.page_index import DAMAGED
from nucleusnet_core.shards.thrift import CompactReader

from .row_group_reads import FilePart

_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_PLAIN, _RLE = 0, 3
_MOST_HEADER_BYTES = 4096
_CHECKSUM_BITS = 0xFFFFFFFF
_MOST_LEVEL_BYTES = 8
"""A row's levels take less, and so does the length before them."""


@dataclass(frozen=True)
class Page:
    """One data page of a column chunk: where its bytes lie and which rows of the row group it holds.

    Attributes:
        row: Its first row.
        rows: Its number of rows.
        start: Offset in the file of its bytes, behind the header.
        compressed_bytes: Number of these bytes.
        uncompressed_bytes: Their number once decompressed.
        plain_bytes: How many of the first bytes are never compressed (levels of a version 2 page).
        levels_inside: Whether levels, with their length, come first among the decompressed bytes (version 1).
        compressed: Whether the values are compressed.
        checksum: CRC-32 of all its bytes, or None where the writer left it out.
    """

    row: int
    rows: int
    start: int
    compressed_bytes: int
    uncompressed_bytes: int
    plain_bytes: int
    levels_inside: bool
    compressed: bool
    checksum: int | None


def find_pages(file: FilePart, start: int, stop: int, *, rows: int, has_levels: bool) -> list[Page] | None:
    """Read the page headers of a column chunk.

    Args:
        file: What the chunk lies in.
        start: Where it begins.
        stop: Where it ends.
        rows: Rows of the row group.
        has_levels: Whether the column has definition levels (it, or what it lies in, may be null).

    Returns:
        The pages in order, or None if the chunk is not made of plain data pages alone.
    """
    pages: list[Page] = []
    row = 0
    try:
        while row < rows:
            reader = CompactReader(file.view(start, min(start + _MOST_HEADER_BYTES, stop)))
            page = _page(reader.struct(), row, start + reader.position, has_levels=has_levels)
            if page is None or page.rows <= 0 or page.compressed_bytes < page.plain_bytes or page.plain_bytes < 0:
                return None
            pages.append(page)
            row, start = row + page.rows, page.start + page.compressed_bytes
            if start > stop:
                return None
    except DAMAGED:
        return None
    return pages if row == rows else None


def _page(header: dict[int, Any], row: int, start: int, *, has_levels: bool) -> Page | None:
    """Make a page of the fields of its header, or None if its values are not plain."""
    kind, uncompressed, compressed, checksum = header[1], header[2], header[3], header.get(4)
    if kind == _DATA_PAGE and header[5][2] == _PLAIN and (not has_levels or header[5][3] == _RLE):
        return Page(
            row, header[5][1], start, compressed, uncompressed, 0, has_levels, compressed=True, checksum=checksum
        )
    if kind == _DATA_PAGE_V2 and header[8][4] == _PLAIN and header[8][2] == 0:
        levels = header[8][5] + header[8][6]
        is_compressed = header[8].get(7, True)
        return Page(row, header[8][3], start, compressed, uncompressed, levels, False, is_compressed, checksum)
    return None


def read_page(file: FilePart, page: Page, *, codec: pa.Codec | None, cell_bytes: int) -> Any:
    """Decompress a page and view its cells.

    Returns:
        uint8 array `(rows, cell_bytes)`, its rows 4 bytes apart, or None if a cell is null or has another length.

    Raises:
        OSError: The compressed bytes are damaged.
        NucleusNetError: The file is damaged or another one.
    """
    if page.uncompressed_bytes > page.rows * (4 + cell_bytes + _MOST_LEVEL_BYTES) + _MOST_LEVEL_BYTES:
        return None
    data: Any = file.view(page.start, page.start + page.compressed_bytes)
    if page.checksum is not None and crc32(data) != page.checksum & _CHECKSUM_BITS:
        raise OSError(f"the page at byte {page.start:,} does not fit its checksum")
    data = data[page.plain_bytes :]
    if codec is not None and page.compressed:
        data = codec.decompress(data, page.uncompressed_bytes - page.plain_bytes)
    values: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    if page.levels_inside:
        values = values[4 + int.from_bytes(values[:4].tobytes(), "little") :]
    if len(values) != page.rows * (4 + cell_bytes):
        return None
    table = values.reshape(page.rows, 4 + cell_bytes)
    lengths = np.ascontiguousarray(table[:, :4]).view("<u4")
    return table[:, 4:] if (lengths == cell_bytes).all() else None
