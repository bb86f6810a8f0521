"""The picture of a mask on its image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from builder.segment.overlay import Look, colours, draw, edges, parse_region, write_overlay
from nucleusnet_core.errors import InputMaskError, UsageError
from tests.builder.commands import nucleusnet


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """An image (40, 60) with a bright nucleus (label 3) and a dark corner (label 8), and its mask."""
    pixels, labels = np.full((40, 60), 20, np.uint8), np.zeros((40, 60), np.uint16)
    pixels[10:30, 10:30], labels[10:30, 10:30] = 200, 3
    labels[30:40, 50:60] = 8
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    (tmp_path / "a_cp_masks.png").write_bytes(cv2.imencode(".png", labels)[1].tobytes())
    return tmp_path / "a.tif", tmp_path / "a_cp_masks.png"


def test_outlines_lie_on_the_edges_and_the_rest_is_grey(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert write_overlay(*pair, tmp_path / "o.png") == (40, 60, 2)
    picture = np.asarray(Image.open(tmp_path / "o.png"))
    colour = colours(np.array([3], np.uint32), 0)[0]
    assert (picture[10, 10:30] == colour).all()
    assert (picture[29, 10:30] == colour).all()
    assert (picture[11:29, 11:29] == 255).all()
    assert (picture[:9] == 0).all()


def test_a_region_is_shown_at_any_scale_with_the_same_colours(pair: tuple[Path, Path], tmp_path: Path) -> None:
    look = Look(scale=2.0, style="fill", seed=5)
    assert write_overlay(*pair, tmp_path / "o.png", region="28,48,40,60", look=look) == (24, 24, 1)
    picture = np.asarray(Image.open(tmp_path / "o.png"))
    assert (picture[4:, 4:] == (0.45 * colours(np.array([8], np.uint32), 5)[0]).astype(np.uint8)).all()
    assert (picture[:4] == 0).all()
    assert write_overlay(*pair, tmp_path / "small.png", look=Look(scale=0.25)) == (10, 15, 2)


def test_edges_are_where_labels_change() -> None:
    labels = np.array([[0, 1, 1, 1, 2], [0, 1, 1, 1, 2]], np.uint32)
    assert edges(labels).tolist() == [[True, True, False, True, True]] * 2


def test_colours_are_bright_differ_and_depend_on_the_seed() -> None:
    labels = np.arange(1, 200, dtype=np.uint32)
    found = colours(labels, 0)
    assert (found.max(axis=1) == 255).all()
    assert len({tuple(colour) for colour in found.tolist()}) > 150
    assert np.array_equal(found, colours(labels, 0))
    assert not np.array_equal(found, colours(labels, 1))


def test_a_blank_image_without_labels_is_black() -> None:
    picture = draw(np.full((4, 4), 9, np.uint16), np.zeros((4, 4), np.uint32), Look())
    assert picture.shape == (4, 4, 3)
    assert not picture.any()


@pytest.mark.parametrize("region", ["1,2,3", "a,b,c,d", "0,0,41,60", "10,0,10,60", "5,5,4,60"])
def test_a_region_that_cannot_be_is_refused(region: str) -> None:
    with pytest.raises(UsageError, match=r"--region: Y0,X0,Y1,X1 inside an image of 40 x 60 px expected"):
        parse_region(region, (40, 60))


def test_a_mask_of_another_image_or_too_large_a_picture_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--scale: 0\.001 to 64 expected"):
        write_overlay(*pair, tmp_path / "o.png", look=Look(scale=65))
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((200, 200), np.uint8))
    (tmp_path / "c_cp_masks.png").write_bytes(cv2.imencode(".png", np.zeros((200, 200), np.uint16))[1].tobytes())
    with pytest.raises(UsageError, match="at most 100 Mpx expected, 12800 x 12800 px found"):
        write_overlay(tmp_path / "c.tif", tmp_path / "c_cp_masks.png", tmp_path / "o.png", look=Look(scale=64))
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((40, 61), np.uint8))
    with pytest.raises(InputMaskError, match=r"a mask of 40 x 61 px expected as b\.tif has, 40 x 60 found"):
        write_overlay(tmp_path / "b.tif", pair[1], tmp_path / "o.png")
    assert not (tmp_path / "o.png").exists()


def test_the_command_writes_and_never_replaces_unasked(pair: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["overlay", "a.tif", "a_cp_masks.png", "--out", "o.png", "--json"]
    done = nucleusnet(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"out": "o.png", "height": 40, "width": 60, "labels": 2}\n'
    again = nucleusnet(*arguments, cwd=tmp_path)
    assert again.returncode == 1
    assert "--overwrite replaces it" in again.stderr
