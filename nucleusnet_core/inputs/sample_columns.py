"""What a sample sheet adds to the images of a folder, and what splits keep together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..terminal.wording import counted
from .names import Names
from .sample_cells import STRING, Value, shown, unit_of
from .samples import RUN_NAME, STITCHED_IMAGE, SampleRow, SampleSheet, match_samples, read_samples

_SHOWN = 3


@dataclass(frozen=True)
class Samples:
    """What is known about images beyond themselves.

    Attributes:
        columns: kind of the dataset's own columns by name: groups of the name pattern, then columns of the sheet.
        rows: of the sample sheet, by stem; an image without a row has none here.
        group_by: the column whose values splits keep together.
    """

    columns: dict[str, str]
    group_by: str
    rows: Mapping[str, SampleRow] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What is known about an image.

    Attributes:
        columns: name and value of the dataset's own columns.
        group: what splits keep together.
        split: that the sheet gives, or None.
        pixels_per_um: that the sheet gives, or None.
    """

    columns: tuple[tuple[str, Value], ...]
    group: str
    split: str | None
    pixels_per_um: float | None


def read_sample_columns(
    names: Names, paired: Collection[str], path: Path | None, *, missing_null: bool, group_by: str
) -> Samples:
    """Read the sample sheet of a folder, and check it against the images that are there.

    Args:
        names: what the names of all images say.
        paired: stems of the images that have masks.
        path: the sample sheet, None for none.
        missing_null: images without a row get nulls.
        group_by: the column whose values splits keep together.

    Raises:
        UsageError: the sheet cannot be used, an image with a mask has no row, a row has no image, or there is no column
            to group by.
    """
    columns = dict.fromkeys(names.columns, STRING)
    rows: dict[str, SampleRow] = {}
    if path is not None:
        sheet = read_samples(path, names.groups)
        columns |= sheet.columns
        rows = _rows_of(sheet, names, paired, missing_null=missing_null)
    offered = list(dict.fromkeys([RUN_NAME, *names.groups, *columns]))
    if group_by not in offered:
        raise UsageError(
            f"--group-by {group_by}: there is no such column; there {'is' if len(offered) == 1 else 'are'} "
            f"{', '.join(offered)}. Others come from named groups of --name-pattern and from --samples."
        )
    samples = Samples(columns, group_by, rows)
    if group_by != RUN_NAME and paired and all(_value(stem, names, samples) is None for stem in paired):
        raise UsageError(f"--group-by {group_by}: no image has a value in this column; group by another column.")
    return samples


def describe(stem: str, names: Names, samples: Samples) -> Description:
    """Return what is known about an image; its group is its run_name where the value to group by is null."""
    row = samples.rows.get(stem)
    value = _value(stem, names, samples)
    return Description(
        tuple(_own_columns(stem, names, samples).items()),
        names.facts[stem].run_name if value is None else group_text(value),
        None if row is None else row.split,
        None if row is None else row.pixels_per_um,
    )


def _value(stem: str, names: Names, samples: Samples) -> Value:
    """Return the value of an image in the column to group by; None for run_name, which is the group without one."""
    return {**names.facts[stem].groups, **_own_columns(stem, names, samples)}.get(samples.group_by)


def _own_columns(stem: str, names: Names, samples: Samples) -> dict[str, Value]:
    values: dict[str, Value] = dict.fromkeys(samples.columns)
    values |= {name: names.facts[stem].groups.get(name) for name in names.columns}
    row = samples.rows.get(stem)
    if row is not None:
        values |= dict(zip([name for name in samples.columns if name not in names.columns], row.values, strict=True))
    return values


def _rows_of(sheet: SampleSheet, names: Names, paired: Collection[str], *, missing_null: bool) -> dict[str, SampleRow]:
    """Return the row of each image."""
    facts = names.facts
    fields = {stem: {**fact.groups, STITCHED_IMAGE: stem, RUN_NAME: fact.run_name} for stem, fact in facts.items()}
    rows, unmatched, unused = match_samples(sheet, fields)
    missing = [stem for stem in unmatched if stem in paired]
    if missing and not missing_null:
        said = [f"{key} {shown(fields[missing[0]].get(key) or '')}" for key in sheet.keys]
        raise UsageError(
            f"{sheet.path} has no row for {counted(len(missing), 'image')}: {_first(missing)}; the row of the first "
            f"has {' and '.join(said)}. Add what is missing, or leave their columns empty with --samples-missing null."
        )
    if unused:
        unit = unit_of(sheet.path) if len(unused) == 1 else f"{unit_of(sheet.path)}s"
        raise UsageError(
            f"{sheet.path} has {counted(len(unused), 'row')} for which there is no image: {unit} "
            f"{_first(list(map(str, unused)))}; correct {' and '.join(sheet.keys)} there, or remove what is not needed."
        )
    return rows


def _first(texts: Sequence[str]) -> str:
    """Return the first of some texts, and how many follow."""
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def group_text(value: Value) -> str:
    """Return a value as the name of a group.

    >>> group_text(2.0), group_text(0.1), group_text(7), group_text(True), group_text("B02")
    ('2', '0.1', '7', 'true', 'B02')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def check_splits(sheet: Path | None, groups: Mapping[str, str], splits: Mapping[str, str | None]) -> None:
    """Check that a sample sheet puts each group into one split, and either every image or none.

    Args:
        sheet: the sample sheet.
        groups: the group of each image by stem.
        splits: what the sheet says of each image by stem.

    Raises:
        UsageError: it does not.
    """
    without = [stem for stem, split in splits.items() if split is None]
    if without and len(without) < len(splits):
        raise UsageError(
            f"{sheet} gives no split to {counted(len(without), 'image')} and one to {len(splits) - len(without):,}; "
            f"give one to {_first(without)} too, or remove the column split."
        )
    first: dict[str, str] = {}
    for stem, group in groups.items():
        other = first.setdefault(group, stem)
        if splits[other] != splits[stem]:
            raise UsageError(
                f"{sheet} puts images of group {group!r} into two splits: {other} into {splits[other]} and {stem} into "
                f"{splits[stem]}; give a group one split, or group by another column with --group-by."
            )
