"""Draws random rows of a dataset: chosen by arithmetic, then read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..contract import DEFAULT
from ..dataset import OpenDataset
from ..errors import SelectionError
from ..manifest import ShardEntry
from ..shards.rows import Picks, ReadReport, fetch_rows
from ..shards.warning_filter import WarningFilter
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
    return candidates(opened, split).picks(n, seed=seed, method=method)


@dataclass(frozen=True)
class Candidates:
    """The rows that a sample may take, each with the same chance.

    Attributes:
        name: of them, in messages.
        entries: the shards, in order.
        rows: int64 (rows,), their numbers through all shards, rising; None for all rows.
    """

    name: str
    entries: tuple[ShardEntry, ...]
    rows: npt.NDArray[np.int64] | None = None

    @property
    def shard_rows(self) -> list[int]:
        """Rows of each shard that may be taken."""
        sizes = [entry.rows for entry in self.entries]
        if self.rows is None:
            return sizes
        ends = np.searchsorted(self.rows, np.cumsum(sizes))
        return [int(rows) for rows in np.diff(ends, prepend=0)]

    def picks(self, n: int, *, seed: int | None, method: str) -> Picks:
        """Choose n of the rows; see `sample_table`.

        Raises:
            SelectionError: there are fewer.
            UsageError: there is no such method, or the seed cannot be used.
        """
        try:
            places = choose_rows(self.shard_rows, n, seed=seed, method=method)
        except SelectionError as error:
            raise SelectionError(f"{self.name}: {error}") from error
        return Picks(self.entries, places if self.rows is None else self.rows[places])


def candidates(opened: OpenDataset, split: str, wanted: WarningFilter | None = None) -> Candidates:
    """Return the rows that a sample of a split may take.

    Args:
        opened: the dataset.
        split: a split, or several, such as "train+test".
        wanted: which nuclei may be taken, by their warnings, which are read from config metadata; None for all.

    Raises:
        SelectionError: there is no such split, no nucleus is left, or the dataset states no warnings.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    entries, name = tuple(opened.shards(DEFAULT, split)), f"{opened.store.name}, split {split}"
    if not wanted:
        return Candidates(name, entries)
    rows = wanted.rows(opened, [part.strip() for part in split.split("+")])
    return Candidates(f"{name}, nuclei {wanted}", entries, rows)
