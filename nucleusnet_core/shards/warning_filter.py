"""Nuclei left out, or shown alone, by their warnings: which rows of config `metadata` are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..contract import METADATA, NUCLEUS_WARNINGS
from ..dataset import OpenDataset
from ..errors import SelectionError, UsageError
from .tables import read_columns

WARNINGS = "warnings"


@dataclass(frozen=True)
class WarningFilter:
    """Which nuclei are chosen.

    Attributes:
        without: nuclei with one of these warnings are left out.
        only: only nuclei with this warning are chosen; None for all.

    Raises:
        UsageError: there is no such warning, or one is both left out and wanted.
    """

    without: tuple[str, ...] = ()
    only: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can choose nothing."""
        wanted = [("--without", word) for word in self.without]
        wanted += [("--only", self.only)] if self.only is not None else []
        for option, word in wanted:
            if word not in NUCLEUS_WARNINGS:
                raise UsageError(f"{option}: there is no warning {word!r}; choose of {', '.join(NUCLEUS_WARNINGS)}.")
        if self.only in self.without:
            raise UsageError(f"--only and --without both name {self.only}; give it to one of them.")

    def __bool__(self) -> bool:
        """Return whether any nucleus can be left out."""
        return bool(self.without) or self.only is not None

    def chosen(self, warnings: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the chosen rows of that column, int64 (chosen,), rising."""
        chosen = np.ones(len(warnings), np.bool_)
        lists = warnings.combine_chunks()
        words, rows = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
        if self.only is not None:
            chosen[:] = False
            chosen[rows[pc.equal(words, self.only).to_numpy(zero_copy_only=False)]] = True
        if self.without:
            named = pc.is_in(words, pa.array(self.without, pa.string()))
            chosen[rows[named.to_numpy(zero_copy_only=False)]] = False
        return np.flatnonzero(chosen)

    def rows(self, opened: OpenDataset, splits: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the numbers of the chosen rows through all shards of some splits; only their warnings are read.

        Raises:
            SelectionError: the dataset states no warnings of nuclei, or no nucleus is chosen.
            NucleusNetError: it is damaged or cannot be reached.
        """
        check_has_warnings(opened)
        rows = self.chosen(read_columns(opened, METADATA, [WARNINGS], splits).column(WARNINGS))
        if not rows.size:
            raise SelectionError(f"No nucleus of {' + '.join(splits)} is {self}; ask for other warnings.")
        return rows

    def __str__(self) -> str:
        """Return the choice in words, such as "without blurred or dim"."""
        parts = [f"with {self.only}"] if self.only is not None else []
        parts += [f"without {' or '.join(self.without)}"] if self.without else []
        return " and ".join(parts)


def check_has_warnings(opened: OpenDataset) -> None:
    """Refuse a dataset whose nuclei have no warnings.

    Raises:
        SelectionError: it was built before they had any.
    """
    splits = opened.manifest.splits_of(METADATA)
    if splits and WARNINGS not in opened.schema(opened.shards(METADATA, splits[0])).names:
        raise SelectionError(
            f"{opened.store.name} states no warnings of nuclei, as it was built by an older nucleusnet; build it again."
        )
