"""The same batches from a web server and from the Hub, whatever goes wrong on the way, and no byte too many."""

import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pyarrow.parquet as pq
import pytest

from loaders import sample_loader, train_loader
from loaders.transforms import StandardizeDataset, dataset_statistics
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, SourceChangedError
from tests.core.published import publish
from tests.dataset_folder import write_dataset_folder
from tests.hub.server import Hub, serve_hub
from tests.range_server import Fault, RangeServer, serve

WORKERS = [0, 2] if sys.platform == "linux" else [0]
COLUMNS = ("nucleus_id", "image", "run")
SHARD = "data/train-00001-of-00004.parquet"


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    with serve(folder) as running:
        yield running


@pytest.fixture
def own_server(own_folder: Path) -> Iterator[RangeServer]:
    """Serves a folder that a test may damage."""
    with serve(own_folder) as running:
        yield running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub whose storage is another host, for a user who is not logged in."""
    with serve_hub() as running:
        running.cdn_url = running.url.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no_tokens"))
        yield running


def content(source: str | Path, **options: Any) -> list[tuple[list[str], bytes, list[int]]]:
    """Everything that an epoch gives."""
    settings: dict[str, Any] = {"batch_size": 16, "columns": COLUMNS, "seed": 1, "drop_last": False} | options
    loader = train_loader(source, **settings)
    return [(batch["nucleus_id"], batch["image"].numpy().tobytes(), batch["run"].tolist()) for batch in loader]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_url_gives_what_the_folder_gives(folder: Path, server: RangeServer, workers: int) -> None:
    assert content(server.url, num_workers=workers) == content(folder)


@pytest.mark.parametrize("workers", WORKERS)
def test_a_repository_on_the_hub_gives_what_the_folder_gives(folder: Path, hub: Hub, workers: int) -> None:
    publish(hub, folder, "lab/set")
    assert content("lab/set", num_workers=workers) == content(folder)


def test_without_a_source_the_bare_name_gives_what_it_means(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(hub, folder, "lab/set")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUCLEUSNET_REPO", "lab/set")
    assert content("nucleusnet", split="test") == content(folder, split="test")
    monkeypatch.setenv("NUCLEUSNET_DATA", str(folder))
    expected = f"source={str(folder)!r}, split='train'"
    assert expected in repr(train_loader(batch_size=16))
    assert expected in repr(sample_loader(8, columns=["label"]))
    assert dataset_statistics() == dataset_statistics(folder)
    assert StandardizeDataset.of() == StandardizeDataset.of(folder)


def test_samples_and_statistics_come_from_anywhere(folder: Path, server: RangeServer, hub: Hub) -> None:
    publish(hub, folder, "lab/set")
    sources = (folder, server.url, "lab/set")
    samples = [
        [batch["nucleus_id"] for batch in sample_loader(40, source=source, seed=3, columns=["nucleus_id"])]
        for source in sources
    ]
    assert samples[0] == samples[1] == samples[2]
    assert len({dataset_statistics(source) for source in sources}) == 1


def ranges_of(server: RangeServer) -> dict[str, list[tuple[int, int]]]:
    """Half-open byte ranges that were asked for, by file, in order."""
    found: dict[str, list[tuple[int, int]]] = {}
    for seen in server.seen:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", seen.range or "")
        if match:
            found.setdefault(seen.path, []).append((int(match[1]), int(match[2]) + 1))
    return {path: sorted(ranges) for path, ranges in found.items()}


def image_chunks(path: Path) -> list[tuple[int, int]]:
    """Where column `image` of each row group lies, half-open."""
    footer = pq.read_metadata(path)
    chunks = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        parts = [group.column(index) for index in range(2)]
        assert [part.path_in_schema for part in parts] == ["image.bytes", "image.path"]
        starts = [part.dictionary_page_offset or part.data_page_offset for part in parts]
        chunks.append((min(starts), starts[1] + parts[1].total_compressed_size))
    return chunks


def test_an_epoch_reads_each_byte_of_its_columns_once_and_no_other(folder: Path, server: RangeServer) -> None:
    loader = train_loader(server.url, batch_size=16, drop_last=False)
    assert sum(len(batch["image"]) for batch in loader) == 500
    shards = sorted((folder / "data").glob("train-*.parquet"))
    asked = ranges_of(server)
    for shard in shards:
        size = shard.stat().st_size
        footer_bytes = int.from_bytes(shard.read_bytes()[-8:-4], "little") + 8
        assert asked.pop(f"data/{shard.name}") == [*image_chunks(shard), (size - footer_bytes, size)]
    assert asked == {}
    assert [seen.path for seen in server.seen if seen.range is None] == ["manifest.json"]


def test_opening_reads_the_manifest_and_each_footer_once(server: RangeServer) -> None:
    loader = train_loader(server.url, batch_size=16)
    assert len(server.seen) == 5
    for _ in range(2):
        list(loader)
    assert len(server.seen) == 5 + 2 * 63


def test_faults_on_the_way_change_nothing(folder: Path, server: RangeServer) -> None:
    expected = content(folder)
    server.faults += [
        Fault("data/train", times=2, status=429, retry_after="0"),
        Fault("data/train-00002", times=2, status=503),
        Fault("data/train-00001", times=3, cut_after=700),
        Fault("data/train-00003", times=2, cut_after=90, reset=True),
    ]
    assert content(server.url) == expected
    assert all(fault.times == 0 for fault in server.faults)
    assert content(server.url, num_workers=WORKERS[-1]) == expected


def test_a_dataset_that_is_replaced_in_the_middle_of_an_epoch(own_folder: Path, own_server: RangeServer) -> None:
    loader = train_loader(own_server.url, batch_size=8)
    own_server.latency_seconds = 0.1
    batches = iter(loader)
    next(batches)
    for shard in (own_folder / "data").glob("train-*"):
        os.utime(shard, ns=(1, 1))
    with pytest.raises(SourceChangedError, match=r"data/train-0000\d-of-00004.parquet"):
        list(batches)


def test_a_repository_that_is_replaced_stays_the_commit_it_was(folder: Path, hub: Hub, tmp_path: Path) -> None:
    publish(hub, folder, "lab/set")
    loader = train_loader("lab/set", batch_size=16, columns=("nucleus_id",))
    first = [batch["nucleus_id"] for batch in itertools.islice(loader, 3)]
    state = json.loads(json.dumps(loader.state_dict()))
    write_dataset_folder(tmp_path / "other", {"train": 60}, group_rows=8)
    publish(hub, tmp_path / "other", "lab/set")
    loader.load_state_dict(state)
    rest = [batch["nucleus_id"] for batch in loader]
    assert first + rest == [nuclei for nuclei, _, _ in content(folder, seed=0, drop_last=True)]


def test_a_shard_that_the_server_lacks(own_folder: Path, own_server: RangeServer) -> None:
    (own_folder / SHARD).unlink()
    with pytest.raises(DatasetNotFoundError, match=rf"{SHARD} is not there \(status 404\)"):
        train_loader(own_server.url, batch_size=16)


def test_a_shard_that_is_truncated_on_the_server(own_folder: Path, own_server: RangeServer) -> None:
    size = (own_folder / SHARD).stat().st_size
    (own_folder / SHARD).write_bytes((own_folder / SHARD).read_bytes()[: size // 2])
    with pytest.raises(CorruptDataError, match=SHARD):
        train_loader(own_server.url, batch_size=16)


def test_an_address_without_a_dataset(server: RangeServer) -> None:
    with pytest.raises(DatasetNotFoundError, match="There is no NucleusNet dataset at "):
        train_loader(f"{server.url}/nowhere", batch_size=16)
