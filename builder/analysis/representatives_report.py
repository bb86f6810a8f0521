"""What is said and shown of the nuclei that represent a dataset: texts, JSON, the contact sheet."""

from pathlib import Path
from typing import Any

import numpy as np

from nucleusnet_core.pictures.contact_sheet import NO_SCALE_BAR, draw_sheet, sheet_grid, shrunk, write_sheet
from nucleusnet_core.pictures.outlines import outlines_of
from nucleusnet_core.terminal.wording import counted

from .groups import RUN_NAME
from .nucleus_ranking import Centre
from .representatives import MEASUREMENTS, Crops, Representatives
from .statistics import aligned

_SHOWN = ("area_um2", "eccentricity", "mean_intensity", "std_intensity")


def write_contact_sheet(out: Path, found: Representatives, crops: Crops) -> None:
    """Draw the chosen nuclei, nearest first, row by row, on a contact sheet; one value after the other.

    Raises:
        OutputError: it cannot be written there.
    """
    first, *_ = crops.pixels.values()
    tile_px = sheet_grid(len(first)).tile_px
    tile_um = first[0].shape[1] / found.pixels_per_um if found.pixels_per_um else None
    outlines = outlines_of(crops.masks, tile_px) if crops.masks is not None else None
    caption = [sheet_caption(found), f"{found.metric} distance"]
    caption += [f"channel {name}" for name in crops.pixels if name and len(crops.pixels) == 1]
    tiles = {name: shrunk(np.stack(pixels), tile_px) for name, pixels in crops.pixels.items()}
    write_sheet(out, draw_sheet(tiles, caption=caption, tile_um=tile_um, outlines=outlines))


def sheet_caption(found: Representatives) -> str:
    """Return what the contact sheet shows."""
    shown = counted(found.n, "nucleus", "nuclei")
    of_what = f"{found.nuclei:,}" if found.by is None else each(found.by)
    return f"{shown} nearest to the {name_of(found.centre)} of {of_what}"


def representatives_json(found: Representatives) -> dict[str, Any]:
    """Return everything as JSON values, not rounded."""
    return {
        "nuclei": found.nuclei,
        "left_out": found.left_out,
        "without": list(found.wanted.without),
        "only": list(found.wanted.only),
        "left_out_by_warnings": found.warned,
        "splits": list(found.splits),
        "measurements": list(MEASUREMENTS),
        "centre": str(found.centre),
        "metric": str(found.metric),
        **_middles_json(found),
        "representatives": found.table.to_pylist(),
    }


def _middles_json(found: Representatives) -> dict[str, Any]:
    if found.by is None:
        return {"centre_values": found.groups[0].centre_values}
    groups = [
        {"value": group.value, "nuclei": group.nuclei, "centre_values": group.centre_values} for group in found.groups
    ]
    return {"by": found.by, "groups": groups}


def representatives_text(found: Representatives) -> str:
    """Return how they were chosen, and a table of them, for people."""
    if found.by is None:
        nearest_to, within = f"their {name_of(found.centre)}", ""
    else:
        nearest_to, within = f"the {name_of(found.centre)} of {each(found.by)}", f", within {each(found.by)}"
    head = [
        f"{found.nuclei:,} nuclei of {' + '.join(found.splits)}; nearest to {nearest_to} ({found.metric} distance) by",
        f"z-scored {', '.join(MEASUREMENTS)}{within}",
        "",
    ]
    return "\n".join([*head, aligned(_table(found))])


def _table(found: Representatives) -> list[tuple[str, ...]]:
    """Return a head and a row for each nucleus; the value of the column stands first."""
    rows: list[tuple[str, ...]] = [("nucleus_id", "distance", *_SHOWN)]
    rows += [
        (row["nucleus_id"], f"{row['distance']:.4f}", *(f"{row[name]:.4g}" for name in _SHOWN))
        for row in found.table.to_pylist()
    ]
    if found.by is None:
        return rows
    values = [found.by, *found.table.column("value").to_pylist()]
    return [(value, *row) for value, row in zip(values, rows, strict=True)]


def representatives_notes(found: Representatives) -> list[str]:
    """Return what a reader of the numbers must know."""
    said = []
    if found.warned:
        said.append(f"Only nuclei {found.wanted} are compared; left out: {counted(found.warned, 'nucleus', 'nuclei')}.")
    if found.left_out:
        left_out = counted(found.left_out, "nucleus", "nuclei")
        said.append(f"Left out, as a measurement is not a number: {left_out}.")
    said += constant_notes(found)
    fewer = [f"{group.value} ({group.nuclei})" for group in found.groups if group.nuclei < found.n]
    if fewer:
        said.append(f"Fewer nuclei than --n asks for, so all of them are shown: {', '.join(fewer)}.")
    if found.without:
        said.append(f"Without nuclei that have all measurements, so not shown: {', '.join(found.without)}.")
    if found.pixels_per_um is None:
        said.append(NO_SCALE_BAR)
    return said


def constant_notes(found: Representatives) -> list[str]:
    """Return which measurements do not count; of the only nucleus of a value, which is its own middle, none does."""
    if found.by is None:
        constant = found.groups[0].constant
        return [f"The same for all nuclei, so it adds nothing to the distance: {', '.join(constant)}."] * bool(constant)
    where = {
        name: [group.value for group in found.groups if group.nuclei > 1 and name in group.constant]
        for name in MEASUREMENTS
    }
    said = "The same for all nuclei of {}, so it adds nothing to the distance there: {}."
    return [said.format(", ".join(values), name) for name, values in where.items() if values]


def each(by: str) -> str:
    """Return the groups of a column in words."""
    return "each run" if by == RUN_NAME else f"each {by}"


def name_of(centre: Centre) -> str:
    """Return a centre in words."""
    return centre.replace("-", " ")
