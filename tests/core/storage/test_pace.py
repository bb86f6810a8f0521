"""A server that sends a byte now and then: it never stalls, and would hold a reader for ever."""

import time
from pathlib import Path

import pytest

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import TransferError
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_core.storage.http import HttpStore
from nucleusnet_core.storage.retries import RetryPolicy
from tests.dataset_folder import write_dataset_folder
from tests.range_server import Fault, serve

POLICY = RetryPolicy(
    give_up_seconds=3.0,
    first_delay_seconds=0.01,
    longest_delay_seconds=0.05,
    stall_seconds=5.0,
    pace_seconds=1.0,
    least_bytes_per_second=1000.0,
)


def test_a_server_that_drips_ends_in_an_error_that_says_so(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "set", {"train": 64})
    with serve(tmp_path / "set") as server:
        server.faults += [Fault(pattern="data/", times=99, drip_seconds=0.2)]
        began = time.monotonic()
        with pytest.raises(TransferError) as caught:
            sample_table(open_dataset(server.url, policy=POLICY), n=10, seed=0)
    assert time.monotonic() - began < 10
    assert "failed in " in str(caught.value)
    assert "fewer than 1,000 bytes a second came (" in str(caught.value)
    assert str(caught.value).endswith("; check the address and the connection, and try again.")


def test_a_drip_that_passes_costs_one_attempt(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(200)))
    with serve(tmp_path) as server:
        server.faults += [Fault(drip_seconds=0.2)]
        assert HttpStore(server.url, POLICY).read_file("file", max_bytes=1000) == bytes(range(200))
    assert server.seen[0].sent == 200
    assert len(server.seen) == 2


def test_a_slow_server_that_keeps_the_pace_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    slow = RetryPolicy(pace_seconds=0.5, least_bytes_per_second=10.0, first_delay_seconds=0.01, stall_seconds=5.0)
    with serve(tmp_path) as server:
        server.faults += [Fault(drip_seconds=0.02)]
        assert HttpStore(server.url, slow).read_file("file", max_bytes=1000) == bytes(100)
    assert len(server.seen) == 1
