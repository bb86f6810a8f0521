"""A dataset of the published size, two shards that are written once and linked 70 times, and a Hub that serves it.

Its plain counterpart lies run after run, as it was published: the Hub puts into every shard the runs that belong there.
"""

import contextlib
import itertools
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
from datasets.arrow_writer import get_parquet_column_options, get_writer_batch_size_from_data_size

from benchmarks.loader_data import SPLIT, plain_dataset, row_groups, write_manifest, write_shard
from benchmarks.reference import ROWS, RUNS
from builder.shards.parquet_writer import in_groups
from nucleusnet_core.contract import DATA_FOLDER, MANIFEST_NAME, ROW_GROUP_ROWS
from nucleusnet_core.manifest import Manifest, ShardEntry
from tests.hub.repository import Blob, Repository
from tests.hub.server import Hub, serve_hub

FULL_SHARDS = 70
FULL, FULL_PLAIN = "full", "full-plain"
REPOSITORIES = {FULL: "user/nucleusnet", FULL_PLAIN: "user/plain"}


def full_shard_rows() -> list[int]:
    """Return the number of rows of each shard at full size; they differ by one at most."""
    edges = [ROWS * number // FULL_SHARDS for number in range(FULL_SHARDS + 1)]
    return [stop - start for start, stop in itertools.pairwise(edges)]


def write_full_size(folder: Path) -> None:
    """Write two shards of the full size, link them 70 times to a dataset, and write their plain counterparts."""
    built = Manifest.from_json((folder / "built" / MANIFEST_NAME).read_bytes())
    written: dict[int, ShardEntry] = {}
    entries = []
    plain = plain_dataset(folder)
    (folder / FULL_PLAIN).mkdir()
    for number, rows in enumerate(full_shard_rows()):
        path = f"{DATA_FOLDER}/{SPLIT}-{number:05d}-of-{FULL_SHARDS:05d}.parquet"
        if rows in written:
            os.link(folder / FULL / written[rows].path, folder / FULL / path)
        else:
            groups = in_groups(row_groups(folder / "built", rows), ROW_GROUP_ROWS)
            written[rows] = write_shard(folder / FULL, path, groups)
            write_full_plain(folder / FULL_PLAIN / f"{rows}.parquet", plain, rows)
        entries.append(replace(written[rows], path=path))
    write_manifest(folder / FULL, built, entries)


def write_full_plain(path: Path, plain: datasets.Dataset, rows: int) -> None:
    """Write a plain shard of the full size with uncompressed runs, so that `RunFile` can replace them.

    Its row groups have the size that `datasets` would choose.
    """
    table = plain.data.table.take(np.arange(rows) % len(plain))
    options = get_parquet_column_options(plain.features, table.schema)
    options["compression"]["run"] = "NONE"
    options["use_dictionary"] = [name for name in options["use_dictionary"] if name != "run"]
    group_rows = get_writer_batch_size_from_data_size(rows, table.nbytes)
    pq.write_table(table, path, row_group_size=group_rows, use_content_defined_chunking=True, **options)


@dataclass(frozen=True)
class RunFile:
    """A plain shard of the full size as part of a dataset that lies run after run; sliced like bytes.

    Attributes:
        base: the shard as it was written.
        patches: offset and bytes of the runs of each row group.
    """

    base: mmap.mmap
    patches: Sequence[tuple[int, bytes]]

    @classmethod
    def open(cls, path: Path, first_row: int) -> "RunFile":
        """Open a shard whose first row is row `first_row` of the dataset."""
        patches = []
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            runs = 1 + np.arange(first_row, first_row + group.num_rows) * RUNS // ROWS
            chunk = group.column(group.num_columns - 1)
            stop = chunk.data_page_offset + chunk.total_compressed_size
            patches.append((stop - 4 * group.num_rows, runs.astype("<i4").tobytes()))
            first_row += group.num_rows
        return cls(mapped(path), patches)

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        data = bytearray(self.base[start:stop])
        for offset, patch in self.patches:
            first, last = max(start, offset), min(stop, offset + len(patch))
            if first < last:
                data[first - start : last - start] = patch[first - offset : last - offset]
        return bytes(data)


def full_files(folder: Path, name: str) -> dict[str, Any]:
    """Return the files of a dataset of the full size as a repository holds them; shards are mapped, not read.

    Args:
        folder: where `write_full_size` wrote.
        name: `FULL` or `FULL_PLAIN`.
    """
    files: dict[str, Any] = {}
    if name == FULL:
        files[MANIFEST_NAME] = (folder / FULL / MANIFEST_NAME).read_bytes()
    first_row = 0
    for number, rows in enumerate(full_shard_rows()):
        path = f"{DATA_FOLDER}/{SPLIT}-{number:05d}-of-{FULL_SHARDS:05d}.parquet"
        if name == FULL:
            files[path] = mapped(folder / FULL / path)
        else:
            files[path] = RunFile.open(folder / FULL_PLAIN / f"{rows}.parquet", first_row)
        first_row += rows
    return files


def mapped(path: Path) -> mmap.mmap:
    """Return a file mapped into memory, read only."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@contextlib.contextmanager
def served_hub(folder: Path, latency_s: float) -> Iterator[Hub]:
    """Run a Hub on this machine with both datasets of the full size, each row of the plain one with its true run."""
    with serve_hub() as hub:
        for name, repository in REPOSITORIES.items():
            files = {}
            for path, content in full_files(folder, name).items():
                key = f"{len(hub.objects):064x}"
                hub.objects[key] = content
                files[path] = Blob.large(key, len(content))
            hub.repositories[repository] = Repository(repository, private=False)
            hub.repositories[repository].add_commit("main", "all", files)
        hub.latency_seconds = latency_s
        yield hub
