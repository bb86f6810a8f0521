"""A sample over a network that drops, stalls, refuses and changes: the right rows, or one clear error in time."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from nucleusnet_core import dataset as opened
from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, SourceChangedError, TransferError
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_core.storage.http import HttpStore
from nucleusnet_core.storage.retries import RetryPolicy
from nucleusnet_core.storage.threads import in_parallel
from tests.dataset_folder import write_dataset_folder
from tests.range_server import Fault, RangeServer, serve
from tests.root import ROOT

FAST = RetryPolicy(give_up_seconds=20.0, first_delay_seconds=0.01, longest_delay_seconds=0.05, stall_seconds=0.7)
IMPATIENT = dataclasses.replace(FAST, give_up_seconds=1.0)
SEED = 11


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three shards."""
    folder = tmp_path_factory.mktemp("built")
    write_dataset_folder(folder, {"train": 700}, shard_rows=256, group_rows=64)
    return folder


@pytest.fixture
def server(built: Path, tmp_path: Path) -> Iterator[RangeServer]:
    """A server of a copy of it, for a process that knows no footers."""
    opened._kept_footers.clear()
    shutil.copytree(built, tmp_path / "set")
    with serve(tmp_path / "set") as running:
        yield running


def sample(dataset: OpenDataset) -> pa.Table:
    return sample_table(dataset, n=200, seed=SEED, method="rows")[0]


def expected(server: RangeServer) -> pa.Table:
    return sample(open_dataset(server.folder))


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(pattern="data/", cut_after=cut, times=4) for cut in (0, 1, 5000)],
        [Fault(pattern="data/", cut_after=20_000, reset=True, times=6)],
        [Fault(pattern="data/", cut_after=700, stall_seconds=1.4, times=2)],
        [Fault(pattern="data/", status=status, times=2) for status in (500, 502, 503, 504, 408)],
        [Fault(pattern="manifest", cut_after=100), Fault(pattern="manifest", status=503, times=3)],
        [Fault(pattern="data/", status=429, retry_after="0", times=3), Fault(pattern="data/", status=429, times=3)],
        [Fault(pattern="data/", status=429, retry_after="Sun, 01 Mar 2020 12:00:00 GMT", times=3)],
    ],
    ids=["cut", "reset", "stall", "server errors", "manifest", "rate limit", "rate limit with a date"],
)
def test_the_sample_is_the_same_after_faults_that_pass(server: RangeServer, faults: list[Fault]) -> None:
    server.faults += faults
    assert sample(open_dataset(server.url, policy=FAST)).equals(expected(server))
    assert all(fault.times == 0 for fault in faults)


def test_a_range_goes_on_at_the_byte_where_it_stopped(server: RangeServer) -> None:
    path = "data/train-00000-of-00003.parquet"
    data = (server.folder / path).read_bytes()
    server.faults += [Fault(cut_after=1000), Fault(status=503), Fault(cut_after=70_000)]
    assert HttpStore(server.url, FAST).read_range(path, 50, 100_000) == data[50:100_050]
    assert [(seen.range, seen.sent) for seen in server.seen] == [
        ("bytes=50-100049", 1000),
        ("bytes=1050-100049", 0),
        ("bytes=1050-100049", 70_000),
        ("bytes=71050-100049", 29_000),
    ]


def test_a_whole_file_goes_on_where_it_stopped_and_from_the_start_if_parts_cannot_be_had(server: RangeServer) -> None:
    manifest = (server.folder / "manifest.json").read_bytes()
    for sends_parts, second in ((True, "bytes=100-"), (False, "bytes=100-")):
        server.sends_parts = sends_parts
        server.seen.clear()
        server.faults.append(Fault(cut_after=100))
        assert HttpStore(server.url, FAST).read_file("manifest.json", max_bytes=1 << 20) == manifest
        assert [(seen.range, seen.sent) for seen in server.seen] == [
            (None, 100),
            (second, len(manifest) - 100 if sends_parts else len(manifest)),
        ]


def test_retry_after_is_waited_for(server: RangeServer) -> None:
    server.faults.append(Fault(status=429, retry_after="1"))
    began = time.monotonic()
    HttpStore(server.url, FAST).read_range("manifest.json", 0, 10)
    assert 1.0 <= time.monotonic() - began < 10.0


def test_a_server_that_asks_for_too_much_patience_ends_the_read_at_once(server: RangeServer) -> None:
    server.faults.append(Fault(status=429, retry_after="100000", times=9))
    with pytest.raises(TransferError, match=r"manifest\.json: .* status 429 .* the server asks to wait 100,000 s more"):
        open_dataset(server.url, policy=FAST)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(pattern="data/", status=500, times=10_000), "status 500"),
        (Fault(pattern="data/", cut_after=0, times=10_000), "the connection broke"),
        (Fault(pattern="data/", cut_after=0, stall_seconds=1.5, times=10_000), "the answer stalled"),
    ],
    ids=["500", "cut", "stall"],
)
def test_a_fault_that_stays_ends_in_time_and_says_what_was_tried(
    server: RangeServer, fault: Fault, reason: str
) -> None:
    dataset = open_dataset(server.url, policy=IMPATIENT)
    server.faults.append(fault)
    began = time.monotonic()
    with pytest.raises(TransferError, match=rf"train-0000\d-of-00003\.parquet: \d+ attempts? failed in .*: {reason}"):
        sample(dataset)
    assert time.monotonic() - began < 10.0


def test_a_server_that_drips_bytes_does_not_go_on_forever(server: RangeServer) -> None:
    server.faults.append(Fault(pattern="data/", cut_after=1, times=10_000))
    with pytest.raises(
        TransferError, match=r"attempts failed in .*: the connection broke \(peer closed .*\) \(\d+ x\);"
    ):
        HttpStore(server.url, IMPATIENT).read_range("data/train-00000-of-00003.parquet", 0, 1000)
    assert 5 < len(server.seen) <= 30


@pytest.mark.parametrize("status", [400, 404, 410, 451])
def test_what_will_not_change_is_not_tried_again(server: RangeServer, status: int) -> None:
    server.faults.append(Fault(status=status, times=9))
    with pytest.raises((DatasetNotFoundError, TransferError), match=rf"status {status}"):
        open_dataset(server.url, policy=FAST)
    assert len(server.seen) == 1


def test_a_missing_or_truncated_shard_is_named(server: RangeServer) -> None:
    path = server.folder / "data" / "train-00001-of-00003.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        CorruptDataError, match=rf"{server.url}/data/train-00001-of-00003\.parquet has .* bytes; at least .* are needed"
    ):
        sample(open_dataset(server.url, policy=FAST))
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=r"/data/train-00001-of-00003\.parquet is not there \(status 404\)"):
        sample(open_dataset(server.url, policy=FAST))


def rewrite(path: Path) -> None:
    """Write the file again with as many bytes, at another time."""
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, (1, 1))


@pytest.mark.parametrize("etags", [True, False])
def test_a_shard_that_changes_in_the_middle_of_a_read_is_an_error_and_never_mixed(
    server: RangeServer, etags: bool
) -> None:
    server.sends_etags = etags
    dataset = open_dataset(server.url, policy=FAST)
    dataset.footers(dataset.shards("default", "train"))
    path = server.folder / "data" / "train-00001-of-00003.parquet"
    server.faults.append(Fault(pattern="train-00001", cut_after=5000, then=lambda: rewrite(path)))
    with pytest.raises(
        SourceChangedError, match=r"train-00001-of-00003\.parquet: the file has changed since it was first read"
    ):
        sample(dataset)


def test_a_rebuilt_dataset_is_an_error_for_whoever_has_it_open_and_read_anew_by_others(
    server: RangeServer,
) -> None:
    dataset = open_dataset(server.url, policy=FAST)
    before = sample(dataset)
    write_dataset_folder(server.folder, {"train": 690}, shard_rows=256, group_rows=64)
    with pytest.raises(SourceChangedError):
        sample(dataset)
    after = sample(open_dataset(server.url, policy=FAST))
    assert after.equals(expected(server))
    assert not after.equals(before)


def test_footers_are_kept_for_a_dataset_with_the_same_manifest_and_forgotten_when_damaged(server: RangeServer) -> None:
    sample(open_dataset(server.url, policy=FAST))
    server.seen.clear()
    again = open_dataset(server.url, policy=FAST)
    table, report = sample_table(again, n=200, seed=SEED, method="rows")
    assert table.equals(expected(server))
    assert len(server.seen) == 1 + report.requests
    path = server.folder / "data" / "train-00001-of-00003.parquet"
    intact = path.read_bytes()
    rewrite(path)
    damaged = open_dataset(server.url, policy=FAST)
    with pytest.raises(CorruptDataError, match=r"train-00001-of-00003\.parquet: row groups"):
        sample(damaged)
    path.write_bytes(intact)
    assert sample(open_dataset(server.url, policy=FAST)).equals(expected(server))


def test_leaving_a_loop_over_reads_leaves_the_rest_unread(server: RangeServer) -> None:
    server.latency_seconds = 0.05
    store = HttpStore(server.url, FAST)
    reads = in_parallel(lambda start: store.read_range("manifest.json", start, 1), range(200), threads=4)
    next(reads)
    reads.close()
    time.sleep(0.5)
    assert len(server.seen) <= 40


PROGRAM = """
import sys
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_core.storage.threads import in_parallel
dataset = open_dataset({url!r})
entries = dataset.shards("default", "train")
"""
BREAK = (
    PROGRAM
    + """
print("ready", flush=True)
for number, _ in enumerate(in_parallel(lambda i: dataset.store.read_range(entries[i].path, 0, 50_000), range(3))):
    break
"""
)
WAIT = (
    PROGRAM
    + """
print("ready", flush=True)
sample_table(dataset, n=200, method="rows")
"""
)


def started(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for_stall(server: RangeServer, requests: int) -> None:
    for _ in range(200):
        if server.faults[0].times <= 1000 - requests:
            return
        time.sleep(0.02)
    raise AssertionError("the process sent no request")


def test_a_process_that_leaves_a_loop_while_others_stall_ends_at_once(server: RangeServer) -> None:
    server.faults.append(Fault(pattern="0000[12]-of", cut_after=10, stall_seconds=30.0, times=1000))
    process = started(BREAK.format(url=server.url))
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - began < 10.0


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent otherwise there")
@pytest.mark.parametrize("shards", ["0000[012]-of", "00000-of"], ids=["all shards", "one shard"])
def test_an_interrupted_process_ends_at_once_while_the_server_stalls(server: RangeServer, shards: str) -> None:
    server.faults.append(Fault(pattern=shards, cut_after=10, stall_seconds=30.0, times=1000))
    process = started(WAIT.format(url=server.url))
    wait_for_stall(server, 1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert re.search(r"KeyboardInterrupt\s*$", errors)
    assert time.monotonic() - began < 10.0


def test_a_process_ends_when_its_reads_fail(server: RangeServer) -> None:
    server.faults.append(Fault(pattern="00000-of", status=404, times=1000))
    server.faults.append(Fault(pattern="0000[12]-of", cut_after=10, stall_seconds=30.0, times=1000))
    process = started(WAIT.format(url=server.url))
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "DatasetNotFoundError: " in errors.splitlines()[-1]
    assert time.monotonic() - began < 10.0
