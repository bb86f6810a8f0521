"""The nuclei that represent a dataset: chosen by config `metadata` alone, then only their crops are fetched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import DEFAULT, METADATA
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError, SelectionError, UsageError
from nucleusnet_core.pictures.channels import shown_channels
from nucleusnet_core.pictures.contact_sheet import MAX_NUCLEI
from nucleusnet_core.shards.rows import Picks, fetch_rows
from nucleusnet_core.shards.tables import common_scale, read_columns
from nucleusnet_core.shards.warning_filter import WarningFilter
from nucleusnet_core.terminal.wording import counted

from .groups import check_by, one_and_several, texts
from .nucleus_ranking import ALL_NUCLEI, Centre, Metric, Nearest, members_of, nearest_of_each

MEASUREMENTS = (
    "area_um2",
    "major_axis_um",
    "minor_axis_um",
    "eccentricity",
    "mean_intensity",
    "std_intensity",
    "max_intensity",
    "integrated_intensity",
)

EVERY_NUCLEUS = WarningFilter()


@dataclass(frozen=True)
class NucleusGroup:
    """Nuclei that were compared with each other.

    Attributes:
        value: of the column `by`, `ALL_NUCLEI` without one.
        nuclei: number of nuclei compared.
        chosen: number of nuclei chosen of them.
        centre_values: their centre in the units of the measurements, by measurement.
        constant: measurements that are the same for all of them, which add nothing.
    """

    value: str
    nuclei: int
    chosen: int
    centre_values: dict[str, float]
    constant: tuple[str, ...]


@dataclass(frozen=True)
class Representatives:
    """The nuclei nearest to the centre of all nuclei, or of those of each value of a column, nearest first.

    Attributes:
        n: how many were wanted, of each group.
        by: the column, None where all nuclei are one group.
        groups: the nuclei compared, values in natural order.
        without: values whose nuclei all lack a measurement, so that they have no group.
        left_out: number of nuclei with a measurement that is not a number.
        warned: number of nuclei left out by their warnings.
        wanted: which nuclei were compared, by their warnings.
        splits: that were compared.
        centre: what the centre is.
        metric: how distances are measured.
        rows: row numbers of the chosen ones through all shards of the splits, group by group.
        table: `value` if there is a column, `nucleus_id`, `distance` and `MEASUREMENTS` of the chosen ones.
        pixels_per_um: scale of their crops, None where they have several.
    """

    n: int
    by: str | None
    groups: tuple[NucleusGroup, ...]
    without: tuple[str, ...]
    left_out: int
    warned: int
    wanted: WarningFilter
    splits: tuple[str, ...]
    centre: Centre
    metric: Metric
    rows: npt.NDArray[np.int64]
    table: pa.Table
    pixels_per_um: float | None

    @property
    def nuclei(self) -> int:
        """Number of nuclei compared."""
        return sum(group.nuclei for group in self.groups)


def find_representatives(
    opened: OpenDataset,
    n: int,
    *,
    splits: Sequence[str],
    centre: Centre,
    metric: Metric,
    by: str | None = None,
    wanted: WarningFilter = EVERY_NUCLEUS,
) -> Representatives:
    """Choose the n nuclei nearest to the centre; config `metadata` is read and no pixel.

    Args:
        opened: the dataset.
        n: how many.
        splits: whose nuclei are compared; all of them if empty.
        centre: what the centre is.
        metric: how distances are measured.
        by: a column, to choose n nuclei of each of its values, each as if the others were not there; a value with
            fewer gives all it has.
        wanted: which nuclei are compared, by their warnings.

    Raises:
        UsageError: n is too small or too large, the metric needs another centre, or the column cannot be.
        SelectionError: there is no such split, or there are fewer nuclei.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    if not 1 <= n <= MAX_NUCLEI:
        raise UsageError(f"--n is {n:,}; give a number from 1 to {MAX_NUCLEI:,}.")
    splits = tuple(splits) or tuple(opened.manifest.splits_of(METADATA))
    table = read_measurements(opened, splits, by)
    values = measurements(table)
    compared = wanted.rows(opened, splits) if wanted else np.arange(len(table))
    usable = compared[np.isfinite(values[compared]).all(axis=1)]
    members = {ALL_NUCLEI: usable} if by is None else members_of(table["value"].to_pylist(), usable)
    refuse_counts(n, by, {value: len(rows) for value, rows in members.items()}, splits, wanted)
    found = nearest_of_each(members, values, table["nucleus_id"].to_pylist(), n, centre=centre, metric=metric)
    rows = np.concatenate([nearest.rows for nearest in found.values()])
    return Representatives(
        n,
        by,
        groups=tuple(group_of(value, len(members[value]), nearest) for value, nearest in found.items()),
        without=tuple(value for value in members if value not in found),
        left_out=len(compared) - len(usable),
        warned=len(table) - len(compared),
        wanted=wanted,
        splits=splits,
        centre=centre,
        metric=metric,
        rows=rows,
        table=chosen_table(table, found.values()),
        pixels_per_um=common_scale(table["crop_pixels_per_um"].take(pa.array(rows))),
    )


def read_measurements(opened: OpenDataset, splits: Sequence[str], by: str | None) -> pa.Table:
    """Return `nucleus_id`, `MEASUREMENTS`, `crop_pixels_per_um`, and the column `by` as texts, called `value`."""
    columns = ["nucleus_id", *MEASUREMENTS, "crop_pixels_per_um"]
    if by is None:
        return read_columns(opened, METADATA, columns, splits)
    check_by(by, opened.manifest)
    table = read_columns(opened, METADATA, [*columns, by], splits)
    return table.select(columns).append_column("value", pa.array(texts(table[by].to_pylist()), pa.string()))


def measurements(table: pa.Table) -> npt.NDArray[np.float64]:
    """Return `MEASUREMENTS` of a table, (nuclei, measurements)."""
    columns = [table.column(name).to_numpy(zero_copy_only=False) for name in MEASUREMENTS]
    return np.column_stack([column.astype(np.float64) for column in columns])


def refuse_counts(
    n: int,
    by: str | None,
    nuclei: Mapping[str, int],
    splits: Sequence[str],
    wanted: WarningFilter = EVERY_NUCLEUS,
) -> None:
    """Refuse numbers of nuclei of which no contact sheet can be made.

    Args:
        n: how many are wanted, of each value.
        by: the column, None for all nuclei together.
        nuclei: number of nuclei with all measurements, by value.
        splits: that they are of.
        wanted: which nuclei they are, by their warnings.

    Raises:
        UsageError: the contact sheet cannot hold so many.
        SelectionError: there are fewer nuclei, or with a column none.
    """
    total, shown = sum(nuclei.values()), sum(min(n, count) for count in nuclei.values())
    chosen_by = f" {wanted}," if wanted else ""
    if by is None and total < n:
        raise SelectionError(
            f"--n is {n:,}, and {' + '.join(splits)} has only {counted(total, 'nucleus', 'nuclei')}{chosen_by} with "
            "all measurements; ask for fewer."
        )
    if not total:
        raise SelectionError(
            f"{' + '.join(splits)} has no nuclei{chosen_by} with all measurements; choose another --split."
        )
    if by is not None and shown > MAX_NUCLEI:
        raise UsageError(
            f"--n is {n:,}, and the {counted(len(nuclei), *one_and_several(by))} have {shown:,} such nuclei together; "
            f"a contact sheet holds {MAX_NUCLEI:,}: ask for fewer."
        )


def chosen_table(table: pa.Table, found: Iterable[Nearest]) -> pa.Table:
    """Return the rows that were chosen, with `distance`; see `Representatives.table`."""
    parts = [
        table.take(pa.array(nearest.rows)).append_column("distance", pa.array(nearest.distance)) for nearest in found
    ]
    value = [name for name in table.column_names if name == "value"]
    return pa.concat_tables(parts).select([*value, "nucleus_id", "distance", *MEASUREMENTS])


def group_of(value: str, nuclei: int, nearest: Nearest) -> NucleusGroup:
    """Return what is said about the nuclei of a value, of which some were chosen."""
    return NucleusGroup(
        value,
        nuclei,
        len(nearest.rows),
        centre_values=dict(zip(MEASUREMENTS, nearest.centre_values.tolist(), strict=True)),
        constant=tuple(np.array(MEASUREMENTS)[nearest.constant].tolist()),
    )


@dataclass(frozen=True)
class Crops:
    """What the chosen nuclei look like.

    Attributes:
        pixels: (crop_px, crop_px) of each, by the name of the channel.
        masks: bool (crop_px, crop_px) of each where crops show surroundings; else None.
    """

    pixels: dict[str, list[npt.NDArray[Any]]]
    masks: list[npt.NDArray[np.bool_]] | None = None


def fetch_crops(opened: OpenDataset, found: Representatives, channel: str | None = None) -> Crops:
    """Fetch the pixels of the chosen nuclei, and their masks where the pixels do not show which nucleus is meant.

    Args:
        opened: the dataset.
        found: the nuclei.
        channel: the only one to fetch; None for all.

    Raises:
        SelectionError: there is no such channel.
        CorruptDataError: config `default` has other nuclei in these rows than config `metadata`, or a damaged cell.
        NucleusNetError: the dataset cannot be reached.
    """
    entries = tuple(opened.shards(DEFAULT, "+".join(found.splits)))
    columns = shown_channels(opened.manifest, channel)
    masks = ["mask"] if opened.manifest.shows_surroundings else []
    crops, _ = fetch_rows(opened, Picks(entries, found.rows), ["nucleus_id", *columns.values(), *masks])
    for measured, shown in zip(*(part.column("nucleus_id").to_pylist() for part in (found.table, crops)), strict=True):
        if measured != shown:
            raise CorruptDataError(
                f"{opened.store.name}: one row is nucleus {measured} in config metadata and {shown} in config default; "
                "run `nucleusnet verify`."
            )
    pixels = {name: _decoded(crops.column(column)) for name, column in columns.items()}
    return Crops(pixels, _decoded(crops.column("mask")) if masks else None)


def _decoded(cells: pa.ChunkedArray) -> list[npt.NDArray[Any]]:
    return [decode_cell(cell["bytes"]) for cell in cells.to_pylist()]
