"""Opens a split of a dataset for reading in batches."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from nucleusnet_source.errors import SelectionError
from nucleusnet_source.manifest import Manifest, ShardEntry

from .columns import column_kinds
from .shards import Shard, list_row_groups
from .stream import Split

CONFIG = "default"


class FolderStore:
    """Stand-in until the reading side is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        with (self.folder / path).open("rb") as file:
            file.seek(offset)
            return file.read(length)


def open_split(store: FolderStore, manifest: Manifest, split: str, columns: Sequence[str]) -> Split:
    """Read the footers of a split.

    Raises:
        SelectionError: No such split or column.
    """
    entries = manifest.shards_of(CONFIG, split)
    if not entries:
        splits = ", ".join(manifest.splits_of(CONFIG))
        raise SelectionError(f"expected a split out of {splits}, found {split!r}")
    shards = [_read_shard(store, entry) for entry in entries]
    kinds = column_kinds(shards[0].metadata.schema.to_arrow_schema(), columns)
    bits = {"image": manifest.bit_depth, "mask": 1}
    bit_depths = {name: bits[kind] for name, kind in kinds.items() if kind in bits}
    return Split(store.read_range, tuple(list_row_groups(shards)), kinds, bit_depths)


def _read_shard(store: FolderStore, entry: ShardEntry) -> Shard:
    start = entry.bytes - entry.footer_bytes
    return Shard(entry.path, entry.bytes, store.read_range(entry.path, start, entry.footer_bytes))


def fingerprint(entries: Sequence[ShardEntry]) -> str:
    """Name the rows of a split and their order by 16 hexadecimal digits."""
    content = json.dumps([(entry.path, entry.rows, entry.sha256) for entry in entries])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
