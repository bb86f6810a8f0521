"""The contact sheet: where nuclei stand, what the scale bar says, how grey values are shown."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nucleusnet_core.errors import OutputError
from nucleusnet_core.pictures.contact_sheet import (
    MAX_NUCLEI,
    SHEET_WIDTH_PX,
    SheetGrid,
    contrast_limits,
    draw_sheet,
    scale_bar_um,
    sheet_grid,
    shrunk,
    write_sheet,
)
from nucleusnet_core.pictures.outlines import COLOUR, outlines_of


@pytest.mark.parametrize(
    ("count", "grid"),
    [
        (1, SheetGrid(columns=1, rows=1, tile_px=256)),
        (12, SheetGrid(columns=5, rows=3, tile_px=256)),
        (1000, SheetGrid(columns=40, rows=25, tile_px=64)),
        (10_000, SheetGrid(columns=127, rows=79, tile_px=32)),
    ],
)
def test_the_grid_of_a_number_of_nuclei(count: int, grid: SheetGrid) -> None:
    assert sheet_grid(count) == grid


@given(st.integers(1, MAX_NUCLEI))
def test_every_nucleus_has_a_place_and_no_row_is_empty(count: int) -> None:
    grid = sheet_grid(count)
    assert (grid.rows - 1) * grid.columns < count <= grid.rows * grid.columns
    assert grid.columns * grid.tile_px <= max(SHEET_WIDTH_PX, grid.columns * 32)


@pytest.mark.parametrize(
    ("px_per_um", "longest_px", "length_um"),
    [
        (8.0453, 128, 10),
        (8.0453, 512, 50),
        (2.0113, 128, 50),
        (0.5, 99, 100),
        (100.0, 50, 0.5),
        (1.0, 10, 10),
        (0.010000000000000002, 10, 500),
    ],
)
def test_the_scale_bar_is_the_longest_round_length_that_fits(
    px_per_um: float, longest_px: float, length_um: float
) -> None:
    assert scale_bar_um(px_per_um, longest_px) == pytest.approx(length_um)


@given(st.floats(0.01, 1000), st.floats(10, 1000))
def test_the_scale_bar_fills_more_than_a_third_of_its_room(px_per_um: float, longest_px: float) -> None:
    assert longest_px / 3 < scale_bar_um(px_per_um, longest_px) * px_per_um <= longest_px * (1 + 1e-9)


def test_shrinking_averages_over_areas_at_8_and_16_bits() -> None:
    image = np.zeros((1, 4, 4), np.uint16)
    image[0, :2, :2] = [[1000, 2000], [3000, 60_000]]
    assert shrunk(image, 2).tolist() == [[[16_500, 0], [0, 0]]]
    assert shrunk((image // 1000).astype(np.uint8), 2).tolist() == [[[16.5, 0], [0, 0]]]


def test_the_contrast_comes_from_the_nuclei_and_not_from_the_black_around_them() -> None:
    tiles = np.zeros((2, 100, 100), np.float32)
    tiles[0, 0] = 400
    tiles[1, 0] = 600
    assert contrast_limits(tiles) == (400, 600)
    assert contrast_limits(np.zeros((1, 8, 8), np.float32)) == (0, 1)
    assert contrast_limits(np.full((1, 8, 8), 7, np.float32)) == (7, 8)


def test_nuclei_stand_row_by_row_under_one_contrast() -> None:
    # 3 nuclei make a grid of 3 x 1 tiles of 256 px inside a margin of 15 px.
    values = np.array([100, 200, 300], np.float32)
    tiles = np.broadcast_to(values[:, None, None], (3, 256, 256)).copy()
    sheet = np.asarray(draw_sheet(tiles, caption=["3 nuclei"], tile_um=None))
    assert sheet.shape == (316, 798)
    assert [int(sheet[100, x]) for x in (0, 100, 400, 700, 797)] == [0, 0, 127, 255, 0]


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    # 256 px show 32 um, so 8 px/um; at most 1/5 of the width, 153 px: 10 um are 80 px.
    tiles = np.zeros((3, 256, 256), np.float32)
    sheet = np.asarray(draw_sheet(tiles, caption=[], tile_um=32.0))
    without = np.asarray(draw_sheet(tiles, caption=[], tile_um=None))
    white = (sheet == 255).sum(axis=1)
    assert white.max() == 80
    assert (without == 255).sum(axis=1).max() < 20


def test_a_sheet_is_written_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "Übersicht 1.png"
    path.write_bytes(b"old")
    write_sheet(path, draw_sheet(np.ones((2, 256, 256), np.float32), caption=["2 nuclei"], tile_um=32.0))
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "L")
    assert [file.name for file in tmp_path.iterdir()] == ["Übersicht 1.png"]


def test_a_sheet_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    sheet = draw_sheet(np.ones((1, 256, 256), np.float32), caption=[], tile_um=None)
    with pytest.raises(
        OutputError, match=r"sheet\.png cannot be written \(No such file or directory\); .* another --out"
    ):
        write_sheet(tmp_path / "missing" / "sheet.png", sheet)


def test_outlines_follow_the_masks_at_the_size_of_the_tiles() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[16:48, 24:64] = True
    (same,), (small,) = outlines_of([mask], 64), outlines_of([mask], 32)
    rows, columns = np.nonzero(same)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 47, 24, 63)
    assert same.sum() == 2 * 40 + 2 * 30  # as at the border of the tile, so at that of the mask
    assert small.sum() == 2 * 20 + 2 * 14
    assert not outlines_of([np.zeros((8, 8), np.bool_)], 32).any()


def test_outlines_are_drawn_over_the_nuclei_they_belong_to() -> None:
    grid = sheet_grid(3)
    tiles = np.full((3, grid.tile_px, grid.tile_px), 50, np.float32)
    masks = np.zeros(tiles.shape, np.bool_)
    masks[1, 30:90, 40:200] = True
    outlines = outlines_of(masks, grid.tile_px)
    sheet = draw_sheet(tiles, caption=["three"], tile_um=None, outlines=outlines)
    assert sheet.mode == "RGB"
    yellow = (np.asarray(sheet) == COLOUR).all(axis=2)
    assert yellow.sum() == outlines.sum() == 2 * 160 + 2 * 58
    margin = (sheet.width - max(grid.width_px, grid.columns * grid.tile_px)) // 2
    rows, columns = np.nonzero(yellow)
    assert (rows.min() - margin, columns.min() - margin) == (30, grid.tile_px + 40)
