"""Which images become panoramas, and where their files are found."""

from pathlib import Path

import pytest

from browser.zoom.panoramas import choose_images, grid_place, read_part
from browser.zoom.stitched_files import StitchedFiles
from builder.inputs.pairs import find_sources
from nucleusnet_core.errors import PairingError, SelectionError, UsageError
from tests.browser.zoom.conftest import SIZE_PX


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
        read_part(StitchedFiles(stitched), name, (SIZE_PX, SIZE_PX))


def test_masks_are_found_in_another_folder_and_names_in_any_spelling(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for path in (images / "u\u0308bung.TIF", masks / "\u00fcbung_cp_masks.png"):
        path.parent.mkdir()
        path.touch()
    found = StitchedFiles(images, masks).pair("\u00fcbung")
    assert [path.parent for path in found] == [images, masks]
    (images / "b.tif").touch()
    with pytest.raises(PairingError, match=r"masks has no mask b_cp_masks\.png; give"):
        StitchedFiles(images, masks).pair("b")
    with pytest.raises(PairingError, match="with --masks"):
        StitchedFiles(images).pair("\u00fcbung")
    (images / "b_seg.npy").touch()
    with pytest.raises(PairingError, match=r"b_seg\.npy is not a picture; save its masks as PNG or TIFF"):
        StitchedFiles(images).pair("b")


NAMES = (
    ("a.tif", "a_cp_masks.png"),
    ("b.OME.TIFF", "b_cp_masks.tif"),
    ("c.tiff", "c_cp_masks.ome.tif"),
    ("d.ome.tif", "d_cp_masks.tiff", "d_seg.npy"),
    ("e.tif", "e.png", "e_cp_masks.ome.tiff"),
)


def test_what_a_build_pairs_zoom_pairs(tmp_path: Path) -> None:
    for name in (name for group in NAMES for name in group):
        (tmp_path / name).touch()
    found = find_sources(tmp_path)
    sources = found.sources
    assert found.failures == []
    assert [source.stem for source in sources] == ["a", "b", "c", "d", "e"]
    files = StitchedFiles(tmp_path)
    assert [files.pair(source.stem) for source in sources] == [(s.image_path, s.mask_path) for s in sources]


def test_images_in_subfolders_are_found_if_asked(tmp_path: Path) -> None:
    (tmp_path / "plate").mkdir()
    for name in ("a.tif", "a_cp_masks.png"):
        (tmp_path / "plate" / name).touch()
    assert "a" not in StitchedFiles(tmp_path)
    assert StitchedFiles(tmp_path, recursive=True).pair("a")[0] == tmp_path / "plate/a.tif"


def test_a_png_is_an_image_where_there_is_no_other(tmp_path: Path) -> None:
    for name in ("a.png", "a_cp_masks.png"):
        (tmp_path / name).touch()
    assert StitchedFiles(tmp_path).pair("a") == (tmp_path / "a.png", tmp_path / "a_cp_masks.png")


@pytest.mark.parametrize(
    ("second", "kind"), [("a.ome.tif", "images"), ("a_cp_masks.tif", "masks"), ("a_cp_masks.PNG", "masks")]
)
def test_two_images_or_masks_of_one_name_are_refused_and_named(tmp_path: Path, second: str, kind: str) -> None:
    for name in ("a.tif", "a_cp_masks.png", second):
        (tmp_path / name).touch()
    with pytest.raises(
        PairingError, match=rf"'a' is the name of 2 {kind}: .*; rename or remove all but one\."
    ) as found:
        StitchedFiles(tmp_path).pair("a")
    assert second in str(found.value)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        StitchedFiles(tmp_path / "nowhere")
