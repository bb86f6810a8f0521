"""The mosaic of config `10k`: every nucleus at its full size, one row per run (or other group); what goes where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import NUCLEI_PER_RUN, STITCHED, TEN_K
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import CorruptDataError, UsageError
from nucleusnet_core.pictures.channels import shown_channels
from nucleusnet_core.runs import natural_order
from nucleusnet_core.shards.tables import GroupPlace, common_scale, read_columns, read_row_group, walk_row_groups
from nucleusnet_core.terminal.progress import Progress

from .groups import RUN_NAME, check_by, column_in_stitched, texts


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
        by: the column whose values the rows are; those of `run_name` are runs.
        rows: the tiles of each value, values in natural order, at least one tile each.
        columns: width of the grid.
        per_run: how many of a value were wanted.
        without: values of images of the dataset that have no nuclei in it, and so no row.
        pixels_per_um: scale of all crops of config `10k`, None where they have several.
        crop_px: side of a tile, px.
        channels: column of images by the name of the channel; each is a page.
    """

    by: str
    rows: Mapping[str, Sequence[Tile]]
    columns: int
    per_run: int
    without: tuple[str, ...]
    pixels_per_um: float | None
    crop_px: int
    channels: Mapping[str, str]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return len(self.rows) * self.crop_px, self.columns * self.crop_px

    @property
    def fewer(self) -> dict[str, int]:
        """Number of nuclei of each row that has fewer than were wanted."""
        return {run: len(tiles) for run, tiles in self.rows.items() if len(tiles) < self.per_run}


def channels_of_mosaic(opened: OpenDataset, only: str | None, *, paged: bool) -> dict[str, str]:
    """Return name and column of the channels that a mosaic shows.

    Args:
        opened: the dataset.
        only: the one channel to show; None for all.
        paged: whether the file can have several pages.

    Raises:
        SelectionError: the dataset has no such channel.
        UsageError: there are several channels, and the file has one page.
    """
    shown = shown_channels(opened.manifest, only)
    if len(shown) > 1 and not paged:
        raise UsageError(
            f"--out: a .png shows one channel, and the dataset has {', '.join(shown)}; choose one with --channel "
            f"{next(iter(shown))}, or give a name that ends in .tif."
        )
    return shown


def plan_mosaic(
    opened: OpenDataset,
    per_run: int = NUCLEI_PER_RUN,
    by: str = RUN_NAME,
    channels: Mapping[str, str] = MappingProxyType({"": "image"}),
) -> Mosaic:
    """Decide which nucleus goes where; no pixel is read.

    Args:
        opened: the dataset.
        per_run: how many nuclei of each row, in the order of config `10k`; all of a row that has fewer.
        by: the column whose values become rows.
        channels: column of images by the name of the channel.

    Raises:
        UsageError: no run has so many, or the nuclei cannot be told apart by this column.
        NucleusNetError: the dataset has no config `10k`, is damaged, or cannot be reached.
    """
    if not 1 <= per_run <= NUCLEI_PER_RUN:
        raise UsageError(
            f"--per-run is {per_run}; give a number from 1 to {NUCLEI_PER_RUN}, as the random selection of a dataset "
            f"(config {TEN_K}) holds {NUCLEI_PER_RUN} nuclei of each run."
        )
    check_by(by, opened.manifest)
    table = read_columns(opened, TEN_K, ["nucleus_id", by, "crop_pixels_per_um"])
    rows: dict[str, list[Tile]] = {}
    ids = table["nucleus_id"].to_pylist()
    for value, nucleus_id, place in zip(texts(table[by].to_pylist()), ids, row_places(opened), strict=True):
        tiles = rows.setdefault(value, [])
        if len(tiles) < per_run:
            tiles.append(Tile(nucleus_id, *place))
    of_image = column_in_stitched(by)
    known = set(texts(read_columns(opened, STITCHED, [of_image])[of_image].unique().to_pylist()))
    return Mosaic(
        by,
        {value: rows[value] for value in sorted(rows, key=natural_order)},
        max(map(len, rows.values())),
        per_run,
        tuple(sorted(known - rows.keys(), key=natural_order)),
        common_scale(table["crop_pixels_per_um"]),
        opened.manifest.crop_px,
        channels,
    )


def row_places(opened: OpenDataset) -> Iterator[tuple[GroupPlace, int]]:
    """Yield the row group of every row of config `10k`, and the number of the row in it."""
    for place in walk_row_groups(opened, TEN_K):
        for row in range(place.rows):
            yield place, row


class GroupReader:
    """Reads image cells of one column; keeps a row group of each split, as groups in order walk through it once."""

    def __init__(self, opened: OpenDataset, column: str) -> None:
        self.opened = opened
        self.column = column
        self.kept: dict[str, tuple[GroupPlace, list[dict[str, Any]]]] = {}

    def pixels(self, tile: Tile) -> npt.NDArray[Any]:
        """Return the pixels of one nucleus, (crop_px, crop_px) uint8 or uint16.

        Raises:
            CorruptDataError: the cell is damaged or has another size.
        """
        entry = tile.place.entry
        if entry.split not in self.kept or self.kept[entry.split][0] != tile.place:
            table = read_row_group(self.opened, entry, tile.place.group)
            self.kept[entry.split] = (tile.place, table.column(self.column).to_pylist())
        pixels = decode_cell(self.kept[entry.split][1][tile.row]["bytes"])
        manifest = self.opened.manifest
        bits, depth, crop_px = pixels.dtype.itemsize * 8, manifest.bit_depth, manifest.crop_px
        if pixels.shape != (crop_px, crop_px) or bits != depth:
            raise CorruptDataError(
                f"{self.opened.store.name}/{entry.path}: nucleus {tile.nucleus_id} has {pixels.shape[0]} x "
                f"{pixels.shape[1]} px of {bits} bits, not {crop_px} x {crop_px} px of {depth} bits; run "
                "`nucleusnet verify`."
            )
        return pixels


def mosaic_tiles(opened: OpenDataset, mosaic: Mosaic, progress: Progress) -> Iterator[npt.NDArray[Any]]:
    """Yield every tile of the grid, channel by channel and row by row, black where a row has no more nuclei.

    Args:
        opened: the dataset.
        mosaic: as planned.
        progress: told of each tile.
    """
    progress.begin("mosaic", len(mosaic.channels) * len(mosaic.rows) * mosaic.columns, unit="tile")
    black = np.zeros((mosaic.crop_px, mosaic.crop_px), f"u{opened.manifest.bit_depth // 8}")
    for image_column in mosaic.channels.values():
        reader = GroupReader(opened, image_column)
        for tiles in mosaic.rows.values():
            for column in range(mosaic.columns):
                yield reader.pixels(tiles[column]) if column < len(tiles) else black
                progress.step()
