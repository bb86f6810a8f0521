"""Draws random rows of a dataset: chosen by arithmetic, then read."""

from collections.abc import Sequence

import pyarrow as pa

from ..contract import DEFAULT
from ..dataset import OpenDataset
from ..errors import SelectionError
from ..shards.rows import Picks, ReadReport, fetch_rows
from .choose import choose_rows


def sample_table(
    opened: OpenDataset,
    *,
    n: int,
    split: str = "train",
    seed: int | None = None,
    columns: Sequence[str] | None = None,
    method: str = "blocks",
) -> tuple[pa.Table, ReadReport]:
    """Draw n distinct random rows of config default.

    Args:
        opened: the dataset.
        n: number of rows.
        split: a split, or several, such as "train+test", whose rows all have the same chance.
        seed: the same one draws the same rows of the same dataset, wherever it is; None for a new one each time.
        columns: wanted columns; None for all.
        method: "blocks" or "rows", see `nucleusnet_core.sampling.choose`.

    Returns:
        The rows in random order, and what was read for them besides the manifest.

    Raises:
        SelectionError: there is no such split or column, or there are fewer than n rows.
        UsageError: there is no such method, or the seed cannot be used.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    return fetch_rows(opened, choose_picks(opened, n=n, split=split, seed=seed, method=method), columns)


def choose_picks(
    opened: OpenDataset, *, n: int, split: str = "train", seed: int | None = None, method: str = "blocks"
) -> Picks:
    """Choose the rows that `sample_table` reads, from the manifest alone; arguments and errors are the same."""
    entries = opened.shards(DEFAULT, split)
    try:
        rows = choose_rows([entry.rows for entry in entries], n, seed=seed, method=method)
    except SelectionError as error:
        raise SelectionError(f"{opened.store.name}, split {split}: {error}") from error
    return Picks(tuple(entries), rows)
