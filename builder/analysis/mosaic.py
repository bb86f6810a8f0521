"""The mosaic of config `10k`: every nucleus at its full size, one row per run; which nucleus goes where."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import CROP_PX, NUCLEI_PER_RUN, TEN_K
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError, UsageError
from nucleusnet_core.manifest import ShardEntry
from nucleusnet_core.runs import natural_order, run_names
from nucleusnet_core.shards.tables import read_columns, read_row_group


@dataclass(frozen=True)
class Tile:
    """One nucleus, and where its row lies in the dataset."""

    nucleus_id: str
    entry: ShardEntry
    group: int
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
        UsageError: there are never so many.
        NucleusNetError: the dataset has no config `10k`, is damaged, or cannot be reached.
    """
    if not 1 <= per_run <= NUCLEI_PER_RUN:
        raise UsageError(
            f"--per-run: 1 to {NUCLEI_PER_RUN} expected, {per_run} found; config {TEN_K} holds "
            f"{NUCLEI_PER_RUN} nuclei of a run."
        )
    entries = opened.shards(TEN_K, "+".join(opened.manifest.splits_of(TEN_K)))
    table = read_columns(opened, TEN_K, ["nucleus_id", "run", "stitched_image"])
    ids, runs, images = (table.column(name).to_pylist() for name in table.column_names)
    rows: dict[str, list[Tile]] = {}
    for run, nucleus_id, place in zip(
        run_names(runs, images, opened.manifest), ids, row_places(opened, entries), strict=True
    ):
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


def row_places(opened: OpenDataset, entries: Sequence[ShardEntry]) -> Iterator[tuple[ShardEntry, int, int]]:
    """Yield shard, row group and row in it of every row of some shards."""
    for entry, footer in zip(entries, opened.footers(entries), strict=True):
        for group in range(footer.num_row_groups):
            for row in range(footer.row_group(group).num_rows):
                yield entry, group, row


class GroupReader:
    """Reads image cells; keeps one row group a split, as runs in order walk through each split once."""

    def __init__(self, opened: OpenDataset) -> None:
        self.opened = opened
        self.kept: dict[str, tuple[tuple[str, int], list[dict[str, Any]]]] = {}

    def pixels(self, tile: Tile) -> NDArray[Any]:
        """Return the pixels of one nucleus, (256, 256) uint8 or uint16.

        Raises:
            CorruptDataError: the cell is damaged or has another size.
        """
        key = (tile.entry.path, tile.group)
        if self.kept.get(tile.entry.split, (None,))[0] != key:
            table = read_row_group(self.opened, tile.entry, tile.group)
            self.kept[tile.entry.split] = (key, table.column("image").to_pylist())
        pixels = decode_cell(self.kept[tile.entry.split][1][tile.row]["bytes"])
        depth = self.opened.manifest.bit_depth
        if pixels.shape != (CROP_PX, CROP_PX) or pixels.dtype.itemsize * 8 != depth:
            raise CorruptDataError(
                f"{self.opened.store.name}/{tile.entry.path}, {tile.nucleus_id}: {CROP_PX} x {CROP_PX} px of {depth} "
                f"bits expected, {pixels.dtype} {pixels.shape} found; run `nucleusnet verify`."
            )
        return pixels


def mosaic_tiles(
    opened: OpenDataset, mosaic: Mosaic, on_tile: Callable[[], object] = lambda: None
) -> Iterator[NDArray[Any]]:
    """Yield every tile of the grid, row by row, black where a run has no more nuclei.

    Args:
        opened: the dataset.
        mosaic: as planned.
        on_tile: called after each tile.
    """
    reader = GroupReader(opened)
    black = np.zeros((CROP_PX, CROP_PX), f"u{opened.manifest.bit_depth // 8}")
    for tiles in mosaic.rows.values():
        for column in range(mosaic.columns):
            yield reader.pixels(tiles[column]) if column < len(tiles) else black
            on_tile()
