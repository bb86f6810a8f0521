"""The picture of a mask on its image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from builder.segment.options import OverlayLook, OverlayStyle
from builder.segment.overlay import Overlay, draw, edges, parse_region, write_overlay
from nucleusnet_core.errors import InputMaskError, OutputError, UsageError
from nucleusnet_core.inputs.channels import ChannelOptions
from nucleusnet_core.pictures.label_colours import colours_of
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
    assert write_overlay(*pair, tmp_path / "o.png") == Overlay(40, 60, 2)
    picture = np.asarray(Image.open(tmp_path / "o.png"))
    colour = colours_of(np.array([3], np.uint32), seed=0)[0]
    assert (picture[10, 10:30] == colour).all()
    assert (picture[29, 10:30] == colour).all()
    assert (picture[11:29, 11:29] == 255).all()
    assert (picture[:9] == 0).all()


def test_a_region_is_shown_at_any_scale_with_the_same_colours(pair: tuple[Path, Path], tmp_path: Path) -> None:
    look = OverlayLook(scale=2.0, style=OverlayStyle.fill, seed=5)
    assert write_overlay(*pair, tmp_path / "o.png", region="28,48,40,60", look=look) == Overlay(24, 24, 1)
    picture = np.asarray(Image.open(tmp_path / "o.png"))
    colour = colours_of(np.array([8], np.uint32), seed=5)[0]
    assert (picture[4:, 4:] == (0.45 * colour).astype(np.uint8)).all()
    assert (picture[:4] == 0).all()
    assert write_overlay(*pair, tmp_path / "small.png", look=OverlayLook(scale=0.25)) == Overlay(10, 15, 2)


def test_edges_are_where_labels_change() -> None:
    labels = np.array([[0, 1, 1, 1, 2], [0, 1, 1, 1, 2]], np.uint32)
    assert edges(labels).tolist() == [[True, True, False, True, True]] * 2


def test_a_blank_image_without_labels_is_black() -> None:
    picture = draw(np.full((4, 4), 9, np.uint16), np.zeros((4, 4), np.uint32), OverlayLook())
    assert picture.shape == (4, 4, 3)
    assert not picture.any()


@pytest.mark.parametrize("region", ["1,2,3", "a,b,c,d", "0,0,41,60", "10,0,10,60", "5,5,4,60"])
def test_a_region_that_cannot_be_is_refused(region: str) -> None:
    with pytest.raises(UsageError, match=r"is no part of an image of 40 x 60 px; give Y0,X0,Y1,X1 inside it"):
        parse_region(region, (40, 60))


def test_a_mask_of_another_image_or_too_large_a_picture_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--scale is 65; it must lie between 0\.001 and 64\."):
        write_overlay(*pair, tmp_path / "o.png", look=OverlayLook(scale=65))
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((200, 200), np.uint8))
    (tmp_path / "c_cp_masks.png").write_bytes(cv2.imencode(".png", np.zeros((200, 200), np.uint16))[1].tobytes())
    with pytest.raises(UsageError, match="the picture would have 12800 x 12800 px, more than 100 Mpx"):
        write_overlay(tmp_path / "c.tif", tmp_path / "c_cp_masks.png", tmp_path / "o.png", look=OverlayLook(scale=64))
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((40, 61), np.uint8))
    with pytest.raises(InputMaskError, match=r"a_cp_masks\.png has 40 x 60 px, but b\.tif has 40 x 61"):
        write_overlay(tmp_path / "b.tif", pair[1], tmp_path / "o.png")
    assert not (tmp_path / "o.png").exists()


def test_a_picture_with_labels_of_any_size_is_drawn(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2**20 - 1, 2**20, 2**20 + 1, 2**32 - 2]], np.uint32)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(labels.shape, np.uint8))
    tifffile.imwrite(tmp_path / "a_cp_masks.tif", labels)
    look = OverlayLook(style=OverlayStyle.fill)
    made = write_overlay(tmp_path / "a.tif", tmp_path / "a_cp_masks.tif", tmp_path / "o.png", look=look)
    assert made == Overlay(1, 6, 5)
    picture = np.asarray(Image.open(tmp_path / "o.png"))
    assert (picture[0, 1:] == (0.45 * colours_of(labels[0, 1:], seed=0)).astype(np.uint8)).all()
    assert not picture[0, 0].any()


def test_a_picture_that_cannot_be_is_refused_before_anything_is_read(pair: tuple[Path, Path], tmp_path: Path) -> None:
    for out, message in (
        (tmp_path / "o.jpg", r"o\.jpg does not end in \.png"),
        (pair[1], "is an input of this command"),
        (tmp_path, "does not end in"),
    ):
        with pytest.raises(UsageError, match=message):
            write_overlay(tmp_path / "missing.tif", pair[1], out, overwrite=True)


def test_a_picture_that_the_system_refuses_is_one_clear_error(pair: tuple[Path, Path], tmp_path: Path) -> None:
    name = "o" * 240 + ".png"  # with what is added to it while it is written, longer than names may be
    with pytest.raises(OutputError, match=rf"{name} cannot be written \(.*\); .* choose another --out"):
        write_overlay(*pair, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a_cp_masks.png"]


def test_the_command_writes_and_never_replaces_unasked(pair: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["overlay", "a.tif", "a_cp_masks.png", "--out", "o.png", "--json", "--quiet"]
    done = nucleusnet(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{"file": "o.png", "size": [40, 60], "labels": 2}\n'
    again = nucleusnet(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr == "nucleusnet: --out: o.png exists; pass --overwrite to replace it.\n"
    assert nucleusnet(*arguments, "--overwrite", cwd=tmp_path).returncode == 0


def test_one_channel_of_several_is_shown(pair: tuple[Path, Path], tmp_path: Path) -> None:
    image, mask = pair
    pixels = tifffile.imread(image)
    planes = tmp_path / "planes.ome.tif"
    names = {"axes": "CYX", "Channel": {"Name": ["Actin", "DAPI"]}}
    tifffile.imwrite(planes, np.stack([255 - pixels, pixels]), ome=True, metadata=names)
    write_overlay(image, mask, tmp_path / "alone.png")
    write_overlay(planes, mask, tmp_path / "one.png", channels=ChannelOptions.of_text(None, "dapi"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "alone.png").read_bytes()
    with pytest.raises(UsageError, match="the images have the channels actin, dapi"):
        write_overlay(planes, mask, tmp_path / "asked.png")
