"""What a row group becomes once decompressed, as its page headers state it: held against its rows before it is read.

A page of some kilobytes can unpack into two gigabytes, and a dictionary of one long text can stand for every row.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import CorruptDataError
from .thrift import DAMAGED, CompactReader

MOST_ROW_BYTES = 16 << 10
"""A text or number of a row takes at most so much, on the average of a column of a row group."""
MOST_COLUMN_BYTES = 256 << 20
"""All values of a column of a row group but images take at most so much."""
_SPARE_BYTES = 64 << 10
_MOST_VALUES_PER_ROW = 4096
_MOST_HEADER_BYTES = 64 << 10
_TEXT_TYPES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_CODECS = {"ZSTD": "zstd", "SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "LZ4": "lz4_raw"}
_KIND, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3
_VALUES_IN = {0: 5, 2: 7, 3: 8}
"""Field of the header that states the number of values, by the kind of the page: data, dictionary, data version 2."""
_DICTIONARY = 2


class Bytes(Protocol):
    """Some bytes of a file, or all of them."""

    def view(self, start: int, stop: int) -> memoryview:
        """Return bytes `start`..`stop` (half-open) of the file."""


def check_sizes(
    file: Bytes, footer: pq.FileMetaData, group: int, columns: Collection[str] | None, *, cell_bytes: int, where: str
) -> None:
    """Refuse a row group whose wanted columns become larger than their rows can be.

    Args:
        file: holds the bytes of these columns.
        footer: metadata of the file.
        group: number of the row group.
        columns: names of the wanted columns, None for all.
        cell_bytes: the most that an image takes.
        where: the file, for messages.

    Raises:
        CorruptDataError: a column states more, or its pages are damaged.
    """
    metadata = footer.row_group(group)
    for number in range(metadata.num_columns):
        chunk = metadata.column(number)
        name = chunk.path_in_schema
        if columns is not None and name not in columns and name.partition(".")[0] not in columns:
            continue
        is_cell = name.endswith(".bytes")
        most_bytes = metadata.num_rows * (cell_bytes if is_cell else MOST_ROW_BYTES) + _SPARE_BYTES
        most_bytes = most_bytes if is_cell else min(most_bytes, MOST_COLUMN_BYTES)
        try:
            size = _unpacked_bytes(file, chunk, metadata.num_rows, most_bytes)
        except (*DAMAGED, OSError, pa.ArrowException) as error:
            raise CorruptDataError(
                f"{where}: row groups {group} to {group} cannot be decoded (the pages of column {name} are damaged: "
                f"{error}); get the file again."
            ) from error
        if size > most_bytes:
            raise CorruptDataError(
                f"{where}: column {name} of row group {group} would take {size:,} bytes in memory for "
                f"{metadata.num_rows:,} rows, and at most {most_bytes:,} are allowed; do not use this file."
            )


def _unpacked_bytes(file: Bytes, chunk: pq.ColumnChunkMetaData, rows: int, most_bytes: int) -> int:
    """Return about how many bytes the values of a column chunk take, or a number above `most_bytes`.

    Raises:
        DAMAGED: the page headers are damaged.
    """
    values, position = int(chunk.num_values), int(chunk.data_page_offset)
    if chunk.dictionary_page_offset:
        position = min(position, chunk.dictionary_page_offset)
    stop = position + int(chunk.total_compressed_size)
    if chunk.total_uncompressed_size > most_bytes or not 0 <= values <= rows * _MOST_VALUES_PER_ROW:
        return max(int(chunk.total_uncompressed_size), most_bytes + 1)
    total, seen, first = 0, 0, position
    while seen < values:
        page = _page(file.view(position, min(position + _MOST_HEADER_BYTES, stop)))
        begin, end = position + page.header_bytes, position + page.header_bytes + page.compressed
        total += page.uncompressed
        if total > most_bytes:
            return total
        least = 0 if page.kind == _DICTIONARY and position == first else 1
        if end > stop or not least <= page.values <= values - seen or (page.kind == _DICTIONARY and position > first):
            raise ValueError("a page ends outside of its column, or holds more or less than it can")
        if page.kind != _DICTIONARY:
            seen += page.values
        elif chunk.physical_type in _TEXT_TYPES:
            longest = max(0, page.uncompressed - 4 * page.values)
            if values * longest > most_bytes:
                longest = _longest_text(file.view(begin, end), chunk.compression, page)
            total += values * longest
        position = end
    if seen != values:
        raise ValueError(f"the pages hold {seen:,} values, and the footer states {values:,}")
    return total


class _Page(NamedTuple):
    """What a page header states, and its own size."""

    kind: int
    header_bytes: int
    compressed: int
    uncompressed: int
    values: int


def _page(data: memoryview) -> _Page:
    """Return what the page header at the start of `data` states."""
    reader = CompactReader(data)
    fields: dict[int, Any] = reader.struct()
    compressed, uncompressed = fields[_COMPRESSED], fields[_UNCOMPRESSED]
    if compressed < 0 or uncompressed < 0:
        raise ValueError("a page has a negative size")
    kind = fields[_KIND]
    return _Page(kind, reader.position, compressed, uncompressed, fields[_VALUES_IN[kind]][1])


def _longest_text(data: memoryview, codec: str, page: _Page) -> int:
    """Return the length of the longest text of a dictionary, as its bytes say."""
    if codec != "UNCOMPRESSED":
        data = memoryview(pa.Codec(_CODECS[codec]).decompress(data, page.uncompressed))
    position = longest = 0
    for _ in range(page.values):
        length = int.from_bytes(data[position : position + 4], "little")
        longest = max(longest, length)
        position += 4 + length
    if position > len(data):
        raise ValueError("a dictionary ends within a text")
    return longest


class WholeFile:
    """A file on this machine, of which any bytes can be viewed."""

    def __init__(self, path: Path) -> None:
        self._data = memoryview(np.memmap(path, np.uint8, mode="r"))  # type: ignore[arg-type]

    def view(self, start: int, stop: int) -> memoryview:
        """Return bytes `start`..`stop` (half-open) of the file."""
        return self._data[start:stop]
