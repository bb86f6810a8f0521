"""Page headers against what pyarrow writes and reads."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleusnet_core.cells.checksums import crc32
from nucleusnet_core.parquet.thrift import DAMAGED
from nucleusnet_core.shards.page_header import PLAIN, RLE, plain_page_header, read_page_header

SIZES = st.integers(0, 2**31 - 1)


def first_page(values: Sequence[bytes | None], **options: Any) -> tuple[memoryview, pq.ColumnChunkMetaData]:
    """The bytes of a file from its first page on, and the column chunk."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"cell": pa.array(values, pa.binary())}), sink, write_page_checksum=True, **options)
    chunk = pq.read_metadata(sink).row_group(0).column(0)
    return memoryview(sink.getvalue())[chunk.dictionary_page_offset or chunk.data_page_offset :], chunk


@pytest.mark.parametrize(("version", "number"), [("1.0", 1), ("2.0", 2)])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_header_states_what_the_page_holds(version: str, number: int, codec: str) -> None:
    values = [b"a" * 50, b"b" * 50] * 40
    data, chunk = first_page(values, data_page_version=version, compression=codec, use_dictionary=False)
    header = read_page_header(data)
    assert header is not None
    assert (header.version, header.rows, header.encoding, header.level_encoding) == (number, 80, PLAIN, RLE)
    assert header.header_bytes + header.compressed_bytes == chunk.total_compressed_size
    assert header.header_bytes + header.uncompressed_bytes == chunk.total_uncompressed_size
    page = data[header.header_bytes :][: header.compressed_bytes]
    assert header.checksum == crc32(page)
    stored = page[header.level_bytes :]
    size = header.uncompressed_bytes - header.level_bytes
    plain = pa.Codec(codec).decompress(stored, size, asbytes=True) if codec != "none" else bytes(stored)
    expected = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    assert plain.endswith(expected)
    assert (header.has_nulls, len(plain) == len(expected)) == ((None, False) if number == 1 else (False, True))


def test_only_version_2_tells_that_values_are_missing() -> None:
    values = [b"a", None] * 10
    headers = [
        read_page_header(first_page(values, data_page_version=v, use_dictionary=False)[0]) for v in ("1.0", "2.0")
    ]
    assert [header and (header.rows, header.has_nulls) for header in headers] == [(20, None), (20, True)]


def test_a_dictionary_holds_no_rows() -> None:
    assert read_page_header(first_page([b"a", b"b"] * 20, use_dictionary=True)[0]) is None


@given(rows=SIZES, uncompressed_bytes=SIZES, compressed_bytes=SIZES)
def test_a_written_header_is_read_again(rows: int, uncompressed_bytes: int, compressed_bytes: int) -> None:
    data = plain_page_header(rows, uncompressed_bytes=uncompressed_bytes, compressed_bytes=compressed_bytes)
    header = read_page_header(memoryview(data + b"page"))
    assert header is not None
    assert (header.version, header.rows, header.header_bytes) == (1, rows, len(data))
    assert (header.uncompressed_bytes, header.compressed_bytes) == (uncompressed_bytes, compressed_bytes)
    assert (header.encoding, header.level_encoding, header.checksum) == (PLAIN, RLE, None)


@given(data=st.binary(max_size=40))
def test_other_bytes_are_no_header_or_damaged(data: bytes) -> None:
    try:
        header = read_page_header(memoryview(data))
    except DAMAGED:
        return
    assert header is None or header.header_bytes <= len(data)
