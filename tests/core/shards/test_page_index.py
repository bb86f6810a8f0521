"""Pages of a few rows against pyarrow on the same files, and what they cost from a server."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.manifest import ShardEntry
from nucleusnet_core.parquet.thrift import DAMAGED, CompactReader
from nucleusnet_core.shards.page_index import PagedRead, index_ranges, null_page, page_chunk
from nucleusnet_core.shards.ranges import column_chunks
from nucleusnet_core.shards.rows import Picks, fetch_rows
from nucleusnet_core.shards.sparse_file import SparseFile
from tests.dataset_folder import write_dataset_folder
from tests.range_server import RangeServer, serve

GROUP_ROWS = 200
PLAIN = {"compression": "none", "compression_level": None}
SHARD = "data/train-00000-of-00001.parquet"


def some_table(rows: int, nullable: bool) -> pa.Table:
    """Cells as those of a dataset, texts that repeat, and numbers; some of each are missing where they may be."""
    numbers = np.random.default_rng(rows)
    cells = [{"bytes": numbers.bytes(30 + row % 20), "path": None} for row in range(rows)]
    columns: dict[str, list[Any]] = {
        "image": cells,
        "text": [f"run {row // 3 % 17}" for row in range(rows)],
        "number": numbers.integers(1 << 40, size=rows).tolist(),
    }
    kinds = {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "text": pa.string(), "number": pa.int64()}
    if nullable:
        columns = {
            name: [None if row % 7 == 3 else value for row, value in enumerate(values)]
            for name, values in columns.items()
        }
    return pa.table(
        columns, schema=pa.schema([pa.field(name, kinds[name], nullable or name == "image") for name in columns])
    )


def read_pages(data: bytes, group: int, rows: list[int]) -> tuple[pa.Table, int]:
    """Rows of a row group, read by pages, and how many bytes that takes."""
    footer = pq.read_metadata(io.BytesIO(data))
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    entry = ShardEntry("default", "train", "a.parquet", footer.num_rows, len(data), footer_bytes, "0" * 64)
    chunks = column_chunks(entry, footer, footer.schema.to_arrow_schema().names, group)
    indexes = index_ranges(data[-footer_bytes:], {group})
    group_rows = footer.row_group(group).num_rows
    paged = {
        name: page_chunk(
            (chunk.start, chunk.stop),
            chunk.codec,
            data[slice(*indexes[group, name])],
            group_rows=group_rows,
            rows=np.array(rows, np.int64),
        )
        for name, chunk in chunks.items()
        if chunk.has_levels
    }
    whole = tuple((chunk.start, chunk.stop) for name, chunk in chunks.items() if name not in paged)
    ranges = [*whole, *(part for chunk in paged.values() for part in chunk.ranges)]
    read = SparseFile([(start, data[start:stop]) for start, stop in ranges], len(data))
    file = PagedRead(tuple(paged.values()), whole).filled(read, len(data))
    parquet = pq.ParquetFile(pa.PythonFile(file, "r"), metadata=footer, pre_buffer=False)
    table = parquet.read_row_group(group, use_threads=False)
    return table.take(rows), sum(stop - start for start, stop in ranges)


OPTIONS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["zstd", "snappy", "gzip", "none"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "use_dictionary": st.booleans(),
        "data_page_size": st.sampled_from([100, 1000, 1 << 20]),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 450),
    picks=st.lists(st.integers(0, GROUP_ROWS - 1), min_size=1, max_size=12),
    nullable=st.booleans(),
    options=OPTIONS,
)
def test_rows_read_by_pages_are_those_that_pyarrow_reads(
    rows: int, picks: list[int], nullable: bool, options: dict[str, Any]
) -> None:
    table = some_table(rows, nullable)
    sink = io.BytesIO()
    pq.write_table(table, sink, write_batch_size=4, row_group_size=GROUP_ROWS, write_page_index=True, **options)
    for group in range(-(-rows // GROUP_ROWS)):
        part = table.slice(group * GROUP_ROWS, GROUP_ROWS)
        wanted = [pick % len(part) for pick in picks]
        found, _ = read_pages(sink.getvalue(), group, wanted)
        assert found.equals(part.take(wanted))


def test_one_row_of_many_pages_takes_few_bytes() -> None:
    sink = io.BytesIO()
    table = some_table(GROUP_ROWS, nullable=False).select(["image"])
    pq.write_table(
        table,
        sink,
        compression="none",
        use_dictionary=False,
        write_batch_size=4,
        data_page_size=200,
        write_page_index=True,
    )
    found, read = read_pages(sink.getvalue(), 0, [77])
    assert found.equals(table.take([77]))
    assert read < 500 < 40 * GROUP_ROWS


@pytest.mark.parametrize("codec", ["ZSTD", "SNAPPY", "GZIP", "UNCOMPRESSED"])
@pytest.mark.parametrize("rows", [1, 63, 64, 8191, 8192, 1 << 20])
def test_a_page_of_nulls_states_its_rows_and_sizes(codec: str, rows: int) -> None:
    page = null_page(rows, codec)
    reader = CompactReader(memoryview(page))
    header = reader.struct()
    assert header[5] == {1: rows, 2: 0, 3: 3, 4: 3}
    assert header[3] == len(page) - reader.position
    assert len(page) < 60


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=60))
def test_bytes_that_are_no_index_raise_what_readers_expect(data: bytes) -> None:
    with pytest.raises(DAMAGED):
        page_chunk((4, 1 << 40), "ZSTD", data, group_rows=50, rows=np.array([3], np.int64))
    with contextlib.suppress(*DAMAGED):
        assert index_ranges(data + bytes(8), {0}) == {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 nuclei, not compressed, in row groups of 4.8 MB and 2.7 MB."""
    path = tmp_path_factory.mktemp("pages") / "nucleusnet"
    write_dataset_folder(path, {"train": 100}, group_rows=64, parquet_options=PLAIN)
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    with serve(folder) as running:
        yield running


def fetched(source: str | Path, rows: list[int]) -> tuple[pa.Table, int, int]:
    opened = open_dataset(source)
    picks = Picks(tuple(opened.shards("default", "train")), np.array(rows, np.int64))
    table, report = fetch_rows(opened, picks)
    opened.store.close()
    return table, report.requests, report.bytes


def test_a_few_rows_from_a_server_cost_their_pages(folder: Path, server: RangeServer) -> None:
    local, _, whole_bytes = fetched(folder, [70, 3, 71])
    table, requests, read_bytes = fetched(server.url, [70, 3, 71])
    assert table.equals(local, check_metadata=True)
    data = [request for request in server.seen if request.path == SHARD]
    assert (requests, read_bytes) == (len(data), sum(request.sent for request in data))
    assert whole_bytes > 7_000_000
    assert read_bytes < 3_000_000


def test_many_rows_are_read_as_whole_chunks(folder: Path, server: RangeServer) -> None:
    rows = list(range(0, 64, 4))
    local, _, whole_bytes = fetched(folder, rows)
    table, _, read_bytes = fetched(server.url, rows)
    assert table.equals(local)
    assert read_bytes == whole_bytes


def with_index(folder: Path, tmp_path: Path, damage: bytes) -> Path:
    """A dataset whose offset index of column `image.bytes` of row group 0 is overwritten."""
    copy = tmp_path / "nucleusnet"
    (copy / "data").mkdir(parents=True)
    (copy / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    data = bytearray((folder / SHARD).read_bytes())
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    start, stop = index_ranges(bytes(data[-footer_bytes:]), {0})[0, "image.bytes"]
    data[start:stop] = (damage * (stop - start))[: stop - start]
    (copy / SHARD).write_bytes(data)
    return copy


@pytest.mark.parametrize("damage", [b"\xff", b"\x00", b"\x19\x1c\x15"])
def test_a_damaged_index_costs_bytes_and_no_rows(folder: Path, tmp_path: Path, damage: bytes) -> None:
    local, _, _ = fetched(folder, [5])
    with serve(with_index(folder, tmp_path, damage)) as server:
        table, _, read_bytes = fetched(server.url, [5])
    assert table.equals(local)
    assert read_bytes > 4_000_000


def test_a_file_without_an_index_is_read_as_whole_chunks(tmp_path: Path) -> None:
    options = {**PLAIN, "write_page_index": False}
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 64}, parquet_options=options)
    with serve(tmp_path / "nucleusnet") as server:
        assert fetched(server.url, [5])[0].equals(fetched(tmp_path / "nucleusnet", [5])[0])
