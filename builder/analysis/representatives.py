"""The nuclei that represent a dataset: chosen by config `metadata` alone, then only their crops are fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import DEFAULT, METADATA
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError, SelectionError, UsageError
from nucleusnet_core.pictures.contact_sheet import (
    MAX_NUCLEI,
    NO_SCALE_BAR,
    draw_sheet,
    sheet_grid,
    shrunk,
    write_sheet,
)
from nucleusnet_core.shards.rows import Picks, fetch_rows
from nucleusnet_core.shards.tables import common_scale, read_columns
from nucleusnet_core.shards.warning_filter import WarningFilter
from nucleusnet_core.terminal.wording import counted

from .nucleus_ranking import Centre, Metric, centre_of, distances_to, nearest, z_scores
from .statistics import aligned

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
_SHOWN = ("area_um2", "eccentricity", "mean_intensity", "std_intensity")


@dataclass(frozen=True)
class Representatives:
    """The nuclei nearest to the centre of all nuclei, nearest first.

    Attributes:
        nuclei: number of nuclei compared.
        left_out: number of nuclei with a measurement that is not a number.
        warned: number of nuclei left out by their warnings.
        wanted: which nuclei were compared, by their warnings.
        splits: that were compared.
        centre: what the centre is.
        metric: how distances are measured.
        centre_values: the centre in the units of the measurements, by measurement.
        constant: measurements that are the same for all nuclei, which add nothing.
        rows: row numbers through all shards of the splits.
        table: `nucleus_id`, `distance` and `MEASUREMENTS` of the chosen ones.
        pixels_per_um: scale of their crops, None where they have several.
    """

    nuclei: int
    left_out: int
    warned: int
    wanted: WarningFilter
    splits: tuple[str, ...]
    centre: Centre
    metric: Metric
    centre_values: dict[str, float]
    constant: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    table: pa.Table
    pixels_per_um: float | None


def find_representatives(
    opened: OpenDataset,
    n: int,
    *,
    splits: Sequence[str],
    centre: Centre,
    metric: Metric,
    wanted: WarningFilter = EVERY_NUCLEUS,
) -> Representatives:
    """Choose the n nuclei nearest to the centre; config `metadata` is read and no pixel.

    Args:
        opened: the dataset.
        n: how many.
        splits: whose nuclei are compared; all of them if empty.
        centre: what the centre is.
        metric: how distances are measured.
        wanted: which nuclei are compared, by their warnings.

    Raises:
        UsageError: n is too small or too large, or the metric needs another centre.
        SelectionError: there is no such split, or there are fewer nuclei.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    if not 1 <= n <= MAX_NUCLEI:
        raise UsageError(f"--n is {n:,}; give a number from 1 to {MAX_NUCLEI:,}.")
    splits = tuple(splits) or tuple(opened.manifest.splits_of(METADATA))
    table = read_columns(opened, METADATA, ["nucleus_id", *MEASUREMENTS, "crop_pixels_per_um"], splits)
    compared = wanted.rows(opened, splits) if wanted else np.arange(len(table))
    values = measurements(table)
    usable = compared[np.isfinite(values[compared]).all(axis=1)]
    if len(usable) < n:
        chosen_by = f" {wanted}," if wanted else ""
        raise SelectionError(
            f"--n is {n:,}, and {' + '.join(splits)} has only {counted(len(usable), 'nucleus', 'nuclei')}{chosen_by} "
            "with all measurements; ask for fewer."
        )
    values = values[usable]
    scores = z_scores(values)
    middle = centre_of(scores, centre)
    distance = distances_to(scores, middle, metric)
    chosen = nearest(distance, table.column("nucleus_id").take(pa.array(usable)).to_pylist(), n)
    rows = table.take(pa.array(usable[chosen]))
    centre_values = values.mean(axis=0) + middle * values.std(axis=0)
    return Representatives(
        nuclei=len(usable),
        left_out=len(compared) - len(usable),
        warned=len(table) - len(compared),
        wanted=wanted,
        splits=splits,
        centre=centre,
        metric=metric,
        centre_values=dict(zip(MEASUREMENTS, centre_values.tolist(), strict=True)),
        constant=tuple(np.array(MEASUREMENTS)[np.ptp(values, axis=0) == 0].tolist()),
        rows=usable[chosen],
        table=rows.drop_columns("crop_pixels_per_um").add_column(1, "distance", pa.array(distance[chosen])),
        pixels_per_um=common_scale(rows["crop_pixels_per_um"]),
    )


def measurements(table: pa.Table) -> npt.NDArray[np.float64]:
    """Return `MEASUREMENTS` of a table, (nuclei, measurements)."""
    columns = [table.column(name).to_numpy(zero_copy_only=False) for name in MEASUREMENTS]
    return np.column_stack([column.astype(np.float64) for column in columns])


def fetch_crops(opened: OpenDataset, found: Representatives) -> list[npt.NDArray[Any]]:
    """Fetch the pixels of the chosen nuclei.

    Raises:
        CorruptDataError: config `default` has other nuclei in these rows than config `metadata`, or a damaged cell.
        NucleusNetError: the dataset cannot be reached.
    """
    entries = tuple(opened.shards(DEFAULT, "+".join(found.splits)))
    crops, _ = fetch_rows(opened, Picks(entries, found.rows), ["nucleus_id", "image"])
    for measured, shown in zip(*(part.column("nucleus_id").to_pylist() for part in (found.table, crops)), strict=True):
        if measured != shown:
            raise CorruptDataError(
                f"{opened.store.name}: one row is nucleus {measured} in config metadata and {shown} in config default; "
                "run `nucleusnet verify`."
            )
    return [decode_cell(cell["bytes"]) for cell in crops.column("image").to_pylist()]


def write_contact_sheet(out: Path, found: Representatives, crops: Sequence[npt.NDArray[Any]]) -> None:
    """Draw the chosen nuclei, nearest first, row by row, on a contact sheet.

    Raises:
        OutputError: it cannot be written there.
    """
    tile_px = sheet_grid(len(crops)).tile_px
    tile_um = crops[0].shape[1] / found.pixels_per_um if found.pixels_per_um else None
    shown = counted(len(crops), "nucleus", "nuclei")
    caption = [f"{shown} nearest to the {name_of(found.centre)} of {found.nuclei:,}", f"{found.metric} distance"]
    write_sheet(out, draw_sheet(shrunk(np.stack(crops), tile_px), caption=caption, tile_um=tile_um))


def representatives_json(found: Representatives) -> dict[str, Any]:
    """Return everything as JSON values, not rounded."""
    return {
        "nuclei": found.nuclei,
        "left_out": found.left_out,
        "without": list(found.wanted.without),
        "only": found.wanted.only,
        "left_out_by_warnings": found.warned,
        "splits": list(found.splits),
        "measurements": list(MEASUREMENTS),
        "centre": str(found.centre),
        "metric": str(found.metric),
        "centre_values": found.centre_values,
        "representatives": found.table.to_pylist(),
    }


def representatives_text(found: Representatives) -> str:
    """Return how they were chosen, and a table of them, for people."""
    head = [
        f"{found.nuclei:,} nuclei of {' + '.join(found.splits)}; nearest to their {name_of(found.centre)} "
        f"({found.metric} distance) by",
        f"z-scored {', '.join(MEASUREMENTS)}",
        "",
    ]
    rows = [
        (row["nucleus_id"], f"{row['distance']:.4f}", *(f"{row[name]:.4g}" for name in _SHOWN))
        for row in found.table.to_pylist()
    ]
    return "\n".join([*head, aligned([("nucleus_id", "distance", *_SHOWN), *rows])])


def representatives_notes(found: Representatives) -> list[str]:
    """Return what a reader of the numbers must know."""
    said = []
    if found.warned:
        said.append(f"Only nuclei {found.wanted} are compared; left out: {counted(found.warned, 'nucleus', 'nuclei')}.")
    if found.left_out:
        left_out = counted(found.left_out, "nucleus", "nuclei")
        said.append(f"Left out, as a measurement is not a number: {left_out}.")
    if found.constant:
        said.append(f"The same for all nuclei, so it adds nothing to the distance: {', '.join(found.constant)}.")
    if found.pixels_per_um is None:
        said.append(NO_SCALE_BAR)
    return said


def name_of(centre: Centre) -> str:
    """Return a centre in words."""
    return centre.replace("-", " ")
