"""What a random 1,000 costs over the network, from a dataset of the published size: 70 shards, a million nuclei."""

import hashlib
import mmap
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucleusnet_core import dataset as opened
from nucleusnet_core.contract import VERSION
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_dataset import features
from tests.hub.repository import Blob, Repository
from tests.hub.server import serve_hub
from tests.range_server import Seen, serve

SHARDS, GROUPS, GROUP_ROWS = 70, 59, 256
IMAGE_BYTES, MASK_BYTES = 15_209, 455
"""Means of the stored bytes of a published crop and its mask."""


def group_table() -> pa.Table:
    """Return one row group's rows; the cells are noise of the size that real ones have when compressed."""
    noise = np.random.default_rng(0)
    cells = {"image": IMAGE_BYTES, "mask": MASK_BYTES}
    rows: list[dict[str, Any]] = []
    schema = features("default").arrow_schema
    for number in range(GROUP_ROWS):
        named = {name: {"bytes": noise.bytes(size), "path": None} for name, size in cells.items()}
        texts: dict[str, Any] = {
            "nucleus_id": f"Run72TR_bottom_left_ROI_{number}",
            "stitched_image": "Run72TR_bottom_left",
            "run_name": "72",
        }
        texts |= {"quarter": "TR", "position": "bottom_left", "touches_border": False, "clipped": False}
        texts["warnings"] = []
        rows.append({name: (named | texts).get(name, int(noise.integers(1000))) for name in schema.names})
    return pa.Table.from_pylist(rows, schema=schema)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A dataset folder of 70 shards of 240 MB that are all one file."""
    folder = tmp_path_factory.mktemp("full size")
    table = group_table()
    plain = [name for name in table.schema.names if name not in ("image", "mask")]
    (folder / "data").mkdir()
    paths = [folder / "data" / f"train-{number:05d}-of-{SHARDS:05d}.parquet" for number in range(SHARDS)]
    options: Any = {"compression": "zstd", "use_dictionary": plain, "write_statistics": plain, "write_page_index": True}
    with pq.ParquetWriter(paths[0], table.schema, **options) as writer:
        for _ in range(GROUPS):
            writer.write_table(table, row_group_size=GROUP_ROWS)
    for path in paths[1:]:
        os.link(paths[0], path)
    size = paths[0].stat().st_size
    footer_bytes = int.from_bytes(paths[0].read_bytes()[-8:-4], "little") + 8
    rows = GROUPS * GROUP_ROWS
    shards = [
        ShardEntry("default", "train", f"data/{path.name}", rows, size, footer_bytes, hashlib.sha256().hexdigest())
        for path in paths
    ]
    manifest = Manifest(
        VERSION,
        0,
        "published",
        {},
        8,
        SHARDS * rows,
        SHARDS * rows,
        {},
        {"train": SHARDS * rows},
        {"train": ["1"]},
        shards,
    )
    (folder / "manifest.json").write_bytes(manifest.to_json())
    yield folder
    for path in paths:
        path.unlink()


def draw(source: str, seed: int) -> int:
    """Open a dataset, draw a random thousand, and return the number of its rows."""
    table, _ = sample_table(open_dataset(source), n=1000, seed=seed)
    assert table["image"].combine_chunks().field("bytes")[0].as_buffer().size == IMAGE_BYTES
    return len(table)


def cost(seen: list[Seen]) -> tuple[int, int]:
    return len(seen), sum(request.sent for request in seen)


def test_a_cold_thousand_from_a_url_takes_at_most_14_requests_and_20_megabytes(folder: Path) -> None:
    with serve(folder) as server:
        for seed in range(5):
            opened._kept_footers.clear()
            server.seen.clear()
            assert draw(server.url, seed) == 1000
            requests, sent = cost(server.seen)
            kinds = Counter(request.path.split("/")[0] for request in server.seen)
            assert kinds == {"manifest.json": 1, "data": requests - 1}
            assert requests <= 9
            assert 14e6 < sent <= 20e6


def test_a_second_thousand_from_the_same_url_reads_no_footer_again(folder: Path) -> None:
    opened._kept_footers.clear()
    with serve(folder) as server:
        draw(server.url, 1)
        server.seen.clear()
        draw(server.url, 1)
        assert cost(server.seen)[0] == 5
        assert {request.status for request in server.seen} == {200, 206}


def test_a_cold_thousand_from_the_hub_takes_at_most_14_requests_with_all_redirects(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened._kept_footers.clear()
    shard = folder / "data" / f"train-00000-of-{SHARDS:05d}.parquet"
    large = Blob.large("0" * 64, shard.stat().st_size)
    files = {f"data/train-{number:05d}-of-{SHARDS:05d}.parquet": large for number in range(SHARDS)}
    manifest = Blob.regular((folder / "manifest.json").read_bytes())
    with serve_hub() as hub, shard.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        hub.objects["0" * 64] = data  # type: ignore[assignment]  # sliced as bytes are, but not in memory
        hub.repositories["lab/set"] = Repository("lab/set", private=False)
        hub.repositories["lab/set"].add_commit("main", "full size", {**files, "manifest.json": manifest})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert draw("lab/set", 0) == 1000
        statuses = Counter(request.status for request in hub.seen)
        requests, sent = cost(hub.seen)
        assert statuses == {200: 1, 302: 4, 206: 8}
        assert requests <= 14
        assert sent <= 20e6
        hub.seen.clear()
        draw("lab/set", 0)
        assert Counter(request.status for request in hub.seen) == {200: 1, 206: 4}
