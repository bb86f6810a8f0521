"""The sample sheet: a table that says for each image, run or well what was done to it, and in which split it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .names import RUN, run_text
from .sample_cells import INT64, STRING, Cells, Value, shown, unit_of
from .sample_files import read_cells
from .sample_values import SCALE, SPLIT, check_names, scales, splits, typed_column

STITCHED_IMAGE, RUN_NAME = "stitched_image", "run_name"
"""Keys that every sample sheet may use, whatever the names of the images."""


@dataclass(frozen=True)
class SampleRow:
    """What a sample sheet says about the images of one key.

    Attributes:
        values: one for each of the sheet's columns, None where the cell is empty.
        split: that its images go to, None where the sheet does not say.
        pixels_per_um: scale of its images, None where the sheet does not say.
        line: of the file (row of a Parquet file), from 1.
    """

    values: tuple[Value, ...]
    split: str | None
    pixels_per_um: float | None
    line: int


@dataclass(frozen=True)
class SampleSheet:
    """A sample sheet.

    Attributes:
        path: the file.
        keys: columns that say which images a row is for, in file order.
        columns: kind ("int64", "float64", "bool" or "string") of every other column by name, in file order, without
            `split` and `pixels_per_um`.
        rows: by the text of the keys; numbers of runs without zeros in front.
    """

    path: Path
    keys: tuple[str, ...]
    columns: dict[str, str]
    rows: dict[tuple[str, ...], SampleRow]


def read_samples(path: Path, groups: Sequence[str]) -> SampleSheet:
    """Read a sample sheet.

    Args:
        path: .csv or .tsv in UTF-8, delimited by comma, semicolon or tab, or .parquet.
        groups: names of the parts of an image's name that a row can be found by, such as "run" or "well".

    Raises:
        UsageError: the file cannot be read, a name or a cell cannot be used, or two rows have the same key.
    """
    offered = list(dict.fromkeys((STITCHED_IMAGE, RUN_NAME, *groups)))
    cells = read_cells(path, offered)
    keys = tuple(name for name in cells.columns if name in offered)
    if not keys:
        raise UsageError(
            f"{path} has no column that says which images a row is for, among {', '.join(map(shown, cells.columns))}; "
            f"it needs a column named {' or '.join(offered)}, or as a group of --name-pattern."
        )
    names = [name for name in cells.columns if name not in (*keys, SCALE, SPLIT)]
    check_names(path, names)
    typed = {name: typed_column(cells, name) for name in names}
    values = [tuple(column[row] for _, column in typed.values()) for row in range(len(cells.lines))]
    facts = zip(values, splits(cells), scales(cells), cells.lines, strict=True)
    rows = [SampleRow(*fact) for fact in facts]
    columns = {name: kind for name, (kind, _) in typed.items()}
    return SampleSheet(path, keys, columns, dict(zip(_unique_keys(cells, keys), rows, strict=True)))


def _unique_keys(cells: Cells, keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the key of each row."""
    rows = list(zip(*(_key_texts(cells, name) for name in keys), strict=True))
    first: dict[tuple[str, ...], int] = {}
    for row, key in enumerate(rows):
        other = first.setdefault(key, row)
        if other != row:
            said = ", ".join(f"{name} {shown(text)}" for name, text in zip(keys, key, strict=True))
            raise UsageError(
                f"{unit_of(cells.path).capitalize()}s {cells.lines[other]} and {cells.lines[row]} of {cells.path} are "
                f"both for {said}; leave one of them."
            )
    return rows


def _key_texts(cells: Cells, name: str) -> list[str]:
    """Return the cells of a key column as text."""
    kind = cells.kinds.get(name, STRING)
    if kind not in (INT64, STRING):
        raise UsageError(f"Column {name} of {cells.path} is {kind}; a key is text or a whole number.")
    for row, cell in enumerate(cells.columns[name]):
        if cell is None:
            raise UsageError(
                f"{cells.place(row)} has nothing in column {name}, which says which images the row is for; fill it in."
            )
    return [_key_text(name, str(cell)) for cell in cells.columns[name]]


def _key_text(name: str, text: str) -> str:
    """Return a key as it is compared: runs by their number, so that a sheet may say 2 or 02 of Run02."""
    return run_text(text) if name in (RUN, RUN_NAME) else text


def match_samples(
    sheet: SampleSheet, images: Mapping[str, Mapping[str, str | None]]
) -> tuple[dict[str, SampleRow], list[str], list[int]]:
    """Find the row of each image.

    Args:
        sheet: the sample sheet.
        images: what the name of each image says, by stem: `stitched_image`, `run_name` and the groups of the pattern.

    Returns:
        The row of each image that has one, the stems of the others, and the lines of the rows that no image uses, each
        in the order given.
    """
    keys = {
        stem: tuple(_key_text(name, fields.get(name) or "") for name in sheet.keys) for stem, fields in images.items()
    }
    matched = {stem: sheet.rows[key] for stem, key in keys.items() if key in sheet.rows}
    unmatched = [stem for stem in images if stem not in matched]
    used = set(keys.values())
    return matched, unmatched, [row.line for key, row in sheet.rows.items() if key not in used]
