"""The cells of a sample sheet with the place of each, and what holds for every sheet, whatever its file."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError

Value = int | float | bool | str | None
"""A cell; None where it is empty."""

INT64, FLOAT64, BOOL, STRING = "int64", "float64", "bool", "string"

PARQUET = ".parquet"
MOST_ROWS = 1_000_000
MOST_CHARACTERS = 10_000
"""Of a cell."""
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Cells:
    """The cells of a sample sheet.

    Attributes:
        path: the file.
        columns: cells by name of the column, in file order; those of a text file are text.
        lines: where each row begins: line of a text file, row of a Parquet file, from 1.
        kinds: of the columns of a Parquet file; empty for a text file.
        decimal_comma: whether a comma in a number is its decimal point, as in files that Excel separates by semicolons.
    """

    path: Path
    columns: dict[str, list[Value]]
    lines: list[int]
    kinds: dict[str, str] = field(default_factory=dict)
    decimal_comma: bool = False

    def place(self, row: int) -> str:
        """Return where a row stands, as the beginning of a message."""
        return f"{unit_of(self.path).capitalize()} {self.lines[row]} of {self.path}"


def unit_of(path: Path) -> str:
    """Return what the rows of a file are counted in, in the singular."""
    return "row" if path.suffix.lower() == PARQUET else "line"


def shown(value: Value) -> str:
    """Return a cell or a name in quotes, cut where it is long."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}...")


def check_header(path: Path, header: list[str]) -> None:
    """Check that there are names of columns, and that they can be told apart.

    Raises:
        UsageError: they cannot.
    """
    if not header:
        raise UsageError(f"{path} is empty; it needs a line with names of columns, and one for each image or run.")
    for number, name in enumerate(header, 1):
        if not name:
            raise UsageError(f"Column {number} of {path} has no name; give it one, or remove the column.")
        first = header.index(name) + 1
        if first < number:
            raise UsageError(
                f"Columns {first} and {number} of {path} are both called {shown(name)}; rename one of them."
            )


def check_row_count(path: Path, rows: int) -> None:
    """Check that a sheet is not too long.

    Raises:
        UsageError: it is.
    """
    if rows > MOST_ROWS:
        raise UsageError(
            f"{path} has more than {MOST_ROWS:,} rows; give a sample sheet with a row for each image or run."
        )


def check_cells(cells: Cells) -> None:
    """Check that there are rows, and that no cell is too long.

    Raises:
        UsageError: there are none, or one is.
    """
    if not cells.lines:
        raise UsageError(f"{cells.path} has names of columns and no rows; it needs a row for each image or run.")
    for name, column in cells.columns.items():
        for row, cell in enumerate(column):
            if isinstance(cell, str) and len(cell) > MOST_CHARACTERS:
                raise UsageError(
                    f"{cells.place(row)} has {len(cell):,} characters in column {shown(name)}; a cell may have "
                    f"{MOST_CHARACTERS:,} at most."
                )
