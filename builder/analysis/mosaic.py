"""The mosaic of config `10k`: every nucleus at its full size, one row per run; which nucleus goes where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import CROP_PX, NUCLEI_PER_RUN, TEN_K
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError, UsageError
from nucleusnet_core.runs import natural_order, run_names
from nucleusnet_core.shards.tables import GroupPlace, read_columns, read_row_group, walk_row_groups
from nucleusnet_core.terminal.progress import Progress


@dataclass(frozen=True)
class Tile:
    """One nucleus, and where its row lies in the dataset.

    Attributes:
        nucleus_id: its name.
        place: the row group that it lies in.
        row: its number there, from 0.
    """

    nucleus_id: str
    place: GroupPlace
    row: int


@dataclass(frozen=True)
class Mosaic:
    """What is drawn.

    Attributes:
        rows: the tiles of each run by its name, runs in natural order, at least one tile each.
        columns: width of the grid.
        per_run: how many of a run were wanted.
        without: runs of the dataset that have no nuclei, and so no row.
    """

    rows: Mapping[str, Sequence[Tile]]
    columns: int
    per_run: int
    without: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return len(self.rows) * CROP_PX, self.columns * CROP_PX

    @property
    def fewer(self) -> dict[str, int]:
        """Number of nuclei of each run that has fewer than were wanted."""
        return {run: len(tiles) for run, tiles in self.rows.items() if len(tiles) < self.per_run}


def plan_mosaic(opened: OpenDataset, per_run: int = NUCLEI_PER_RUN) -> Mosaic:
    """Decide which nucleus goes where; no pixel is read.

    Args:
        opened: the dataset.
        per_run: how many nuclei of each run, in the order of config `10k`; all of a run that has fewer.

    Raises:
        UsageError: no run has so many.
        NucleusNetError: the dataset has no config `10k`, is damaged, or cannot be reached.
    """
    if not 1 <= per_run <= NUCLEI_PER_RUN:
        raise UsageError(
            f"--per-run is {per_run}; give a number from 1 to {NUCLEI_PER_RUN}, as the random selection of a dataset "
            f"(config {TEN_K}) holds {NUCLEI_PER_RUN} nuclei of each run."
        )
    table = read_columns(opened, TEN_K, ["nucleus_id", "run", "stitched_image"])
    ids, runs, images = (table.column(name).to_pylist() for name in table.column_names)
    rows: dict[str, list[Tile]] = {}
    for run, nucleus_id, place in zip(run_names(runs, images, opened.manifest), ids, row_places(opened), strict=True):
        tiles = rows.setdefault(run, [])
        if len(tiles) < per_run:
            tiles.append(Tile(nucleus_id, *place))
    listed = {str(run) for group in opened.manifest.runs.values() for run in group}
    return Mosaic(
        {run: rows[run] for run in sorted(rows, key=natural_order)},
        max(map(len, rows.values())),
        per_run,
        tuple(sorted(listed - rows.keys(), key=natural_order)),
    )


def row_places(opened: OpenDataset) -> Iterator[tuple[GroupPlace, int]]:
    """Yield the row group of every row of config `10k`, and the number of the row in it."""
    for place in walk_row_groups(opened, TEN_K):
        for row in range(place.rows):
            yield place, row


class GroupReader:
    """Reads image cells; keeps one row group of each split, as runs in order walk through each split once."""

    def __init__(self, opened: OpenDataset) -> None:
        self.opened = opened
        self.kept: dict[str, tuple[GroupPlace, list[dict[str, Any]]]] = {}

    def pixels(self, tile: Tile) -> npt.NDArray[Any]:
        """Return the pixels of one nucleus, (256, 256) uint8 or uint16.

        Raises:
            CorruptDataError: the cell is damaged or has another size.
        """
        entry = tile.place.entry
        if entry.split not in self.kept or self.kept[entry.split][0] != tile.place:
            table = read_row_group(self.opened, entry, tile.place.group)
            self.kept[entry.split] = (tile.place, table.column("image").to_pylist())
        pixels = decode_cell(self.kept[entry.split][1][tile.row]["bytes"])
        bits, depth = pixels.dtype.itemsize * 8, self.opened.manifest.bit_depth
        if pixels.shape != (CROP_PX, CROP_PX) or bits != depth:
            raise CorruptDataError(
                f"{self.opened.store.name}/{entry.path}: nucleus {tile.nucleus_id} has {pixels.shape[0]} x "
                f"{pixels.shape[1]} px of {bits} bits, not {CROP_PX} x {CROP_PX} px of {depth} bits; run "
                "`nucleusnet verify`."
            )
        return pixels


def mosaic_tiles(opened: OpenDataset, mosaic: Mosaic, progress: Progress) -> Iterator[npt.NDArray[Any]]:
    """Yield every tile of the grid, row by row, black where a run has no more nuclei.

    Args:
        opened: the dataset.
        mosaic: as planned.
        progress: told of each tile.
    """
    progress.begin("mosaic", len(mosaic.rows) * mosaic.columns, unit="tile")
    reader = GroupReader(opened)
    black = np.zeros((CROP_PX, CROP_PX), f"u{opened.manifest.bit_depth // 8}")
    for tiles in mosaic.rows.values():
        for column in range(mosaic.columns):
            yield reader.pixels(tiles[column]) if column < len(tiles) else black
            progress.step()
