"""Write the crops that loaders are compared on: as this project writes them, and as plain PNG in Parquet."""

import io
import itertools
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.loader_peers import CHECKSUMS, OURS, PLAIN
from benchmarks.reference import RUNS
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.shards.parquet_writer import in_groups, shard_entry, write_parquet
from builder.simulate.parameters import SimulateParameters
from builder.simulate.set_folder import write_simulated
from builder.simulate.simulate import simulate_image
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import DATA_FOLDER, DEFAULT, MANIFEST_NAME, PUBLISHED_PIXELS_PER_UM, ROW_GROUP_ROWS
from nucleusnet_core.manifest import Manifest, ShardEntry

SHARDS = 8
SPLIT = "train"
_SPARE = 1.25
"""Nuclei are simulated beyond the wanted number by this factor: some touch others or the border."""
_WINDOW_PX = 364
"""A nucleus closer to the border than half of this is dropped."""
_RUNS_IN_TURN, _IMAGES_IN_TURN = 12, 192


def make_data(folder: Path, crops: int) -> int:
    """Write the crops below `folder` as `built`, `ours` and `plain`, and return their number."""
    built = build_crops(folder, crops)
    rows = min(crops, built.rows(DEFAULT, SPLIT))
    per_shard = ceil(ceil(rows / ROW_GROUP_ROWS) / SHARDS) * ROW_GROUP_ROWS
    write_dataset(folder, OURS, built, [min(per_shard, rows - start) for start in range(0, rows, per_shard)])
    write_plain(folder)
    return rows


def build_crops(folder: Path, crops: int) -> Manifest:
    """Simulate one stitched image of each of 100 runs, and build the dataset `built` of them."""
    side_mm = sqrt(_SPARE * crops / RUNS / SimulateParameters.nuclei_per_mm2)
    size_px = max(1000, _WINDOW_PX + ceil(1000 * side_mm * PUBLISHED_PIXELS_PER_UM))
    stitched = folder / "stitched"
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(simulate_run, range(RUNS), itertools.repeat(size_px), itertools.repeat(stitched)):
            pass
    workers = os.cpu_count() or 1
    return build(BuildOptions(stitched, folder / "built", splits=f"{SPLIT}=1", workers=workers)).manifest


def simulate_run(run: int, size_px: int, folder: Path) -> None:
    """Write an image of one run."""
    block, column = divmod(run, _RUNS_IN_TURN)
    index = block * _IMAGES_IN_TURN + _RUNS_IN_TURN + column
    write_simulated(simulate_image(index, size_px=size_px), folder)


def row_groups(folder: Path, rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a folder's shards in order, `rows` in all; after the last row comes the first again."""
    paths = sorted((folder / DATA_FOLDER).glob("*.parquet"))
    while True:
        for path in paths:
            with pq.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    table = file.read_row_group(number).slice(0, rows)
                    yield table
                    rows -= len(table)
                    if not rows:
                        return


def write_dataset(folder: Path, name: str, built: Manifest, shard_rows: Sequence[int]) -> None:
    """Write the rows of `built` once more, as a dataset folder with shards of these numbers of rows."""
    groups = in_groups(row_groups(folder / "built", sum(shard_rows)), ROW_GROUP_ROWS)
    entries = []
    for number, rows in enumerate(shard_rows):
        path = f"{DATA_FOLDER}/{SPLIT}-{number:05d}-of-{len(shard_rows):05d}.parquet"
        entries.append(write_shard(folder / name, path, itertools.islice(groups, ceil(rows / ROW_GROUP_ROWS))))
    write_manifest(folder / name, built, entries)


def write_shard(folder: Path, path: str, groups: Iterable[pa.Table]) -> ShardEntry:
    """Write one shard with the project's writer."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    groups = iter(groups)
    first = next(groups)
    write_parquet(folder / path, first.schema, itertools.chain([first], groups))
    return shard_entry(folder, path, DEFAULT, SPLIT)


def write_manifest(folder: Path, built: Manifest, entries: list[ShardEntry]) -> None:
    """Write the manifest of a folder that holds these shards."""
    rows = sum(entry.rows for entry in entries)
    counts: dict[str, Any] = {"found": rows, "kept": rows, "dropped": {}, "splits": {SPLIT: rows}}
    (folder / MANIFEST_NAME).write_bytes(replace(built, shards=entries, **counts).to_json())


def write_plain(folder: Path) -> None:
    """Write the crops as ordinary PNG into Parquet as `datasets` writes it, run after run, and their checksums."""
    rows: list[tuple[int, bytes]] = []
    checksums = []
    for table in row_groups(folder / OURS, dataset_rows(folder / OURS)):
        for cell, run in zip(table["image"].to_pylist(), table["run"].to_pylist(), strict=True):
            pixels = decode_cell(cell["bytes"])
            checksums.append(zlib.crc32(pixels))
            with io.BytesIO() as file:
                Image.fromarray(pixels).save(file, "png")
                rows.append((run, file.getvalue()))
    rows.sort(key=lambda row: row[0])
    np.save(folder / CHECKSUMS, np.array(checksums, np.uint32))
    (folder / PLAIN / DATA_FOLDER).mkdir(parents=True)
    plain = plain_rows([run for run, _ in rows], [png for _, png in rows])
    for number in range(SHARDS):
        path = folder / PLAIN / DATA_FOLDER / f"{SPLIT}-{number:05d}-of-{SHARDS:05d}.parquet"
        plain.shard(SHARDS, number, contiguous=True).to_parquet(path)


def dataset_rows(folder: Path) -> int:
    """Return the number of rows of a dataset folder."""
    return Manifest.from_json((folder / MANIFEST_NAME).read_bytes()).kept


def plain_rows(runs: list[int], pngs: list[bytes]) -> datasets.Dataset:
    """Return a dataset of PNG files and the numbers of their runs."""
    features = datasets.Features({"image": datasets.Image(mode="L"), "run": datasets.Value("int32")})
    images = [{"bytes": png, "path": None} for png in pngs]
    return datasets.Dataset(pa.Table.from_pydict({"image": images, "run": runs}, schema=features.arrow_schema))


def plain_dataset(folder: Path) -> datasets.Dataset:
    """Read the plain crops again."""
    paths = sorted((folder / PLAIN / DATA_FOLDER).iterdir())
    table = pa.concat_tables(pq.read_table(path) for path in paths)
    return plain_rows(table["run"].to_pylist(), [cell["bytes"] for cell in table["image"].to_pylist()])
