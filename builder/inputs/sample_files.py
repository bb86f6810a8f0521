"""The cells of a sample sheet, from a text file (comma, semicolon or tab) or a Parquet file."""

import codecs
import csv
import io
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.wording import counted

type_names = pa.types

Value = int | float | bool | str | None
"""A cell; None where it is empty."""

INT64, FLOAT64, BOOL, STRING = "int64", "float64", "bool", "string"

PARQUET = ".parquet"
SUFFIXES = (".csv", ".tsv", PARQUET)
DELIMITERS = ",;\t"
MOST_BYTES = 64 * 2**20
MOST_ROWS = 1_000_000
MOST_CHARACTERS = 10_000
"""Of a cell."""


@dataclass(frozen=True)
class RawSheet:
    """The cells of a sample sheet, with the place of each.

    Attributes:
        path: the file.
        columns: cells by name of the column, in file order. Those of a text file are text.
        lines: where each row begins: line of a text file, or row of a Parquet file, from 1.
        kinds: of the columns of a Parquet file; empty for a text file.
        decimal_comma: whether a comma in a number is a decimal point, as in files that Excel separates by semicolons.
    """

    path: Path
    columns: dict[str, list[Value]]
    lines: list[int]
    kinds: dict[str, str] = field(default_factory=dict)
    decimal_comma: bool = False

    def place(self, row: int) -> str:
        """Return where a row stands, for the beginning of a message."""
        return f"{unit_of(self.path).capitalize()} {self.lines[row]} of {self.path}"


def unit_of(path: Path) -> str:
    """Return what the rows of a file are counted in, in the singular."""
    return "row" if path.suffix.lower() == PARQUET else "line"


def shown(value: Value) -> str:
    """Return a cell or a name for a message, cut where it is long."""
    text = str(value)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def read_sheet(path: Path, keys: Collection[str]) -> RawSheet:
    """Read the cells of a sample sheet.

    Args:
        path: .csv, .tsv or .parquet.
        keys: names of columns that tell which delimiter is meant.

    Raises:
        UsageError: the file is missing, unreadable, too large, empty or not a table.
    """
    check_file(path)
    sheet = read_parquet(path) if path.suffix.lower() == PARQUET else read_text(path, keys)
    if not sheet.lines:
        raise UsageError(f"{path} has names of columns and no rows; it needs a row for each image or run.")
    for name, cells in sheet.columns.items():
        for row, cell in enumerate(cells):
            if isinstance(cell, str) and len(cell) > MOST_CHARACTERS:
                raise UsageError(
                    f"{sheet.place(row)} has {len(cell):,} characters in column {name}; a cell may have "
                    f"{MOST_CHARACTERS:,} at most."
                )
    return sheet


def check_file(path: Path) -> None:
    """Check what can be told about a file without reading it.

    Raises:
        UsageError: it does not exist, or has another suffix or too many bytes.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path} does not exist; give the file of the sample sheet.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not path.is_file():
        raise UsageError(f"{path} is not a file; give the file of the sample sheet.")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{path} is not a .csv, .tsv or .parquet file; save the sample sheet as one of these, in Excel as CSV UTF-8."
        )
    if size > MOST_BYTES:
        raise UsageError(f"{path} has {size:,} bytes; a sample sheet may have {MOST_BYTES:,} at most.")


def unreadable(path: Path, error: Exception) -> UsageError:
    """Return the error about a file that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0].rstrip(".")
    return UsageError(f"{path} cannot be read ({reason}); check the file and the permission to read it.")


def read_text(path: Path, keys: Collection[str]) -> RawSheet:
    """Read a text file; lines without any text are left out.

    Raises:
        UsageError: it is not a table in UTF-8.
    """
    text = decode(path)
    delimiter = delimiter_of(text, keys)
    records = split_cells(path, text, delimiter)
    header = next(records, (0, []))[1]
    check_header(path, header)
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in records:
        if len(cells) > len(header):
            raise UsageError(
                f"Line {line} of {path} has {counted(len(cells), 'cell')} and the header has {len(header)}; put a cell "
                'that has the delimiter in it between double quotes ("), or remove what is too much.'
            )
        check_row_count(path, len(rows) + 1)
        rows.append(cells + [""] * (len(header) - len(cells)))
        lines.append(line)
    columns: dict[str, list[Value]] = {name: [row[k] or None for row in rows] for k, name in enumerate(header)}
    return RawSheet(path, columns, lines, decimal_comma=delimiter == ";")


def decode(path: Path) -> str:
    """Return the text of a file in UTF-8 or, with a byte order mark, UTF-16; accents are composed (NFC).

    Raises:
        UsageError: it is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
        bad = text.find("\0")
        line = text.count("\n", 0, max(bad, 0)) + 1
    except UnicodeDecodeError as error:
        bad, line = error.start, data.count(b"\n", 0, error.start) + 1
    if bad >= 0:
        raise UsageError(
            f"{path} is not text in UTF-8 (see line {line}); save it in the encoding UTF-8, in Excel as CSV UTF-8."
        )
    return unicodedata.normalize("NFC", text)


def delimiter_of(text: str, keys: Collection[str]) -> str:
    """Return the delimiter with which the header has the most keys, then the most cells."""

    def merit(delimiter: str) -> tuple[int, int]:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
            header = next((stripped for cells in reader if any(stripped := [cell.strip() for cell in cells])), [])
        except csv.Error:
            return 0, 0
        return sum(name in keys for name in header), len(header)

    return max(DELIMITERS, key=merit)


def split_cells(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and cells of each row that has text in it, without the white space around cells.

    Raises:
        UsageError: quotes do not close.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise UsageError(
                f"Line {line} of {path} cannot be split into cells ({error}); close each quote that is opened, write "
                f'a quote inside a quoted cell twice (""), and keep cells below {MOST_CHARACTERS:,} characters.'
            ) from error
        if any(cells):
            yield line, cells


def check_header(path: Path, header: list[str]) -> None:
    """Check that there are names of columns, and that they can be told apart.

    Raises:
        UsageError: they cannot.
    """
    if not header:
        raise UsageError(f"{path} is empty; it needs a line with the names of the columns, and one for each image or run.")
    for number, name in enumerate(header, 1):
        if not name:
            raise UsageError(f"Column {number} of {path} has no name; give it one, or remove the column.")
        if name in header[: number - 1]:
            first = header.index(name) + 1
            raise UsageError(f"Columns {first} and {number} of {path} are both called {shown(name)}; rename one of them.")


def check_row_count(path: Path, rows: int) -> None:
    """Check the number of rows.

    Raises:
        UsageError: there are too many.
    """
    if rows > MOST_ROWS:
        raise UsageError(f"{path} has more than {MOST_ROWS:,} rows; a sample sheet has one for each image or run.")


def read_parquet(path: Path) -> RawSheet:
    """Read a Parquet file.

    Raises:
        UsageError: it is damaged, or a column has another type than numbers, truth values and text.
    """
    try:
        with pq.ParquetFile(path) as file:
            check_row_count(path, file.metadata.num_rows)
            header = [name.strip() for name in file.schema_arrow.names]
            check_header(path, header)
            kinds = {name: kind_of_type(kind) for name, kind in zip(header, file.schema_arrow.types, strict=True)}
            refuse_types(path, [name for name, kind in kinds.items() if not kind])
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    columns = {name: [tidy(cell) for cell in cells.to_pylist()] for name, cells in zip(header, table.columns, strict=True)}
    return RawSheet(path, columns, list(range(1, table.num_rows + 1)), kinds)


def kind_of_type(arrow: Any) -> str:
    """Return the kind of the values of an Arrow type, or "" where it is none of ours."""
    types = pa.types
    values = arrow.value_type if types.is_dictionary(arrow) else arrow
    if types.is_string(values) or types.is_large_string(values) or types.is_string_view(values):
        return STRING
    if values is not arrow:
        return ""
    if types.is_integer(values):
        return "" if types.is_uint64(values) else INT64
    if types.is_floating(values):
        return FLOAT64
    return BOOL if types.is_boolean(values) else STRING if types.is_null(values) else ""
