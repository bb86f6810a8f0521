"""Reads the cells of a sample sheet from a text file (comma, semicolon or tab) or a Parquet file."""

import codecs
import csv
import io
import math
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import CorruptDataError, UsageError
from ..parquet.files import open_parquet
from ..terminal.wording import counted
from .sample_cells import (
    BOOL,
    FLOAT64,
    INT64,
    MOST_CHARACTERS,
    PARQUET,
    STRING,
    Cells,
    Value,
    check_cells,
    check_header,
    check_row_count,
    shown,
)

SUFFIXES = (".csv", ".tsv", PARQUET)
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
MOST_BYTES = 64 * 2**20


def read_cells(path: Path, keys: Collection[str]) -> Cells:
    """Read the cells of a sample sheet.

    Args:
        path: .csv, .tsv or .parquet.
        keys: names of columns, by which the delimiter of a text file is told.

    Raises:
        UsageError: the file is missing, unreadable, too large, empty or not a table.
    """
    _check_file(path)
    cells = _read_parquet(path) if path.suffix.lower() == PARQUET else _read_text(path, keys)
    check_cells(cells)
    return cells


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path} does not exist; give the file of the sample sheet.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if not path.is_file():
        raise UsageError(f"{path} is not a file; give the file of the sample sheet.")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{path} is not a .csv, .tsv or .parquet file; save the sheet as one of these, in Excel as CSV UTF-8."
        )
    if size > MOST_BYTES:
        raise UsageError(f"{path} has {size:,} bytes; a sample sheet may have {MOST_BYTES:,} at most.")


def _unreadable(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0].rstrip(".")
    return UsageError(f"{path} cannot be read ({reason}); check that the file is whole and that you may read it.")


def _read_text(path: Path, keys: Collection[str]) -> Cells:
    text = _decode(path)
    delimiter = _delimiter(path, text, keys)
    records = _records(path, text, delimiter)
    header = next(records, (0, []))[1]
    check_header(path, header)
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in records:
        if len(cells) > len(header):
            raise UsageError(
                f"Line {line} of {path} has {counted(len(cells), 'cell')} and the header has {len(header)}; put a cell "
                f'that holds {DELIMITERS[delimiter]} between double quotes ("), or remove the cells too many.'
            )
        check_row_count(path, len(rows) + 1)
        rows.append(cells + [""] * (len(header) - len(cells)))
        lines.append(line)
    columns: dict[str, list[Value]] = {name: [row[k] or None for row in rows] for k, name in enumerate(header)}
    return Cells(path, columns, lines, decimal_comma=delimiter == ";")


def _decode(path: Path) -> str:
    """Return the text of a file in UTF-8 or, with a byte order mark, UTF-16; accents are composed (NFC)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
        bad = text.find("\0")
        before = text[: max(bad, 0)].count("\n")
    except UnicodeDecodeError as error:
        bad, before = error.start, data[: error.start].count(b"\n")
    if bad >= 0:
        raise UsageError(
            f"{path} is not text in UTF-8 (see line {before + 1}); save it in UTF-8, in Excel as CSV UTF-8."
        )
    return unicodedata.normalize("NFC", text)


def _delimiter(path: Path, text: str, keys: Collection[str]) -> str:
    """Return the delimiter by which the header has the most keys, then the most cells."""

    def merit(delimiter: str) -> tuple[int, int]:
        try:
            _, header = next(_records(path, text, delimiter, strict=False), (0, []))
        except UsageError:
            return 0, 0
        return sum(name in keys for name in header), len(header)

    return max(DELIMITERS, key=merit)


def _records(path: Path, text: str, delimiter: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and cells of each row that has text in it, without the white space around cells.

    Args:
        path: for messages.
        text: of the file.
        delimiter: of cells.
        strict: refuse text behind a closed quote, and a quote that stays open to the end.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict)
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


def _read_parquet(path: Path) -> Cells:
    try:
        with open_parquet(path) as file:
            check_row_count(path, file.metadata.num_rows)
            header = [name.strip() for name in file.schema.names]
            check_header(path, header)
            kinds = _kinds(path, dict(zip(header, file.schema.types, strict=True)))
            arrays = file.read().columns
        columns = {name: _values(array, kinds[name]) for name, array in zip(header, arrays, strict=True)}
    except (pa.ArrowException, OSError, UnicodeDecodeError, CorruptDataError) as error:
        raise _unreadable(path, error) from error
    return Cells(path, columns, list(range(1, len(arrays[0]) + 1)), kinds)


def _kinds(path: Path, types: dict[str, Any]) -> dict[str, str]:
    """Return the kind of each column of a Parquet file by name."""
    kinds = {name: _kind(arrow) for name, arrow in types.items()}
    refused = ", ".join(f"{shown(name)} ({types[name]})" for name, kind in kinds.items() if not kind)
    if refused:
        raise UsageError(
            f"{path} has columns that are not whole numbers, decimals, true or false, or text: {refused}; change or "
            "remove them."
        )
    return kinds


def _kind(arrow: Any) -> str:
    """Return the kind of an Arrow type, "" where it is none of ours."""
    types = pa.types
    if types.is_dictionary(arrow):
        return _kind(arrow.value_type)
    if types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow) or types.is_null(arrow):
        return STRING
    if types.is_integer(arrow):
        return INT64
    return FLOAT64 if types.is_floating(arrow) else BOOL if types.is_boolean(arrow) else ""


def _values(array: Any, kind: str) -> list[Value]:
    """Return the cells of a column of a Parquet file; NaN and text without signs are empty."""
    if kind == STRING:
        return [unicodedata.normalize("NFC", cell or "").strip() or None for cell in array.to_pylist()]
    cells = (array.cast(pa.int64()) if kind == INT64 else array).to_pylist()
    return [None if cell is None or math.isnan(cell) else cell for cell in cells]
