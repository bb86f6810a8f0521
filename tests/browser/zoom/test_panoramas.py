"""Which images become panoramas, and where their files are found."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from browser.zoom.channel_planes import white_of
from browser.zoom.panoramas import Part, choose_images, grid_place, read_part, source_of
from nucleusnet_core.errors import InputImageError, InputMaskError, PairingError, SelectionError
from nucleusnet_core.inputs.pairs import find_sources


def test_images_are_chosen_by_rank_or_name() -> None:
    rows = [{"name": name, "rank": rank} for name, rank in (("b", 2), ("a", 1), ("empty", None), ("c", 3))]
    assert choose_images(rows, top=2, names=()) == ["a", "b"]
    assert choose_images(rows, top=2, names=("empty", "c", "c")) == ["empty", "c"]
    with pytest.raises(SelectionError, match="has no stitched image 'd'"):
        choose_images(rows, top=2, names=("d",))


@pytest.mark.parametrize(
    ("quarter", "position", "place"),
    [
        ("TL", "top_left", (0, 0)),
        ("TR", "bottom_left", (1, 2)),
        ("BR", "bottom_right", (3, 3)),
        (None, "top_left", None),
    ],
)
def test_the_place_of_an_image_on_its_coverslip(quarter: str, position: str, place: tuple[int, int] | None) -> None:
    assert grid_place({"quarter": quarter, "position": position}) == place


@pytest.mark.parametrize("name", ["../sample_x", "/etc/passwd", ".hidden", "a/b", "", "..", "a\\b", "C:b"])
def test_names_that_lead_out_of_the_folder_are_refused(stitched: Path, name: str) -> None:
    with pytest.raises(SelectionError, match="is not a plain name"):
        source_of(find_sources(stitched), name, stitched)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([], r"b\.tif has no mask b_cp_masks\.png"),
        (["b_cp_masks.png", "b_cp_masks.tif"], r"'b' is the name of 2 masks: .*; rename or remove all but one\."),
    ],
)
def test_why_an_image_has_no_panorama_is_said(stitched: Path, tmp_path: Path, masks: list[str], said: str) -> None:
    for name in ("sample_x.tif", "sample_x_cp_masks.png"):
        shutil.copy(stitched / name, tmp_path)
    for name in ("b.tif", *masks):
        (tmp_path / name).touch()
    found = find_sources(tmp_path)
    with pytest.raises(PairingError, match=said):
        source_of(found, "b", tmp_path)
    with pytest.raises(PairingError, match=r"has no image c\.tif; give the folder that was built"):
        source_of(found, "c", tmp_path)
    assert source_of(found, "sample_x", tmp_path).image_path == tmp_path / "sample_x.tif"


def written(folder: Path, image: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Part:
    """What `zoom` reads of an image and a mask."""
    tifffile.imwrite(folder / "a.tif", image)
    tifffile.imwrite(folder / "a_cp_masks.tif", labels)
    return read_part(source_of(find_sources(folder), "a", folder), (image.shape[1], image.shape[0]))


def test_labels_above_18_bits_cannot_be_coloured(tmp_path: Path) -> None:
    message = r"label 262144; panoramas show labels up to 262143\. Number the labels"
    with pytest.raises(InputMaskError, match=message):
        written(tmp_path, np.zeros((9, 9), np.uint8), np.full((9, 9), 262_144, np.uint32))
    assert written(tmp_path, np.zeros((9, 9), np.uint8), np.full((9, 9), 262_143, np.uint32)).labels == (262_143,)


def test_another_image_than_the_one_that_was_built_is_refused(stitched: Path) -> None:
    source = source_of(find_sources(stitched), "sample_x", stitched)
    with pytest.raises(InputImageError, match="and the dataset was built from 3 x 4; give the folder of its images"):
        read_part(source, (3, 4))


@given(values=npst.arrays(np.uint16, (7, 50)))
@settings(max_examples=30, deadline=None)
def test_one_pixel_in_a_thousand_of_16_bits_may_be_whiter_than_white(values: npt.NDArray[np.uint16]) -> None:
    white = white_of(values)
    assert (values > white).mean() <= 0.001
    assert white == 1 or (values >= white).mean() > 0.001
