"""A repository on the Hub: one commit, few requests, and a token that goes nowhere else."""

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucleusnet_core import dataset as opened
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, SourceChangedError, TransferError
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_core.shards.tables import row_group_tables
from nucleusnet_core.storage.hub import HubStore
from nucleusnet_core.storage.retries import RetryPolicy
from nucleusnet_dataset import features
from tests.core.published import publish
from tests.dataset_folder import write_dataset_folder
from tests.hub.server import Alarm, Hub, client_environment, serve_hub
from tests.range_server import Fault, serve
from tests.root import ROOT

FAST = RetryPolicy(
    give_up_seconds=10.0, first_contact_seconds=0.3, first_delay_seconds=0.01, longest_delay_seconds=0.05
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "nucleusnet"
    write_dataset_folder(folder, {"train": 600, "test": 40}, shard_rows=300, group_rows=64)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub whose storage is another host, for a user who is not logged in and a process that knows no footers."""
    opened._kept_footers.clear()
    with serve_hub() as running:
        running.cdn_url = running.url.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no_tokens"))
        monkeypatch.chdir(tmp_path)
        yield running


def requests(hub: Hub) -> list[tuple[str, int]]:
    """Return the end of each path and the status, without hashes."""
    return [(re.sub(r"^/datasets/lab/set/resolve/|[0-9a-f]{20,}", "", seen.path), seen.status) for seen in hub.seen]


@pytest.fixture(scope="module")
def local(folder: Path) -> pa.Table:
    return sample_table(open_dataset(folder), n=100, seed=7)[0]


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        ("lab/set", None),
        ("lab/set@main", None),
        ("hf://datasets/lab/set", "v1"),
        ("{url}/datasets/lab/set/tree/main", None),
        ("lab/set@{commit}", None),
    ],
)
def test_the_same_seed_takes_the_same_nuclei_as_from_the_folder(
    hub: Hub, folder: Path, local: pa.Table, source: str, revision: str | None
) -> None:
    commit = publish(hub, folder, "lab/set")
    hub.repositories["lab/set"].tags["v1"] = commit
    dataset = open_dataset(source.format(url=hub.url, commit=commit), revision=revision)
    assert dataset.store.name == f"lab/set@{commit}"
    table, report = sample_table(dataset, n=100, seed=7)
    assert table.equals(local, check_metadata=True)
    assert len(hub.seen) == 1 + 2 + report.requests  # the manifest, and a redirect for each of two shards
    assert sum(seen.sent for seen in hub.seen) == report.bytes + (folder / "manifest.json").stat().st_size


@pytest.mark.parametrize("method", ["blocks", "rows"])
def test_one_seed_takes_the_same_nuclei_from_a_folder_a_url_and_the_hub(hub: Hub, folder: Path, method: str) -> None:
    publish(hub, folder, "lab/set")
    with serve(folder) as server:
        drawn = [
            sample_table(open_dataset(source), n=20, split="train+test", seed=2**64 - 1, method=method)[0]
            for source in (folder, server.url, "lab/set")
        ]
    assert drawn[0].equals(drawn[1], check_metadata=True)
    assert drawn[0].equals(drawn[2], check_metadata=True)


def test_whole_shards_are_read_from_the_hub_one_row_group_at_a_time(hub: Hub, folder: Path) -> None:
    publish(hub, folder, "lab/set")
    dataset = open_dataset("lab/set")
    (entry,) = dataset.shards("default", "test")
    tables = list(row_group_tables(dataset, entry, features("default").arrow_schema))
    assert pa.concat_tables(tables).equals(pq.read_table(folder / entry.path))
    groups = pq.read_metadata(folder / entry.path).num_row_groups
    assert requests(hub)[1:] == [(f"/{entry.path}", 302), *[("/cdn/", 206)] * (1 + groups)]


def test_one_request_opens_a_dataset_and_redirects_are_followed_once(hub: Hub, folder: Path) -> None:
    publish(hub, folder, "lab/set")
    dataset = open_dataset("lab/set", policy=FAST)
    assert requests(hub) == [("main/manifest.json", 200)]
    hub.seen.clear()
    path = "data/train-00000-of-00002.parquet"
    for start in (0, 5, 10):
        dataset.store.read_range(path, start, 5)
    assert requests(hub) == [(f"/{path}", 302), ("/cdn/", 206), ("/cdn/", 206), ("/cdn/", 206)]
    hub.seen.clear()
    open_dataset("lab/set", policy=FAST).store.read_range(path, 0, 5)
    assert requests(hub) == [("main/manifest.json", 200), ("/cdn/", 206)]


def test_a_second_sample_reads_the_manifest_and_data_only(hub: Hub, folder: Path, local: pa.Table) -> None:
    publish(hub, folder, "lab/set")
    _, first = sample_table(open_dataset("lab/set"), n=100, seed=7)
    hub.seen.clear()
    table, second = sample_table(open_dataset("lab/set"), n=100, seed=7)
    assert table.equals(local)
    assert second.requests == first.requests - 2
    assert requests(hub) == [("main/manifest.json", 200), *[("/cdn/", 206)] * second.requests]


@pytest.mark.parametrize("copied", [False, True])
def test_a_push_does_not_change_what_an_opened_dataset_reads(
    hub: Hub, folder: Path, local: pa.Table, tmp_path: Path, copied: bool
) -> None:
    first = publish(hub, folder, "lab/set")
    dataset = open_dataset("lab/set")
    write_dataset_folder(tmp_path / "other", {"train": 300}, shard_rows=300)
    second = publish(hub, tmp_path / "other", "lab/set")
    if copied:
        dataset = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - as a DataLoader sends it to its workers
    assert sample_table(dataset, n=100, seed=7)[0].equals(local)
    assert dataset.store.name == f"lab/set@{first}"
    assert open_dataset("lab/set").store.name == f"lab/set@{second}"


def test_a_push_between_two_first_reads_is_an_error(hub: Hub, folder: Path, tmp_path: Path) -> None:
    first = publish(hub, folder, "lab/set")
    store = HubStore("lab/set", None, FAST)
    (tmp_path / "manifest.json").write_text("changed", "utf-8")

    def read_and_push() -> None:
        store.read_file("manifest.json", max_bytes=1 << 20)
        publish(hub, tmp_path, "lab/set")

    hub.alarms.append(Alarm(read_and_push, pattern="manifest"))
    with pytest.raises(SourceChangedError, match=rf"lab/set@{first} has changed to commit [0-9a-f]{{40}} while"):
        store.read_file("manifest.json", max_bytes=1 << 20)


def test_a_private_repository_opens_with_a_token_that_only_the_hub_gets(
    hub: Hub, folder: Path, local: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(hub, folder, "lab/set", private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    dataset = open_dataset("lab/set")
    assert sample_table(dataset, n=100, seed=7)[0].equals(local)
    sent = {(seen.path.startswith("/cdn/"), seen.authorization) for seen in hub.seen}
    assert sent == {(False, "Bearer hf_read"), (True, None)}
    assert b"hf_read" not in pickle.dumps(dataset)


@pytest.mark.parametrize(
    ("token", "sent"),
    [(None, "private and no token was sent;"), ("hf_geheim", "private and the token that was sent does not")],
)
def test_a_private_or_missing_repository_says_so_without_the_token(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, sent: str
) -> None:
    publish(hub, folder, "lab/set", private=True)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    for name in ("lab/set", "lab/missing"):
        with pytest.raises(DatasetNotFoundError, match=rf"{name} cannot be read from {hub.url} \(status") as caught:
            open_dataset(name, policy=FAST)
        assert "check the spelling, or log in with `hf auth login` or set HF_TOKEN" in str(caught.value)
        assert sent in str(caught.value)
        assert "geheim" not in str(caught.value)
    assert len(hub.seen) == 2


def test_an_unknown_revision_or_a_repository_that_is_no_dataset_is_named(hub: Hub, folder: Path) -> None:
    publish(hub, folder, "lab/set")
    for revision in ("v9", "e" * 40):
        with pytest.raises(DatasetNotFoundError, match=f"lab/set has no branch, tag or commit '{revision}'"):
            open_dataset("lab/set", revision=revision, policy=FAST)
    publish(hub, folder / "data", "lab/other")
    with pytest.raises(
        DatasetNotFoundError, match=r"no NucleusNet dataset at lab/other@main: .*/manifest\.json is not there"
    ):
        open_dataset("lab/other", policy=FAST)


def test_a_gated_repository_names_the_page_to_ask_at(hub: Hub, folder: Path) -> None:
    publish(hub, folder, "lab/set")
    store = HubStore("lab/set", None, FAST)
    refusal = store._refusal("manifest.json", f"{hub.url}/x", 403, {"X-Error-Code": "GatedRepo"})
    assert f"is gated, and you may not read it yet; ask for access at {hub.url}/datasets/lab/set, and log in" in str(
        refusal
    )


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_redirect_that_has_expired_is_asked_for_again(hub: Hub, folder: Path, status: int) -> None:
    publish(hub, folder, "lab/set")
    store = open_dataset("lab/set", policy=FAST).store
    path = "data/train-00000-of-00002.parquet"
    data = (folder / path).read_bytes()
    assert store.read_range(path, 0, 8) == data[:8]
    hub.faults.append(Fault(pattern="GET /cdn/", status=status))
    hub.seen.clear()
    assert store.read_range(path, 8, 8) == data[8:16]
    assert requests(hub) == [("/cdn/", status), (f"/{path}", 302), ("/cdn/", 206)]


def test_storage_that_refuses_a_new_redirect_is_an_error_at_once(hub: Hub, folder: Path) -> None:
    publish(hub, folder, "lab/set")
    store = open_dataset("lab/set", policy=FAST).store
    hub.faults.append(Fault(pattern="GET /cdn/", status=403, times=9))
    with pytest.raises(TransferError, match="the Hub's storage answers with status 403"):
        store.read_range("data/train-00000-of-00002.parquet", 0, 8)
    assert len(hub.seen) == 3


def test_drops_and_rate_limits_of_hub_and_storage_are_overcome(hub: Hub, folder: Path, local: pa.Table) -> None:
    publish(hub, folder, "lab/set")
    hub.faults += [
        Fault(pattern="manifest", status=503, times=2),
        Fault(pattern="manifest", cut_after=100),
        Fault(pattern="resolve/.*parquet", status=429, retry_after="0", times=2),
        Fault(pattern="/cdn/", cut_after=1000, times=3),
        Fault(pattern="/cdn/", status=500, times=2),
    ]
    table, _ = sample_table(open_dataset("lab/set", policy=FAST), n=100, seed=7)
    assert table.equals(local)
    assert all(fault.times == 0 for fault in hub.faults)


def test_a_missing_or_truncated_shard_is_named(hub: Hub, folder: Path) -> None:
    commit = publish(hub, folder, "lab/set")
    files = hub.repositories["lab/set"].commits[commit].files
    path = "data/train-00000-of-00002.parquet"
    dataset = open_dataset("lab/set", policy=FAST)
    hub.objects[files[path].sha256 or ""] = (folder / path).read_bytes()[:-5]
    with pytest.raises(CorruptDataError, match=r"train-00000-of-00002\.parquet has .* bytes; at least .* are needed"):
        sample_table(dataset, n=100, seed=7)
    missing = path.replace("train-00000", "train-00009")
    with pytest.raises(DatasetNotFoundError, match=rf"lab/set@{commit}/{missing} is not there"):
        HubStore("lab/set", commit, FAST).read_range(missing, 0, 1)


def client(hub: Hub, home: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = client_environment(hub, str(home)) | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=home, capture_output=True, text=True, check=False
    )


SAMPLE = """
import json
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.sampling.draw import sample_table
dataset = open_dataset("lab/set")
table, _ = sample_table(dataset, n=100, seed=7, columns=["nucleus_id"])
print(json.dumps([dataset.store.name, table["nucleus_id"].to_pylist()]))
"""


def test_a_new_process_finds_the_hub_and_the_token_as_huggingface_hub_does(
    hub: Hub, folder: Path, local: pa.Table, tmp_path: Path
) -> None:
    commit = publish(hub, folder, "lab/set", private=True)
    (tmp_path / "token").write_text("hf_read")
    done = client(hub, tmp_path, SAMPLE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [f"lab/set@{commit}", local["nucleus_id"].to_pylist()]


def test_offline_the_hub_is_not_asked_and_the_error_says_what_to_do(hub: Hub, folder: Path, tmp_path: Path) -> None:
    publish(hub, folder, "lab/set")
    done = client(hub, tmp_path, SAMPLE, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "cannot be read: HF_HUB_OFFLINE=1 forbids the network; unset it, or give the dataset as" in done.stderr
    assert hub.seen == []


def test_a_mirror_that_redirects_to_the_hub_works_and_the_hub_does_not_get_its_token(
    hub: Hub, folder: Path, local: pa.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = publish(hub, folder, "lab/set")
    with serve(tmp_path) as mirror:
        mirror.redirect_to = lambda path: f"{hub.url}/{path}"
        monkeypatch.setenv("HF_ENDPOINT", mirror.url)
        monkeypatch.setenv("HF_TOKEN", "hf_read")
        dataset = open_dataset("lab/set", policy=FAST)
        assert dataset.store.name == f"lab/set@{commit}"
        assert sample_table(dataset, n=100, seed=7)[0].equals(local)
    assert {seen.authorization for seen in mirror.seen} == {"Bearer hf_read"}
    assert {seen.authorization for seen in hub.seen} == {None}


def test_an_address_that_is_no_hub_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "datasets" / "lab" / "set" / "resolve").mkdir(parents=True, exist_ok=True)
    (folder.parent / "datasets" / "lab" / "set" / "resolve" / "main").symlink_to(folder)
    with serve(folder.parent) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(TransferError, match=r"is not a Hub: its answer has no X-Repo-Commit"):
            open_dataset("lab/set", policy=FAST)
