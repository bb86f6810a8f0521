"""Opens a split of a dataset for reading in batches."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.manifest import ShardEntry

from .columns import ColumnKind, bit_depths, column_kinds
from .row_group_reads import RowGroup, list_row_groups


@dataclass(frozen=True)
class Split:
    """What a process needs to know of a split to read from it.

    Attributes:
        opened: The dataset, with the footers of the split.
        groups: The row groups of the split.
        kinds: The wanted columns.
        bit_depths: Bits of a pixel of each column of cells.
    """

    opened: OpenDataset
    groups: tuple[RowGroup, ...]
    kinds: Mapping[str, ColumnKind]
    bit_depths: Mapping[str, int]


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
