"""A process that has had enough ends at once, with exit code 0 and nothing on stderr."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders import train_loader
from loaders.plan import EpochPlan
from nucleusnet_core.errors import UsageError
from tests.dataset_folder import write_dataset_folder
from tests.open_files import open_files
from tests.range_server import Fault, serve
from tests.root import ROOT

WORKERS = [0, 2] if sys.platform == "linux" else [0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 shards of one row group; the first batch of the epoch with seed 0 comes from one of them."""
    folder = tmp_path_factory.mktemp("exit")
    write_dataset_folder(folder, {"train": 320}, shard_rows=8, group_rows=8)
    return folder


class Program:
    """`early_exit.py`, running; `opened` when it has opened the dataset."""

    def __init__(self, source: str, workers: int, how: str) -> None:
        command = [sys.executable, "-m", "tests.loaders.early_exit", source, str(workers), how]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "opened\n"

    def go_on(self) -> float:
        """Let it take a batch and end; return the seconds that this took."""
        begun = time.monotonic()
        output, errors = self.process.communicate("go\n", timeout=120)
        assert (self.process.returncode, output, errors) == (0, "given 8\n", "")
        return time.monotonic() - begun


@pytest.mark.parametrize(("workers", "how"), [(0, "break"), (WORKERS[-1], "keep"), (0, "daemon")])
def test_a_process_ends_after_an_early_break(folder: Path, workers: int, how: str) -> None:
    assert Program(str(folder), workers, how).go_on() < 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not(folder: Path) -> None:
    Program(str(folder), 0, "fork").go_on()


@pytest.mark.parametrize(("workers", "how"), [(0, "break"), (0, "keep"), (WORKERS[-1], "break")])
def test_a_process_does_not_wait_for_a_server_that_hangs(served: Path, workers: int, how: str) -> None:
    first_group = EpochPlan((8,) * 40, 8, seed=0, epoch=0).lanes[0].windows[0][0]
    with serve(served) as server:
        program = Program(server.url, workers, how)
        # A read that hangs is tried again after 20 s, for a minute in all.
        server.faults.append(Fault(f"data/train-(?!{first_group:05d})", times=1000, cut_after=0, stall_seconds=300))
        assert program.go_on() < 40


@pytest.mark.parametrize("batches", [3, 62])
def test_no_file_stays_open_behind_an_iteration(own_folder: Path, batches: int) -> None:
    counts = []
    for _ in train_loader(own_folder, batch_size=8):
        counts.append(len(open_files(own_folder)))
        if len(counts) == batches:
            break
    assert len(counts) == batches
    assert counts[0] > 0
    assert open_files(own_folder) == []


def test_row_groups_of_one_shard_share_its_file(own_folder: Path) -> None:
    batches = iter(train_loader(own_folder, batch_size=200))  # of 25 row groups or more, which lie in four shards
    next(batches)
    assert 0 < len(open_files(own_folder)) <= 4


def test_a_thread_that_ends_leaves_no_other_behind_and_nothing_is_lost_silently(folder: Path) -> None:
    kept: list[Iterator[Any]] = []

    def take_one() -> None:
        kept.append(iter(train_loader(folder, batch_size=8)))
        next(kept[0])

    thread = threading.Thread(target=take_one)
    thread.start()
    thread.join()
    end = time.monotonic() + 20
    while any(other.name == "nucleusnet-batches" for other in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(UsageError, match="The thread that began this epoch has ended; iterate in one thread"):
        list(kept[0])
