"""A split of a dataset, open for reading: where its row groups lie, and what becomes of its wanted columns."""

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
    """What a process needs to know of a split to read from it; may be pickled.

    Attributes:
        opened: the dataset, with the footers of the split.
        groups: the row groups of the split, in the order of the manifest.
        kinds: what each wanted column becomes, in the order of a batch.
        bit_depths: bits of a pixel of each wanted column of cells.
    """

    opened: OpenDataset
    groups: tuple[RowGroup, ...]
    kinds: Mapping[str, ColumnKind]
    bit_depths: Mapping[str, int]


def open_split(opened: OpenDataset, entries: Sequence[ShardEntry], columns: Sequence[str]) -> Split:
    """Read the footers of the shards of a split, or of several that are read as one.

    Args:
        opened: the dataset.
        entries: the shards.
        columns: the wanted columns.

    Raises:
        SelectionError: there is no such column.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    groups = tuple(list_row_groups(opened, entries))
    kinds = column_kinds(opened.schema(entries), columns)
    return Split(opened, groups, kinds, bit_depths(kinds, opened.manifest))


def fingerprint(entries: Sequence[ShardEntry]) -> str:
    """Return 16 hexadecimal digits that stand for the rows of some shards and their order."""
    content = json.dumps([(entry.path, entry.rows, entry.sha256) for entry in entries])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
