"""What the cells of a sample sheet mean: kinds of columns, scales, splits, and names that a column may have."""

import math
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ..contract import INTENSITY_COLUMNS, RESERVED_COLUMNS, channel_column
from ..errors import UsageError
from ..terminal.wording import counted
from .sample_cells import BOOL, FLOAT64, INT64, STRING, Cells, Value, shown

SCALE, SPLIT = "pixels_per_um", "split"
"""Columns that are read, and become none of their own."""

_OF_CHANNELS = tuple(channel_column(name, "") for name in ("image", "mask", *INTENSITY_COLUMNS))
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LETTERS = str.maketrans({"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u", "%": "percent"})


def is_ours(name: str) -> bool:
    """Return whether a name is that of a column that every dataset has, or may have for a channel."""
    return name in RESERVED_COLUMNS or name.startswith(_OF_CHANNELS)


def is_plain_name(name: str) -> bool:
    """Return whether a name has letters of English, digits and _ alone, and begins with no digit."""
    return bool(_PLAIN_NAME.fullmatch(name))


def check_names(path: Path, names: Iterable[str]) -> None:
    """Check the names of columns that become columns of the dataset.

    Raises:
        UsageError: one is not a plain name, or is ours.
    """
    names = list(names)
    odd = [f"{shown(name)} to {plain_name(name)}" for name in names if not is_plain_name(name)]
    if odd:
        raise UsageError(
            f"{path} has {counted(len(odd), 'column name')} with other signs than letters, digits and _, or a digit "
            f"in front; rename {', '.join(odd)}."
        )
    ours = [f"{name} to sample_{name}" for name in names if is_ours(name)]
    if ours:
        raise UsageError(
            f"{path} has {counted(len(ours), 'column')} with a name that columns of NucleusNet have; rename "
            f"{', '.join(ours)}, for example."
        )


def plain_name(name: str) -> str:
    """Return a plain name that resembles the name of a column.

    >>> plain_name("dose (µM)"), plain_name("24 h"), plain_name("Größe")
    ('dose_uM', 'column_24_h', 'Grosse')
    """
    text = name.translate(_LETTERS).replace("ß", "ss")
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", ascii_text).strip("_")
    return plain if plain[:1].isalpha() else f"column_{plain}".rstrip("_")


def typed_column(cells: Cells, name: str) -> tuple[str, list[Value]]:
    """Return kind and values of a column.

    Raises:
        UsageError: commas in its numbers may mean two things.
    """
    column = cells.columns[name]
    if cells.kinds:
        return cells.kinds[name], column
    texts = [None if cell is None else _with_point(str(cell)) for cell in column]
    kind = _kind_of_column({_kind_of_text(text) for text in texts if text is not None})
    if kind == STRING:
        return kind, column
    if kind == BOOL:
        return kind, [None if text is None else text.lower() == "true" for text in texts]
    _check_commas(cells, name)
    number = int if kind == INT64 else float
    return kind, [None if text is None else number(text) for text in texts]


def _with_point(text: str) -> str:
    return text.replace(",", ".") if text.count(",") == 1 else text


def _kind_of_text(text: str) -> str:
    if text.lower() in ("true", "false"):
        return BOOL
    if _WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return INT64
    decimal = _NUMBER.fullmatch(text) and not text.lstrip("+-").isdecimal() and math.isfinite(float(text))
    return FLOAT64 if decimal else STRING


def _kind_of_column(kinds: set[str]) -> str:
    if kinds == {INT64, FLOAT64}:
        return FLOAT64
    return kinds.pop() if len(kinds) == 1 else STRING


def _check_commas(cells: Cells, name: str) -> None:
    """Refuse a comma in a number where it may be for thousands."""
    column = list(map(str, cells.columns[name]))
    commas = [row for row, text in enumerate(column) if "," in text]
    if commas and not (cells.decimal_comma and not any("." in text for text in column)):
        row = commas[0]
        raise UsageError(
            f"{cells.place(row)} has {shown(column[row])} in column {name}, where the comma may be a decimal point or "
            "be there for thousands; write the numbers of this column with a decimal point, and "
            "without a sign for thousands."
        )


def scales(cells: Cells) -> list[float | None]:
    """Return the scale of each row, px/um; None where the sheet has none.

    Raises:
        UsageError: one is not a number above 0.
    """
    column = cells.columns.get(SCALE, [None] * len(cells.lines))
    return [None if cell is None else _scale(cells, row, cell) for row, cell in enumerate(column)]


def _scale(cells: Cells, row: int, cell: int | float | bool | str) -> float:
    number = math.nan
    if isinstance(cell, str):
        text = _with_point(cell) if cells.decimal_comma else cell
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
    elif not isinstance(cell, bool):
        number = float(cell)
    if not 0 < number < math.inf:
        raise UsageError(f"{cells.place(row)} has {shown(cell)} in column {SCALE}; give a number above 0, such as 3.1.")
    return number


def splits(cells: Cells) -> list[str | None]:
    """Return the split of each row; None where the sheet has none.

    Raises:
        UsageError: one is not a plain name, is "all", or differs from another only by upper and lower case.
    """
    column = cells.columns.get(SPLIT, [None] * len(cells.lines))
    written: dict[str, str] = {}
    for row, cell in enumerate(column):
        name = str(cell)
        if cell is None:
            continue
        if not _PLAIN_NAME.fullmatch(name) or name.lower() == "all":
            raise UsageError(
                f"{cells.place(row)} has {shown(cell)} in column {SPLIT}; give a name of letters, digits and _ that "
                'does not begin with a digit and is not "all", such as train.'
            )
        if written.setdefault(name.lower(), name) != name:
            raise UsageError(
                f"{cells.place(row)} has {name} in column {SPLIT}, and other rows have {written[name.lower()]}; write "
                "each split in one way."
            )
    return [None if cell is None else str(cell) for cell in column]
