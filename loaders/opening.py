"""Opens a split of a dataset for reading in batches."""

import hashlib
import json
from collections.abc import Sequence

from nucleusnet_source.manifest import ShardEntry
from nucleusnet_source.opened import OpenDataset

from .columns import bit_depths, column_kinds
from .row_groups import list_row_groups
from .stream import Split

CONFIG = "default"


def open_split(opened: OpenDataset, entries: Sequence[ShardEntry], columns: Sequence[str]) -> Split:
    """Read the footers of the shards of a split, or of several.

    Raises:
        SelectionError: No such column.
        NucleusNetError: The dataset is damaged, changed, or cannot be reached.
    """
    groups = tuple(list_row_groups(opened, entries))
    kinds = column_kinds(opened.schema(entries), columns)
    return Split(opened, groups, kinds, bit_depths(kinds, opened.manifest))


def fingerprint(entries: Sequence[ShardEntry]) -> str:
    """Name the rows of a split and their order by 16 hexadecimal digits."""
    content = json.dumps([(entry.path, entry.rows, entry.sha256) for entry in entries])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
