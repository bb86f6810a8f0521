"""Columns of a config of a published dataset, all rows of them; of the other columns nothing is read."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from nucleusnet_source.errors import SelectionError
from nucleusnet_source.fetch import Picks, fetch_rows
from nucleusnet_source.opened import OpenDataset


def read_columns(opened: OpenDataset, config: str, columns: Sequence[str], splits: Sequence[str] = ()) -> pa.Table:
    """Return some columns of all rows of a config, split by split.

    Args:
        opened: the dataset.
        config: one of its configs.
        columns: the wanted columns.
        splits: the wanted splits, all by default.

    Raises:
        SelectionError: there is no such config, split or column, or there are no rows.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    entries = opened.shards(config, "+".join(splits or opened.manifest.splits_of(config)))
    every_row = np.arange(sum(entry.rows for entry in entries), dtype=np.int64)
    if not every_row.size:
        raise SelectionError(f"{opened.store.name}: rows of config {config} expected, none found.")
    return fetch_rows(opened, Picks(tuple(entries), every_row), columns)[0]
