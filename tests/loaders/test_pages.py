"""The page reader against pyarrow on the same files."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loaders.pages import find_pages, read_page
from nucleusnet_core.manifest import ShardEntry
from nucleusnet_core.parquet.thrift import CompactReader
from nucleusnet_core.shards.ranges import column_chunks
from nucleusnet_core.shards.sparse_file import SparseFile

CELL_BYTES = 50
CODECS = {"ZSTD": "zstd", "SNAPPY": "snappy", "GZIP": "gzip", "UNCOMPRESSED": None}
SEVERAL_PAGES: dict[str, Any] = {"write_batch_size": 8, "data_page_size": 300, "use_dictionary": False}


def random_cells(count: int) -> list[bytes]:
    numbers = np.random.default_rng(3).integers(0, 20, (count, CELL_BYTES), np.uint8)
    return [row.tobytes() for row in numbers]


def parquet_file(cells: list[bytes | None], *, nullable: bool = True, **options: Any) -> bytes:
    """A file with a column `image` of structs {bytes}, in row groups of 100."""
    values = pa.StructArray.from_arrays(
        [pa.array(cells, pa.binary())], fields=[pa.field("bytes", pa.binary(), nullable)]
    )
    table = pa.table([values], schema=pa.schema([pa.field("image", values.type, nullable)]))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=100, **options)
    return sink.getvalue()


def read_group(data: bytes, index: int) -> tuple[int, list[bytes] | None]:
    """Number of pages and cells of a row group as the page reader sees them."""
    footer = pq.read_metadata(io.BytesIO(data))
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    entry = ShardEntry("default", "train", "a.parquet", footer.num_rows, len(data), footer_bytes, "0" * 64)
    chunk = column_chunks(entry, footer, ["image"], index)["image.bytes"]
    file = SparseFile([(chunk.start, memoryview(data)[chunk.start : chunk.stop])], len(data))
    rows = footer.row_group(index).num_rows
    pages = find_pages(file, chunk.start, chunk.stop, rows=rows, has_levels=chunk.has_levels)
    if pages is None:
        return 0, None
    codec = CODECS[chunk.codec]
    tables = [read_page(file, page, codec=pa.Codec(codec) if codec else None, cell_bytes=CELL_BYTES) for page in pages]
    if any(table is None for table in tables):
        return len(pages), None
    return len(pages), [row.tobytes() for table in tables for row in table]


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "zstd", "snappy", "gzip"])
def test_pages_hold_what_pyarrow_reads(codec: str, version: str, nullable: bool) -> None:
    cells = random_cells(250)
    options = {**SEVERAL_PAGES, "compression": codec, "data_page_version": version}
    data = parquet_file(list(cells), nullable=nullable, **options)
    parquet = pq.ParquetFile(io.BytesIO(data))
    for index, pages in enumerate([13, 13, 7]):
        found, rows = read_group(data, index)
        assert found == pages
        assert rows == [cell["bytes"] for cell in parquet.read_row_group(index)["image"].to_pylist()]


def test_content_defined_pages_hold_what_pyarrow_reads() -> None:
    cells = random_cells(100)
    options = {"min_chunk_size": 400, "max_chunk_size": 900}
    data = parquet_file(list(cells), use_dictionary=False, use_content_defined_chunking=options)
    pages, rows = read_group(data, 0)
    assert pages > 3
    assert rows == cells


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        ([b"a" * CELL_BYTES] * 20, {"use_dictionary": True}),
        ([b"a" * CELL_BYTES] * 20, {"column_encoding": "DELTA_LENGTH_BYTE_ARRAY", "use_dictionary": False}),
        ([b"a" * CELL_BYTES, None] * 20, SEVERAL_PAGES),
        ([b"a" * CELL_BYTES, b"a" * (CELL_BYTES + 1)] * 20, SEVERAL_PAGES),
        ([b"a" * (CELL_BYTES - 1), b"a" * (CELL_BYTES + 1)] * 20, SEVERAL_PAGES),
    ],
    ids=["dictionary", "other encoding", "nulls", "another length", "other lengths of the same sum"],
)
def test_anything_but_plain_cells_of_one_length_is_left_to_pyarrow(
    cells: list[bytes | None], options: dict[str, Any]
) -> None:
    data = parquet_file(cells, **options)
    assert read_group(data, 0)[1] is None


def test_no_byte_of_a_page_header_can_be_changed_into_another_error() -> None:
    data = parquet_file(list(random_cells(100)), write_page_checksum=True, **SEVERAL_PAGES)
    start = pq.read_metadata(io.BytesIO(data)).row_group(0).column(0).data_page_offset
    header = CompactReader(memoryview(data), start)
    header.struct()
    given = set()
    for place in range(start, header.position):
        for value in range(256):
            damaged = bytearray(data)
            damaged[place] = value
            try:
                given.add("read" if read_group(bytes(damaged), 0)[1] else "left to pyarrow")
            except (OSError, ValueError):  # which a row group reports with its file and rows
                given.add("damaged")
    assert given == {"read", "left to pyarrow", "damaged"}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00" * 40,
        b"\xff" * 40,
        b"\x15" * 40,
        b"\x1c" * 3000,
        b"\x19" * 3000,
        b"\x15\x00\x15\x02\x15\x02\x25\x02\x00",
    ],
)
def test_bytes_that_are_no_page_header_are_left_to_pyarrow(damage: bytes) -> None:
    file = SparseFile([(0, damage)], len(damage))
    assert find_pages(file, 0, len(damage), rows=10, has_levels=True) is None
