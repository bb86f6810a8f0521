"""Nuclei left out, or shown alone, by their warnings: which rows of config `metadata` are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

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
        only: only nuclei with one of these warnings are chosen; empty for all.

    Raises:
        UsageError: there is no such warning, or one is both left out and wanted.
    """

    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can choose nothing."""
        wanted = [("--without", word) for word in self.without] + [("--only", word) for word in self.only]
        for option, word in wanted:
            if word not in NUCLEUS_WARNINGS:
                raise UsageError(f"{option}: there is no warning {word!r}; {_hint(word)}")
        if both := [word for word in self.only if word in self.without]:
            raise UsageError(f"--only and --without both name {both[0]}; give it to one of them.")

    def __bool__(self) -> bool:
        """Return whether any nucleus can be left out."""
        return bool(self.without or self.only)

    def chosen(self, warnings: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the chosen rows of that column, int64 (chosen,), rising."""
        chosen = np.ones(len(warnings), np.bool_)
        lists = warnings.combine_chunks()
        words, rows = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
        if self.only:
            chosen[:] = False
            chosen[rows[_is_one_of(words, self.only)]] = True
        chosen[rows[_is_one_of(words, self.without)]] = False
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
        parts = [f"with {' or '.join(self.only)}"] if self.only else []
        parts += [f"without {' or '.join(self.without)}"] if self.without else []
        return " and ".join(parts)


def _is_one_of(words: pa.Array, named: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_in(words, pa.array(named, pa.string())).to_numpy(zero_copy_only=False))


def _hint(word: str) -> str:
    """Return what a word that is no warning may have meant."""
    close = get_close_matches(word, NUCLEUS_WARNINGS, n=1)
    return f"did you mean {close[0]}?" if close else f"choose of {', '.join(NUCLEUS_WARNINGS)}."


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
