"""Which files are images and masks, in which folders they are found, and what is refused."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleusnet_core.errors import Failure, PairingError, UsageError
from nucleusnet_core.inputs.pairs import FindOptions, FoundInputs, Source, find_sources
from nucleusnet_core.stitched_names import is_image, is_mask, list_files, stem_of

RECURSIVE = FindOptions(recursive=True)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def symlink(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this user may make no links")


def stems(found: FoundInputs) -> list[str]:
    return [source.stem for source in found.sources]


def messages(failures: list[Failure]) -> dict[str, str]:
    assert len({failure.name for failure in failures}) == len(failures)
    return {failure.name: failure.message for failure in failures}


def test_an_image_and_its_mask_are_a_source_with_what_the_name_says(tmp_path: Path) -> None:
    touch(tmp_path, "Run72TR_bottom_left.tif", "Run72TR_bottom_left_cp_masks.png")
    assert find_sources(tmp_path) == FoundInputs(
        sources=[
            Source(
                stem="Run72TR_bottom_left",
                image_path=tmp_path / "Run72TR_bottom_left.tif",
                mask_path=tmp_path / "Run72TR_bottom_left_cp_masks.png",
                run=72,
                run_name="72",
                quarter="TR",
                position="bottom_left",
                columns=(),
                group="72",
                split=None,
                pixels_per_um=None,
                scale_option="",
            )
        ],
        failures=[],
        columns={},
        group_by="run_name",
        unmatched=[],
        mask_rules={"<name>_cp_masks.png": 1},
    )


def test_sources_come_sorted_by_stem(tmp_path: Path) -> None:
    for stem in ("b", "a", "c10", "c9", "B2"):
        touch(tmp_path, f"{stem}.tif", f"{stem}_cp_masks.png")
    assert stems(find_sources(tmp_path)) == ["B2", "a", "b", "c10", "c9"]


@pytest.mark.parametrize("mask", ["a_cp_masks.png", "a_mask.png", "a_seg.npy"])
def test_an_image_may_be_a_png_and_its_mask_is_no_image(mask: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.png", mask)
    found = find_sources(tmp_path)
    assert found.failures == []
    assert [(source.stem, source.image_path.name, source.mask_path.name) for source in found.sources] == [
        ("a", "a.png", mask)
    ]


@pytest.mark.parametrize("tiff", ["a.tif", "a.ome.tiff"])
def test_a_png_beside_a_tiff_of_the_same_name_is_left_out(tiff: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.png", tiff, "a_cp_masks.png")
    found = find_sources(tmp_path)
    assert found.failures == []
    assert [source.image_path.name for source in found.sources] == [tiff]


def test_masks_are_found_in_another_folder_and_only_there(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "my masks"
    touch(images, "a.tif", "b.tif", "b_cp_masks.png")
    touch(masks, "a_cp_masks.png")
    found = find_sources(images, FindOptions(masks=masks))
    assert [source.mask_path for source in found.sources] == [masks / "a_cp_masks.png"]
    assert messages(found.failures) == {
        "b": f"{images / 'b.tif'} has no mask b_cp_masks.png in {masks}; segment the image, or give the ending of the "
        "masks' names with --mask-suffix."
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a.tif", "b.png"),
            "{0} holds no mask <name>_cp_masks.png among its 2 files, and {0} holds 2 images; segment the images, or "
            "give the folder of the masks with --masks, or the ending of the masks' names with --mask-suffix.",
        ),
        (
            ("a_cp_masks.png",),
            "{0} holds no image <name>.tif among its 1 file, and {0} holds 1 mask; give the folder of the images.",
        ),
        (
            (),
            "{0} holds no stitched image <name>.tif and no mask <name>_cp_masks.png among its 0 files; give the folder "
            "that holds them, or --recursive to look in its subfolders.",
        ),
        (
            ("notes.txt", "deep/a.tif"),
            "{0} holds no stitched image <name>.tif and no mask <name>_cp_masks.png among its 1 file; give the folder "
            "that holds them, or --recursive to look in its subfolders.",
        ),
    ],
)
def test_a_folder_without_images_or_without_masks_is_one_error(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(PairingError) as caught:
        find_sources(tmp_path)
    assert str(caught.value) == message.format(tmp_path)


def test_a_folder_of_masks_without_one_is_one_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.tif", "images/a_cp_masks.png", "masks/notes.txt")
    images, masks = tmp_path / "images", tmp_path / "masks"
    with pytest.raises(PairingError) as caught:
        find_sources(images, FindOptions(masks=masks))
    assert str(caught.value) == (
        f"{masks} holds no mask <name>_cp_masks.png among its 1 file, and {images} holds 1 image; segment the images, "
        "or give the ending of the masks' names with --mask-suffix."
    )


def test_an_address_where_a_folder_is_expected_is_called_one() -> None:
    with pytest.raises(UsageError, match=r"example\.org/images is a URL, not a folder; give a folder of this machine"):
        list_files(Path("https://example.org/images"), recursive=False)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif")
    for missing, fact in ((tmp_path / "nowhere", "does not exist"), (tmp_path / "a.tif", "is a file, not a folder")):
        with pytest.raises(UsageError, match=f"{missing.name} {fact}; give a folder of this machine"):
            find_sources(missing)
        with pytest.raises(UsageError, match=f"{missing.name} {fact}; give a folder of this machine"):
            find_sources(tmp_path, FindOptions(masks=missing))


def test_images_without_masks_and_masks_without_images_are_failures_and_the_others_are_paired(tmp_path: Path) -> None:
    touch(tmp_path, "good.tif", "good_cp_masks.png", "lonely.tif", "lost_cp_masks.png", "notes.txt", "other.png")
    found = find_sources(tmp_path)
    assert stems(found) == ["good"]
    remedy = (
        "segment the image, or give the folder of the masks with --masks, or the ending of the masks' names with "
        "--mask-suffix."
    )
    assert list(messages(found.failures).items()) == [
        ("lonely", f"{tmp_path / 'lonely.tif'} has no mask lonely_cp_masks.png in {tmp_path}; {remedy}"),
        (
            "lost",
            f"{tmp_path / 'lost_cp_masks.png'} has no image lost.tif in {tmp_path}; add the image or remove the mask.",
        ),
        ("other", f"{tmp_path / 'other.png'} has no mask other_cp_masks.png in {tmp_path}; {remedy}"),
    ]


@pytest.mark.parametrize("names", [["a.tif", "a.tiff"], ["a.ome.tif", "a.tif"]])
def test_a_stem_that_several_images_share_is_a_failure_that_names_them(names: list[str], tmp_path: Path) -> None:
    touch(tmp_path, *names, "a_cp_masks.png", "b.tif", "b_cp_masks.png")
    found = find_sources(tmp_path)
    assert stems(found) == ["b"]
    assert messages(found.failures) == {
        "a": f"'a' is the name of 2 images: {tmp_path / names[0]}, {tmp_path / names[1]}; rename or remove all but one."
    }


def test_subfolders_are_walked_only_when_asked_and_are_part_of_the_stem(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "x/a.tif", "x/a_cp_masks.png", "x/y/a.png", "x/y/a_mask.png")
    touch(tmp_path, ".hidden/c.tif", ".hidden/c_cp_masks.png")
    assert stems(find_sources(tmp_path)) == ["a"]
    found = find_sources(tmp_path, RECURSIVE)
    assert found.failures == []
    assert [(source.stem, source.run_name, source.image_path, source.mask_path) for source in found.sources] == [
        ("a", "a", tmp_path / "a.tif", tmp_path / "a_cp_masks.png"),
        ("x__a", "x__a", tmp_path / "x/a.tif", tmp_path / "x/a_cp_masks.png"),
        ("x__y__a", "x__y__a", tmp_path / "x/y/a.png", tmp_path / "x/y/a_mask.png"),
    ]


def test_a_mask_in_another_subfolder_is_not_that_of_the_image(tmp_path: Path) -> None:
    touch(tmp_path, "x/y/b.tif", "x/b_cp_masks.png")
    found = find_sources(tmp_path, RECURSIVE)
    assert found.sources == []
    said = messages(found.failures)
    assert list(said) == ["x__b", "x__y__b"]
    assert said["x__y__b"].startswith(f"{tmp_path / 'x/y/b.tif'} has no mask x/y/b_cp_masks.png in {tmp_path}; ")


def test_the_folder_of_the_masks_has_the_same_subfolders(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    touch(images, "x/a.tif", "y/a.tif")
    touch(masks, "x/a_cp_masks.png", "y/a.tif")
    found = find_sources(images, FindOptions(masks=masks, recursive=True))
    assert found.failures == []
    assert [(source.stem, source.mask_path) for source in found.sources] == [
        ("x__a", masks / "x/a_cp_masks.png"),
        ("y__a", masks / "y/a.tif"),
    ]


@pytest.mark.parametrize(("folder", "masks"), [("study", "study/masks"), ("study/images", "study")])
def test_one_folder_may_lie_in_the_other(folder: str, masks: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{folder}/a.tif", f"{folder}/x/b.tif", f"{masks}/a.tif", f"{masks}/x/b.tif")
    found = find_sources(tmp_path / folder, FindOptions(masks=tmp_path / masks, recursive=True))
    assert found.failures == []
    assert [(source.stem, source.image_path, source.mask_path) for source in found.sources] == [
        ("a", tmp_path / folder / "a.tif", tmp_path / masks / "a.tif"),
        ("x__b", tmp_path / folder / "x/b.tif", tmp_path / masks / "x/b.tif"),
    ]


def test_a_name_and_a_path_that_give_one_stem_are_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "a__b.tif", "a/b.tif", "a/b_cp_masks.png")
    found = find_sources(tmp_path, RECURSIVE)
    assert found.sources == []
    assert messages(found.failures) == {
        "a__b": f"'a__b' is the name of 2 images: {tmp_path / 'a/b.tif'}, {tmp_path / 'a__b.tif'}; rename or remove "
        "all but one."
    }


def test_stems_that_differ_only_by_case_are_failures_because_their_pieces_would_be_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "x__A.tif", "x__A_cp_masks.png", "x/a.tif", "x/a_cp_masks.png", "b.tif", "b_cp_masks.png")
    found = find_sources(tmp_path, RECURSIVE)
    assert stems(found) == ["b"]
    rest = "only by upper and lower case, which Windows and macOS do not tell apart; rename all but one."
    assert messages(found.failures) == {
        "x__A": f"the name of {tmp_path / 'x__A.tif'} differs from x__a {rest}",
        "x__a": f"the name of {tmp_path / 'x/a.tif'} differs from x__A {rest}",
    }


@pytest.mark.parametrize("stem", ["x" * 200, "\u00fc" * 100, "d" * 99 + "/" + "x" * 99])
def test_a_name_of_200_bytes_is_used_and_a_longer_one_refused(stem: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{stem}.tif", f"{stem}_cp_masks.png", f"{stem}y.tif", f"{stem}y_cp_masks.png")
    found = find_sources(tmp_path, RECURSIVE)
    whole = stem.replace("/", "__")
    assert stems(found) == [whole]
    assert messages(found.failures) == {
        f"{whole}y": f"the name of {whole[:20]}... has 201 bytes in UTF-8 without its suffix (with the subfolders that "
        "it lies in); it may have 200: shorten it."
    }


def test_decomposed_file_names_give_composed_stems_and_pair_with_composed_ones(tmp_path: Path) -> None:
    composed = "Zellk\u00f6rper Zo\u00eb"
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    touch(tmp_path, f"{decomposed}.tif", f"{composed}_cp_masks.png", f"{decomposed}/a.tif", f"{decomposed}/a_mask.png")
    found = find_sources(tmp_path, RECURSIVE)
    assert found.failures == []
    assert stems(found) == [composed, f"{composed}__a"]
    assert [source.run_name for source in found.sources] == stems(found)
    assert all(source.image_path.is_file() for source in found.sources)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_no_text_is_a_failure_that_can_be_printed(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", os.fsdecode(b"gr\xfcn.tif"), os.fsdecode(b"gr\xfcn.txt"))
    touch(tmp_path, os.fsdecode(b"gr\xfcn/b.png"))
    found = find_sources(tmp_path, RECURSIVE)
    assert stems(found) == ["a"]
    assert messages(found.failures) == {
        r"gr\udcfcn.tif": r"the file name gr\udcfcn.tif is not text in UTF-8; rename the file.",
        r"gr\udcfcn/b.png": r"the file name gr\udcfcn/b.png is not text in UTF-8; rename the file.",
    }


def test_hidden_files_and_those_that_macos_leaves_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "._a.tif", "._a_cp_masks.png", ".DS_Store", ".b.tif")
    found = find_sources(tmp_path)
    assert (stems(found), found.failures) == (["a"], [])


def test_links_to_files_and_folders_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    touch(elsewhere, "1", "2", "more/b.tif", "more/b_cp_masks.png")
    folder.mkdir()
    symlink(folder / "a.tif", elsewhere / "1")
    symlink(folder / "a_cp_masks.png", elsewhere / "2")
    symlink(folder / "linked", elsewhere / "more")
    symlink(elsewhere / "more" / "back", folder)
    found = find_sources(folder, RECURSIVE)
    assert (stems(found), found.failures) == (["a", "linked__b"], [])
    assert found.sources[0].image_path == folder / "a.tif"


def test_a_folder_of_100_000_files_is_paired_without_opening_one(tmp_path: Path) -> None:
    opened: list[str] = []
    watching = False

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    (tmp_path / "n").touch()
    folder = str(tmp_path)
    for number in range(100_000):
        name = f"{folder}/Run{number}TL_top_left"
        os.close(os.open(f"{name}.txt" if number % 10_000 else f"{name}.tif", os.O_CREAT | os.O_WRONLY))
    for number in range(0, 100_000, 10_000):
        touch(tmp_path, f"Run{number}TL_top_left_cp_masks.png")
    watching = True
    found = find_sources(tmp_path)
    files = list_files(tmp_path, recursive=False)
    watching = False
    for entry in os.scandir(tmp_path):
        os.unlink(entry)  # noqa: PTH108  # pathlib would take seconds
    assert [source.run for source in found.sources] == list(range(0, 100_000, 10_000))
    assert (found.failures, opened) == ([], [])
    assert len(files) == 100_011


STEMS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\\"), min_size=1, max_size=12)
SUFFIXES = [".tif", ".tiff", ".ome.tif", ".png", "_cp_masks.png", "_cp_masks.tif", "_label.ome.tiff", "_seg.npy"]


@given(STEMS, st.sampled_from(SUFFIXES))
def test_the_stem_of_a_name_is_all_before_its_suffix(stem: str, suffix: str) -> None:
    name = stem + suffix
    assert is_image(name) != is_mask(name)
    if not stem.lower().endswith((".ome", "_cp_masks", "_masks", "_mask", "_labels", "_label")):
        assert stem_of(name) == unicodedata.normalize("NFC", stem)
