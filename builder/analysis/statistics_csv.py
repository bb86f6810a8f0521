"""Statistics of stitched images as a CSV file in the published form."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from nucleusnet_core.errors import NucleusNetError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.spreadsheet import csv_table, unquoted_text
from nucleusnet_core.terminal.outputs import writing
from nucleusnet_core.terminal.wording import counted

from .statistics import DECIMALS, ImageStatistics

COLUMNS = ("image", "num_rois", "mean_intensity", "std_intensity")
MAX_CSV_BYTES = 1 << 28
_MAX_NUMBER = 1e9  # squares of larger numbers would lose digits or overflow
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SHOWN_PROBLEMS = 10


class StatisticsTableError(NucleusNetError):
    """A table of statistics cannot be used; names the lines."""


def read_statistics_csv(path: Path) -> list[ImageStatistics]:
    """Read a table with the columns image, num_rois, mean_intensity, std_intensity, in any order, among others.

    Where num_rois is 0 the intensities may be empty or NaN. Fields may be separated by semicolons or tabs, and numbers
    then have decimal commas, as spreadsheets write them in many languages.

    Raises:
        StatisticsTableError: it cannot be read, a column is missing, a value is not a number, or a name occurs twice;
            lists the lines.
    """
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise StatisticsTableError(f"{path} is larger than {MAX_CSV_BYTES >> 20} MiB; check that it is a CSV.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StatisticsTableError(
            f"{path} cannot be read ({error.strerror or error}); give a CSV, a folder or a dataset."
        ) from error
    except UnicodeDecodeError as error:
        raise StatisticsTableError(
            f"{path} is not a text in UTF-8 (see byte {error.start}); save it as CSV UTF-8."
        ) from error
    return parse_statistics_csv(text, path.name)


def parse_statistics_csv(text: str, name: str) -> list[ImageStatistics]:
    """Parse the text of a table; see `read_statistics_csv`.

    Args:
        text: the whole file.
        name: how error messages call it.

    Raises:
        StatisticsTableError: as `read_statistics_csv`.
    """
    separator = separator_of(text)
    decimal = "." if separator == "," else ","
    lines = numbered_rows(text, name, separator)
    columns = check_header(next(lines, (1, [])), name)
    found: list[ImageStatistics] = []
    line_of: dict[str, int] = {}
    problems: list[str] = []
    for line, fields in lines:
        try:
            one = parse_row(fields, columns, decimal)
            if one.image in line_of:
                raise ValueError(f"{one.image!r} is in line {line_of[one.image]} too; keep one line for each image.")
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        line_of[one.image] = line
        found.append(one)
    if problems:
        more = [f"and {len(problems) - _SHOWN_PROBLEMS:,} more"] if len(problems) > _SHOWN_PROBLEMS else []
        listed = "\n".join(f"  {problem}" for problem in [*problems[:_SHOWN_PROBLEMS], *more])
        remedy = "cannot be used; correct or remove"
        bad = counted(len(problems), f"line {remedy} it", f"lines {remedy} them")
        raise StatisticsTableError(f"{name}: {bad}:\n{listed}")
    if not found:
        raise StatisticsTableError(f"{name} has a header but no images; check that it is the right file.")
    return found


def separator_of(text: str) -> str:
    """Return what separates the fields of a table: semicolon or tab where the header has no comma."""
    header = next(iter(text.strip().splitlines()), "")
    return next((mark for mark in ";\t" if mark in header and "," not in header), ",")


def numbered_rows(text: str, name: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of the line in which each begins, from 1; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begin = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield begin, [field.strip() for field in fields]
            begin = reader.line_num + 1
    except csv.Error as error:
        raise StatisticsTableError(
            f"{name}, line {begin}, cannot be split into fields at {separator!r} ({error}); save the table as CSV "
            "again."
        ) from error


def check_header(first: tuple[int, list[str]], name: str) -> dict[str, int]:
    """Return the place of each needed column.

    Raises:
        StatisticsTableError: columns are missing or occur twice; says which, and which there are.
    """
    line, found = first
    missing = [column for column in COLUMNS if column not in found]
    twice = [column for column in COLUMNS if found.count(column) > 1]
    if not missing and not twice:
        return {column: found.index(column) for column in COLUMNS}
    fault = f"missing: {', '.join(missing)}" if missing else f"there twice: {', '.join(twice)}"
    there = f"has the columns {', '.join(found)}" if found else "names no columns"
    raise StatisticsTableError(
        f"{name}, line {line}, {there} ({fault}); name each of {', '.join(COLUMNS)} once in the first line."
    )


def parse_row(fields: list[str], columns: dict[str, int], decimal: str) -> ImageStatistics:
    """Return what one row says.

    Raises:
        ValueError: it cannot be used; says why.
    """
    if len(fields) <= max(columns.values()):
        raise ValueError(f"there are {len(fields)} fields; at least {max(columns.values()) + 1} are needed.")
    image, rois_text, mean_text, std_text = (fields[columns[column]] for column in COLUMNS)
    if not image:
        raise ValueError("the name of the image is missing.")
    rois = parse_number("num_rois", rois_text, decimal)
    if rois != int(rois):
        raise ValueError(f"num_rois is {rois_text!r}, which is not a whole number.")
    name = unicodedata.normalize("NFC", unquoted_text(image))
    if rois == 0 and all(text.lower() in ("", "nan") for text in (mean_text, std_text)):
        return ImageStatistics(name, 0, None, None)
    mean = parse_number("mean_intensity", mean_text, decimal)
    std = parse_number("std_intensity", std_text, decimal)
    return ImageStatistics(name, int(rois), mean, std) if rois else ImageStatistics(name, 0, None, None)


def parse_number(column: str, text: str, decimal: str) -> float:
    """Return a number of a table; besides the point, `decimal` may stand before its decimals.

    Raises:
        ValueError: it is not a number, negative, or above a thousand million.
    """
    plain = text.replace(decimal, ".")
    if not _NUMBER.fullmatch(plain):
        raise ValueError(f"{column} is {text!r}, which is not a number.")
    number = float(plain)
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError(f"{column} is {text!r}; it must be between 0 and {_MAX_NUMBER:,.0f}.")
    return number


def statistics_csv(measured: Iterable[ImageStatistics]) -> str:
    """Return the table sorted by name; intensities have 4 decimals, and are empty without regions of interest."""
    rows: list[tuple[object, ...]] = [COLUMNS]
    for one in sorted(measured, key=lambda one: one.image):
        values = ("" if value is None else f"{value:.{DECIMALS}f}" for value in (one.mean_intensity, one.std_intensity))
        rows.append((one.image, one.num_rois, *values))
    return csv_table(rows)


def write_statistics_csv(path: Path, measured: Iterable[ImageStatistics]) -> None:
    """Write the table in UTF-8, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with writing(path, "--csv"):
        write_bytes_atomic(path, statistics_csv(measured).encode())
