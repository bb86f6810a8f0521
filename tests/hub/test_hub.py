"""The test Hub, as the real clients see it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hub.server import Hub, client_environment, serve_hub
from tests.range_server import Fault


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as running:
        yield running


def client(hub: Hub, home: Path, code: str) -> Any:
    """Run `code` in a fresh process with the real clients and return the JSON it prints last."""
    command = [sys.executable, "-c", code]
    environment = client_environment(hub, str(home))
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "upload" / "data"
    data.mkdir(parents=True)
    numbers = np.random.default_rng(0).integers(0, 1 << 30, 200_000)
    pq.write_table(pa.table({"number": numbers}), data / "train-00000-of-00001.parquet")
    (tmp_path / "upload" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A card\n", "utf-8")
    return tmp_path / "upload"


UPLOAD = """
import json
from huggingface_hub import HfApi
api = HfApi(token="hf_write")
api.create_repo("user/set", repo_type="dataset", private=True, exist_ok=True)
info = api.upload_folder(repo_id="user/set", repo_type="dataset", folder_path={folder!r})
print(json.dumps(info.oid))
"""


def test_an_upload_in_parts_arrives_whole_and_a_second_sends_nothing(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.part_bytes = 300_000
    client(hub, tmp_path, UPLOAD.format(folder=str(folder)))
    shard = folder / "data" / "train-00000-of-00001.parquet"
    files = hub.repositories["user/set"].at("main").files
    assert set(files) == {".gitattributes", "README.md", "data/train-00000-of-00001.parquet"}
    assert hub.objects[files["data/train-00000-of-00001.parquet"].sha256 or ""] == shard.read_bytes()
    assert len(hub.received) == -(-shard.stat().st_size // 300_000)
    before = hub.received_bytes
    client(hub, tmp_path, UPLOAD.format(folder=str(folder)))
    assert hub.received_bytes == before


def test_a_dropped_part_is_sent_again_by_the_client(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.part_bytes = 300_000
    hub.faults.append(Fault(pattern=r"PUT /storage/.*/2$", cut_after=1000))
    client(hub, tmp_path, UPLOAD.format(folder=str(folder)))
    assert "data/train-00000-of-00001.parquet" in hub.repositories["user/set"].at("main").files


def test_a_private_dataset_streams_with_a_token_and_not_without(hub: Hub, folder: Path, tmp_path: Path) -> None:
    client(hub, tmp_path, UPLOAD.format(folder=str(folder)))
    code = """
import contextlib, json
from datasets import load_dataset
stream = load_dataset("user/set", split="train", streaming=True, token={token})
with contextlib.closing(iter(stream)) as rows:
    print(json.dumps(next(rows)["number"]))
"""
    table = pq.read_table(folder / "data" / "train-00000-of-00001.parquet")
    assert client(hub, tmp_path, code.format(token="'hf_read'")) == table["number"][0].as_py()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    with pytest.raises(AssertionError, match="DatasetNotFoundError"):
        client(hub, stranger, code.format(token="False"))


def test_tags_stale_parents_and_read_only_tokens(hub: Hub, folder: Path, tmp_path: Path) -> None:
    client(hub, tmp_path, UPLOAD.format(folder=str(folder)))
    code = """
import json
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
api = HfApi(token="hf_write")
head = api.dataset_info("user/set").sha
add = CommitOperationAdd("note.txt", b"hello")
first = api.create_commit("user/set", [add], commit_message="one", repo_type="dataset", parent_commit=head)
api.create_tag("user/set", tag="v1.0.0", repo_type="dataset")
statuses = []
for token in ("hf_write", "hf_read", "hf_unknown"):
    try:
        again = CommitOperationAdd("note.txt", b"other")
        HfApi(token=token).create_commit(
            "user/set", [again], commit_message="two", repo_type="dataset", parent_commit=head
        )
    except HfHubHTTPError as error:
        statuses.append(error.response.status_code)
tags = [tag.name for tag in api.list_repo_refs("user/set", repo_type="dataset").tags]
paths = sorted(entry.path for entry in api.list_repo_tree("user/set", repo_type="dataset", recursive=True))
print(json.dumps([statuses, tags, paths]))
"""
    statuses, tags, paths = client(hub, tmp_path, code)
    assert statuses == [412, 403, 401]
    assert tags == ["v1.0.0"]
    assert paths == [".gitattributes", "README.md", "data", "data/train-00000-of-00001.parquet", "note.txt"]
