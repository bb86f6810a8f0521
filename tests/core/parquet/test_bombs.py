"""Columns that unpack to far more than their rows can need are refused before anything is unpacked."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.parquet.files import open_parquet
from tests.dataset_folder import write_dataset_folder
from tests.loaders.damage import state_facts
from tests.root import ROOT

SHARD = "data/train-00000-of-00001.parquet"
VALUE_BYTES = 450 << 20


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder whose one shard has five columns of texts of 450 MB in some hundred kB."""
    folder = tmp_path_factory.mktemp("bomb") / "nucleusnet"
    write_dataset_folder(folder, {"train": 8})
    table = pq.read_table(folder / SHARD)
    value = pa.array([bytes(VALUE_BYTES)], pa.binary()).cast(pa.string())
    value = pa.concat_arrays([value, pa.nulls(7, pa.string())])
    for number in range(5):
        table = table.append_column(f"name_{number}", value)
    pq.write_table(table, folder / SHARD, compression="zstd", use_dictionary=False, write_statistics=False)
    state_facts(folder, SHARD)
    assert (folder / SHARD).stat().st_size < 1 << 20
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory as Linux does")
@pytest.mark.parametrize("verb", ["sample", "loader", "verify"])
def test_a_bomb_is_refused_with_two_gigabytes_of_memory(bomb: Path, verb: str) -> None:
    command = [sys.executable, "-m", "tests.core.parquet.bomb_reading", str(bomb), verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "in memory for 8 rows, and at most" in done.stdout


def test_a_long_text_in_a_dictionary_counts_once_for_every_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    names = pa.array(["x" * 900_000] + ["y"] * 19_999).dictionary_encode()
    pq.write_table(pa.table({"name": names}), path, compression="zstd", dictionary_pagesize_limit=4 << 20)
    with open_parquet(path) as file, pytest.raises(CorruptDataError, match="column name of row group 0 would take"):
        file.read_row_group(0)


@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"compression": "gzip"}]
)
def test_what_any_writer_writes_is_read(tmp_path: Path, options: dict[str, object]) -> None:
    rows = range(5000)
    table = pa.table(
        {
            "name": [f"a name that is longer than most {number}" for number in rows],
            "number": pa.array([number if number % 3 else None for number in rows], pa.int32()),
            "words": [["x"] * (number % 4) for number in rows],
            "none": pa.nulls(5000, pa.string()),
            "cell": [{"bytes": bytes(number % 7), "path": None} for number in rows],
            "flag": [number % 2 == 0 for number in rows],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2000, **options)
    (tmp_path / "a.parquet").write_bytes(sink.getvalue())
    with open_parquet(tmp_path / "a.parquet") as file:
        assert file.read().equals(table)
        assert file.read(["words", "name"]).equals(table.select(["words", "name"]))


def test_a_page_that_states_more_than_the_footer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["x" * 2000] * 10}), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    assert data[4:6] == b"\x15\x00"  # the kind of the page; its size once unpacked is the next field
    data[7:10] = b"\xfe\xff\x7f"
    path.write_bytes(data)
    with open_parquet(path) as file, pytest.raises(CorruptDataError, match="would take 1,048,575 bytes"):
        file.read_row_group(0)
