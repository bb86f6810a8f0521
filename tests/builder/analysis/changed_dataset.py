"""Dataset folders whose tables say something else than they were made to."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.shard_facts import facts_of


def change_column(folder: Path, path: str, column: str, first_values: Sequence[object]) -> None:
    """Change the first values of a column of one Parquet file of a dataset folder, and make its manifest fit."""
    table = pq.read_table(folder / path)
    place = table.column_names.index(column)
    field = table.schema.field(place)
    values = [*first_values, *table.column(place).to_pylist()[len(first_values) :]]
    pq.write_table(table.set_column(place, field, pa.array(values, field.type)), folder / path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    data = (folder / path).read_bytes()
    entry = next(shard for shard in manifest["shards"] if shard["path"] == path)
    entry |= facts_of(data)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
