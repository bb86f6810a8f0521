"""The header before every page of a Parquet column chunk: read, and written for a page of plain values.

Source: https://github.com/apache/parquet-format: README.md (data pages), and parquet.thrift (PageHeader,
DataPageHeader, DataPageHeaderV2, PageType, Encoding).
"""

from dataclasses import dataclass
from typing import Any

from ..parquet.thrift import CompactReader, varint

PLAIN, RLE = 0, 3
"""Numbers of encodings."""

_KIND, _UNCOMPRESSED_BYTES, _COMPRESSED_BYTES, _CHECKSUM, _DATA_PAGE, _DATA_PAGE_V2 = 1, 2, 3, 4, 5, 8
_IS_DATA_PAGE, _IS_DATA_PAGE_V2 = 0, 3
_CHECKSUM_BITS = 0xFFFFFFFF
_NEXT_I32, _DATA_PAGE_BEHIND_SIZES, _END = b"\x15", b"\x2c", b"\0"
"""Begin of the field one further on, an integer; of field 5 behind field 3, a struct; and the end of a struct."""


@dataclass(frozen=True)
class PageHeader:
    """What the header of a data page states. It is not compared with the page, so damaged bytes may state anything.

    Attributes:
        version: 1 or 2, the kinds of data pages.
        rows: number of rows, in a column that is not repeated.
        header_bytes: size of the header itself; the page lies behind it.
        compressed_bytes: size of the page in the file.
        uncompressed_bytes: size of the page once decompressed.
        encoding: of the values, such as `PLAIN`.
        level_encoding: of the definition levels, if the column has any.
        level_bytes: how many of the first bytes are levels that are never compressed; 0 in version 1, where levels
            are compressed together with the values.
        has_nulls: whether values are missing; None in version 1, where only the levels tell.
        is_compressed: whether the values are compressed with the codec of the column chunk.
        checksum: CRC-32 of the page as it is in the file, or None where the writer left it out.
    """

    version: int
    rows: int
    header_bytes: int
    compressed_bytes: int
    uncompressed_bytes: int
    encoding: int
    level_encoding: int
    level_bytes: int
    has_nulls: bool | None
    is_compressed: bool
    checksum: int | None


def read_page_header(data: memoryview) -> PageHeader | None:
    """Return what the header at the start of `data` states, or None if its page holds no rows, as a dictionary.

    Raises:
        DAMAGED: the bytes are something else (see `nucleusnet_core.parquet.thrift`).
    """
    reader = CompactReader(data)
    fields = reader.struct()
    checksum = fields.get(_CHECKSUM)
    common = {
        "header_bytes": reader.position,
        "compressed_bytes": fields[_COMPRESSED_BYTES],
        "uncompressed_bytes": fields[_UNCOMPRESSED_BYTES],
        "checksum": None if checksum is None else checksum & _CHECKSUM_BITS,
    }
    if fields[_KIND] == _IS_DATA_PAGE:
        return _version_1(fields[_DATA_PAGE], **common)
    if fields[_KIND] == _IS_DATA_PAGE_V2:
        return _version_2(fields[_DATA_PAGE_V2], **common)
    return None


def _version_1(fields: dict[int, Any], **common: Any) -> PageHeader:
    return PageHeader(
        version=1,
        rows=fields[1],
        encoding=fields[2],
        level_encoding=fields[3],
        level_bytes=0,
        has_nulls=None,
        is_compressed=True,
        **common,
    )


def _version_2(fields: dict[int, Any], **common: Any) -> PageHeader:
    return PageHeader(
        version=2,
        rows=fields[3],
        encoding=fields[4],
        level_encoding=RLE,
        level_bytes=fields[5] + fields[6],
        has_nulls=fields[2] != 0,
        is_compressed=fields.get(7, True),
        **common,
    )


def plain_page_header(rows: int, *, uncompressed_bytes: int, compressed_bytes: int) -> bytes:
    """Return the header of a data page, version 1, of plain values, without a checksum.

    Args:
        rows: number of rows.
        uncompressed_bytes: size of the page once decompressed.
        compressed_bytes: size of the page in the file.
    """
    sizes = _integers(_IS_DATA_PAGE, uncompressed_bytes, compressed_bytes)
    return sizes + _DATA_PAGE_BEHIND_SIZES + _integers(rows, PLAIN, RLE, RLE) + _END + _END


def _integers(*numbers: int) -> bytes:
    """Return fields that follow each other, with integers that are not negative."""
    return b"".join(_NEXT_I32 + varint(number << 1) for number in numbers)
