"""Which file is the mask of an image: endings of names, same names in another folder, and a newer `_seg.npy`."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.mask_file import mask_bytes
from nucleusnet_core.inputs.pairs import FindOptions, FoundInputs, find_sources

LABELS = np.array([[0, 1, 1, 0], [2, 0, 1, 0]], np.uint16)
SAVED = 1_700_000_000
ENDINGS = [".png", ".tif", ".tiff", ".ome.tif", ".ome.tiff"]
WHICH = "say which one holds with --prefer seg-npy or --prefer image, or remove the other."


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def write_two(folder: Path, labels: Any, edited: Any, *, seconds: float) -> None:
    """Write an image, its mask, and its `_seg.npy`, which is so much newer."""
    (folder / "a.tif").touch()
    (folder / "a_cp_masks.png").write_bytes(mask_bytes(labels))
    content: Any = {"masks": edited, "filename": "a.tif"}
    np.save(folder / "a_seg.npy", content, allow_pickle=True)
    set_newer(folder, seconds)


def set_newer(folder: Path, seconds: float) -> None:
    for name, time in (("a_cp_masks.png", SAVED), ("a_seg.npy", SAVED + seconds)):
        os.utime(folder / name, ns=(int(time * 1e9), int(time * 1e9)))


def masks(found: FoundInputs) -> dict[str, str]:
    """Name of the mask by stem, of a folder in which nothing is refused."""
    assert found.failures == []
    return {source.stem: source.mask_path.name for source in found.sources}


def refusal(found: FoundInputs) -> str:
    """What is said about the only image."""
    assert found.sources == []
    [failure] = found.failures
    assert failure.name == "a"
    return failure.message


@pytest.mark.parametrize("image", ["a.tif", "a.tiff", "a.ome.tif", "a.ome.tiff", "a.TIF", "a.png"])
@pytest.mark.parametrize("mask", [*(f"a_cp_masks{ending}" for ending in ENDINGS), "a_seg.npy", "a_CP_masks.PNG"])
def test_every_suffix_of_images_pairs_with_every_suffix_of_masks(image: str, mask: str, tmp_path: Path) -> None:
    touch(tmp_path, image, mask)
    found = find_sources(tmp_path)
    assert masks(found) == {"a": mask}
    assert found.sources[0].image_path.name == image


@pytest.mark.parametrize("word", ["_cp_masks", "_masks", "_mask", "_labels", "_label"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_usual_words_for_a_mask_are_known(word: str, ending: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", f"a{word}{ending}")
    found = find_sources(tmp_path)
    assert masks(found) == {"a": f"a{word}{ending}"}
    assert found.mask_rules == {f"<name>{word}{ending}": 1}


@pytest.mark.parametrize("mask", ["a.ome_cp_masks.png", "a.ome_cp_masks.tif", "a.ome_seg.npy"])
@pytest.mark.parametrize("image", ["a.ome.tif", "a.ome.tiff"])
def test_cellpose_leaves_the_ome_of_an_image_in_the_name_of_its_mask(image: str, mask: str, tmp_path: Path) -> None:
    touch(tmp_path, image, mask)
    found = find_sources(tmp_path)
    assert masks(found) == {"a": mask}
    assert found.mask_rules == {mask.replace("a", "<name>", 1): 1}


@pytest.mark.parametrize(
    ("suffix", "mask", "rule"),
    [
        ("_nuclei.tif", "a_nuclei.tif", "<name>_nuclei.tif"),
        ("_Nuclei.TIF", "a_nuclei.tif", "<name>_nuclei.tif"),
        ("_nuclei.tif", "a_NUCLEI.tif", "<name>_nuclei.tif"),
        ("-dapi seg.png", "a-dapi seg.png", "<name>-dapi seg.png"),
        *(("_nuclei", f"a_nuclei{ending}", f"<name>_nuclei{ending}") for ending in ENDINGS),
    ],
)
def test_another_ending_of_masks_can_be_given(suffix: str, mask: str, rule: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", mask, "b.tif", "b_cp_masks.png")
    found = find_sources(tmp_path, FindOptions(mask_suffixes=(suffix,)))
    assert masks(found) == {"a": mask, "b": "b_cp_masks.png"}
    assert found.mask_rules == {rule: 1, "<name>_cp_masks.png": 1}


def test_a_mask_with_an_ending_that_was_not_given_is_an_image_without_a_mask(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_nuclei.tif", "b.tif", "b_cp_masks.png")
    found = find_sources(tmp_path, FindOptions(mask_suffixes=("_nuclei.png",)))
    assert [source.stem for source in found.sources] == ["b"]
    assert [failure.name for failure in found.failures] == ["a", "a_nuclei"]


def test_a_given_ending_goes_before_the_usual_ones_and_several_can_be_given(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "a_labels.tif", "b.tif", "b_dapi.png", "b_mask.tif")
    found = find_sources(tmp_path, FindOptions(mask_suffixes=("_labels", "_dapi.png")))
    assert masks(found) == {"a": "a_labels.tif", "b": "b_dapi.png"}
    assert found.mask_rules == {"<name>_labels.tif": 1, "<name>_dapi.png": 1}


@pytest.mark.parametrize("suffix", ["", " ", ".tif", ".png", "masks/_x.tif", r"masks\_x.tif", "_x.npy", "_x.jpg"])
def test_what_is_no_ending_of_a_mask_is_wrong_usage(suffix: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png")
    with pytest.raises(UsageError) as caught:
        find_sources(tmp_path, FindOptions(mask_suffixes=(suffix,)))
    assert str(caught.value) == (
        f"--mask-suffix {suffix!r} is not the ending of a mask's name; give what follows the image's name, such as "
        "_nuclei.tif, or _nuclei for .png and .tif."
    )


@pytest.mark.parametrize("mask", ["a.tif", "a.png", "a.ome.tif"])
def test_a_mask_may_have_the_name_of_its_image_in_another_folder(mask: str, tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.tif")
    touch(tmp_path / "masks", mask)
    found = find_sources(tmp_path / "images", FindOptions(masks=tmp_path / "masks"))
    assert masks(found) == {"a": mask}
    assert found.sources[0].mask_path == tmp_path / "masks" / mask
    assert found.mask_rules == {"the same name in --masks": 1}


def test_the_name_of_a_mask_goes_before_that_of_the_image(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.tif", "b.tif")
    touch(tmp_path / "masks", "a.tif", "a_cp_masks.png", "b.tif", "overview.png")
    found = find_sources(tmp_path / "images", FindOptions(masks=tmp_path / "masks"))
    assert masks(found) == {"a": "a_cp_masks.png", "b": "b.tif"}
    assert found.mask_rules == {"<name>_cp_masks.png": 1, "the same name in --masks": 1}


def test_where_masks_are_called_as_images_one_without_an_image_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.tif")
    touch(tmp_path / "masks", "a.tif", "c.tif")
    found = find_sources(tmp_path / "images", FindOptions(masks=tmp_path / "masks"))
    assert [source.stem for source in found.sources] == ["a"]
    assert {failure.name: failure.message for failure in found.failures} == {
        "c": f"{tmp_path / 'masks/c.tif'} has no image c.tif in {tmp_path / 'images'}; "
        "add the image or remove the mask."
    }


def test_an_image_is_not_its_own_mask(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "b.tif", "b_cp_masks.png")
    found = find_sources(tmp_path, FindOptions(masks=tmp_path / "." / ".." / tmp_path.name))
    assert [source.stem for source in found.sources] == ["b"]
    assert [failure.name for failure in found.failures] == ["a"]


@pytest.mark.parametrize(
    "several",
    [
        ["a_cp_masks.png", "a_cp_masks.tif"],
        ["a_cp_masks.png", "a_masks.png"],
        ["a_labels.tif", "a_mask.png"],
        ["a.ome_cp_masks.png", "a_cp_masks.png"],
        ["a.ome_seg.npy", "a_seg.npy"],
    ],
)
def test_several_masks_of_an_image_are_a_failure_that_names_them(several: list[str], tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", *several)
    assert refusal(find_sources(tmp_path)) == (
        f"'a' is the name of 2 masks: {tmp_path / several[0]}, {tmp_path / several[1]}; rename or remove all but one."
    )


def test_several_masks_of_the_name_of_an_image_are_a_failure(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.tif")
    touch(tmp_path / "masks", "a.png", "a.tif")
    assert refusal(find_sources(tmp_path / "images", FindOptions(masks=tmp_path / "masks"))) == (
        f"'a' is the name of 2 masks: {tmp_path / 'masks/a.png'}, {tmp_path / 'masks/a.tif'}; rename or remove all but "
        "one."
    )


def test_masks_are_counted_by_the_rule_that_found_them_the_most_frequent_first(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{stem}.tif" for stem in "abcdefg"), "a_seg.npy", "b_mask.png", "c_mask.png", "d_cp_masks.png")
    touch(tmp_path, "e_cp_masks.png", "f_cp_masks.png", "f_seg.npy")
    found = find_sources(tmp_path)
    assert [failure.name for failure in found.failures] == ["g"]
    assert list(found.mask_rules.items()) == [
        ("<name>_cp_masks.png", 3),
        ("<name>_mask.png", 2),
        ("<name>_seg.npy", 1),
    ]


@pytest.mark.parametrize("seconds", [-100, 0, 1, 2])
@pytest.mark.parametrize("prefer", ["", "image", "seg-npy"])
def test_a_segmentation_file_that_is_not_newer_is_left_out_unread(seconds: int, prefer: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "a_seg.npy")
    set_newer(tmp_path, seconds)
    assert masks(find_sources(tmp_path, FindOptions(prefer=prefer))) == {"a": "a_cp_masks.png"}


@pytest.mark.parametrize("allow_pickle", [False, True])
@pytest.mark.parametrize(("prefer", "mask"), [("image", "a_cp_masks.png"), ("seg-npy", "a_seg.npy")])
def test_the_user_says_which_holds_where_the_segmentation_file_is_newer(
    prefer: str, mask: str, allow_pickle: bool, tmp_path: Path
) -> None:
    write_two(tmp_path, LABELS, LABELS[::-1], seconds=3)
    options = FindOptions(prefer=prefer, allow_pickle=allow_pickle)
    assert masks(find_sources(tmp_path, options)) == {"a": mask}


def test_a_newer_segmentation_file_that_may_not_be_read_is_a_failure(tmp_path: Path) -> None:
    write_two(tmp_path, LABELS, LABELS, seconds=3)
    assert refusal(find_sources(tmp_path)) == (
        f"{tmp_path / 'a_seg.npy'} is newer than {tmp_path / 'a_cp_masks.png'}, and without --allow-pickle it is not "
        "known whether they differ; say which one holds with --prefer seg-npy (with --allow-pickle) or --prefer image, "
        "or remove the other."
    )


def test_a_newer_segmentation_file_of_the_same_masks_is_left_out(tmp_path: Path) -> None:
    write_two(tmp_path, LABELS, LABELS.astype(np.int32), seconds=3)
    assert masks(find_sources(tmp_path, FindOptions(allow_pickle=True))) == {"a": "a_cp_masks.png"}


@pytest.mark.parametrize("edited", [LABELS * 2, LABELS[:, ::-1], LABELS[:, :3], LABELS * 0])
def test_a_newer_segmentation_file_of_other_masks_is_a_failure(edited: Any, tmp_path: Path) -> None:
    write_two(tmp_path, LABELS, edited, seconds=3)
    assert refusal(find_sources(tmp_path, FindOptions(allow_pickle=True))) == (
        f"{tmp_path / 'a_seg.npy'} is newer than {tmp_path / 'a_cp_masks.png'}, and they differ; {WHICH}"
    )


def test_two_masks_that_cannot_be_compared_are_a_failure_that_says_why(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "a_seg.npy")
    set_newer(tmp_path, 3)
    assert refusal(find_sources(tmp_path, FindOptions(allow_pickle=True))) == (
        f"{tmp_path / 'a_seg.npy'} is newer than {tmp_path / 'a_cp_masks.png'}, and they cannot be compared: "
        f"a_cp_masks.png is empty; write the mask again; or {WHICH}"
    )


def test_a_mask_whose_link_leads_nowhere_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_seg.npy")
    try:
        (tmp_path / "a_cp_masks.png").symlink_to(tmp_path / "gone")
    except OSError:
        pytest.skip("this user may make no links")
    assert refusal(find_sources(tmp_path)) == (
        f"{tmp_path / 'a_cp_masks.png'} cannot be read (No such file or directory); check the file."
    )
