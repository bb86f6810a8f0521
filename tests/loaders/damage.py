"""Damages to a dataset folder that the loaders have to name."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_core.contract import MANIFEST_NAME
from nucleusnet_core.manifest import Manifest
from tests.shard_facts import facts_of


def replace_cell(folder: Path, path: str, row: int, cell: bytes | None) -> None:
    """Put other bytes into column `image` of one row of a shard, in a file that is else in order."""
    before = pq.read_metadata(folder / path)
    table = pq.read_table(folder / path)
    cells = table["image"].to_pylist()
    cells[row] = {"bytes": cell, "path": None}
    column = pa.array(cells, table.schema.field("image").type)
    table = table.set_column(0, table.schema.field("image"), column)
    plain = [name for name in table.column_names if name not in ("image", "mask")]
    group_rows = before.row_group(0).num_rows
    pq.write_table(table, folder / path, row_group_size=group_rows, compression="zstd", use_dictionary=plain)
    state_facts(folder, path)


def state_facts(folder: Path, path: str) -> None:
    """Have the manifest say what a shard is now."""
    manifest = Manifest.from_json((folder / MANIFEST_NAME).read_bytes())
    data = (folder / path).read_bytes()
    facts = facts_of(data)
    shards = [dataclasses.replace(entry, **facts) if entry.path == path else entry for entry in manifest.shards]
    (folder / MANIFEST_NAME).write_bytes(dataclasses.replace(manifest, shards=shards).to_json())
