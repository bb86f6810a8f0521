"""Which image goes with which mask, what a name says, and what is refused."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.inputs.pairs import Source, find_sources
from builder.workers.failure import Failure
from nucleusnet_core.errors import PairingError, UsageError
from nucleusnet_core.stitched_names import is_image, is_mask, list_files, stem_of


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def stems(sources: list[Source]) -> list[str]:
    return [source.stem for source in sources]


def messages(failures: list[Failure]) -> dict[str, str]:
    assert len({failure.name for failure in failures}) == len(failures)
    return {failure.name: failure.message for failure in failures}


def test_an_image_and_its_mask_are_a_source_with_what_the_name_says(tmp_path: Path) -> None:
    touch(tmp_path, "Run72TR_bottom_left.tif", "Run72TR_bottom_left_cp_masks.png")
    sources, failures = find_sources(tmp_path)
    assert failures == []
    assert sources == [
        Source(
            stem="Run72TR_bottom_left",
            image_path=tmp_path / "Run72TR_bottom_left.tif",
            mask_path=tmp_path / "Run72TR_bottom_left_cp_masks.png",
            run=72,
            run_group="72",
            quarter="TR",
            position="bottom_left",
        )
    ]


@pytest.mark.parametrize("image", ["a.tif", "a.tiff", "a.ome.tif", "a.ome.tiff", "a.TIF"])
@pytest.mark.parametrize(
    "mask", ["_cp_masks.png", "_cp_masks.tif", "_cp_masks.tiff", "_cp_masks.ome.tif", "_cp_masks.ome.tiff", "_seg.npy"]
)
def test_every_suffix_of_images_pairs_with_every_suffix_of_masks(image: str, mask: str, tmp_path: Path) -> None:
    touch(tmp_path, image, "a" + mask)
    sources, failures = find_sources(tmp_path)
    assert failures == []
    assert [(source.stem, source.image_path.name, source.mask_path.name) for source in sources] == [
        ("a", image, "a" + mask)
    ]


def test_sources_come_sorted_by_stem(tmp_path: Path) -> None:
    for stem in ("b", "a", "c10", "c9", "B2"):
        touch(tmp_path, f"{stem}.tif", f"{stem}_cp_masks.png")
    assert stems(find_sources(tmp_path)[0]) == ["B2", "a", "b", "c10", "c9"]


def test_masks_are_found_in_another_folder_and_only_there(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "my masks"
    touch(images, "a.tif", "b.tif", "b_cp_masks.png")
    touch(masks, "a_cp_masks.png")
    sources, failures = find_sources(images, masks=masks)
    assert [source.mask_path for source in sources] == [masks / "a_cp_masks.png"]
    assert list(messages(failures)) == ["b"]
    assert f"{images / 'b.tif'} has no mask b_cp_masks.png in {masks}; segment the image" in messages(failures)["b"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a.tif", "b.tif"),
            r"holds no mask <name>_cp_masks.png among its 2 files, and .* holds 2 images; segment .* --masks",
        ),
        (
            ("a_cp_masks.png",),
            r"holds no image <name>.tif among its 1 file, and .* holds 1 mask; give the folder of the images",
        ),
    ],
)
def test_a_folder_with_only_images_or_only_masks_is_one_error(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(PairingError, match=message):
        find_sources(tmp_path)


def test_an_address_where_a_folder_is_expected_is_called_one() -> None:
    with pytest.raises(UsageError, match=r"example\.org/images is a URL, not a folder; give a folder of this machine"):
        list_files(Path("https://example.org/images"), recursive=False)


def test_images_without_masks_and_masks_without_images_are_failures_and_the_others_are_paired(tmp_path: Path) -> None:
    touch(tmp_path, "good.tif", "good_cp_masks.png", "lonely.tif", "lost_cp_masks.png", "notes.txt", "other.png")
    sources, failures = find_sources(tmp_path)
    assert stems(sources) == ["good"]
    assert messages(failures) == {
        "lonely": f"{tmp_path / 'lonely.tif'} has no mask lonely_cp_masks.png in {tmp_path}; segment the image, or "
        "give the folder of the masks with --masks.",
        "lost": f"{tmp_path / 'lost_cp_masks.png'} has no image lost.tif in {tmp_path}; "
        "add the image or remove the mask.",
    }


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.tif", "a.tiff", "a_cp_masks.png"], "images"),
        (["a.ome.tif", "a.tif", "a_cp_masks.png"], "images"),
        (["a.tif", "a_cp_masks.png", "a_cp_masks.tif"], "masks"),
    ],
)
def test_a_stem_that_several_files_share_is_a_failure_that_names_them(
    names: list[str], kind: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names, "b.tif", "b_cp_masks.png")
    sources, failures = find_sources(tmp_path)
    assert stems(sources) == ["b"]
    shared = [tmp_path / name for name in names if is_mask(name) == (kind == "masks")]
    listed = ", ".join(map(str, shared))
    assert messages(failures) == {"a": f"'a' is the name of 2 {kind}: {listed}; rename or remove all but one."}


def test_a_segmentation_file_beside_a_label_image_of_the_same_masks_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "a_seg.npy")
    sources, failures = find_sources(tmp_path)
    assert failures == []
    assert [source.mask_path.name for source in sources] == ["a_cp_masks.png"]


def test_the_same_stem_in_two_subfolders_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.tif", "y/a.tif", "x/a_cp_masks.png")
    sources, failures = find_sources(tmp_path, recursive=True)
    assert sources == []
    assert "'a' is the name of 2 images: " in messages(failures)["a"]


def test_stems_that_differ_only_by_case_are_failures_because_their_pieces_would_be_one_file(tmp_path: Path) -> None:
    for folder, stem in (("1", "RunA"), ("2", "runa"), ("3", "b")):
        touch(tmp_path, f"{folder}/{stem}.tif", f"{folder}/{stem}_cp_masks.png")
    sources, failures = find_sources(tmp_path, recursive=True)
    assert stems(sources) == ["b"]
    assert list(messages(failures)) == ["RunA", "runa"]
    assert messages(failures)["RunA"] == (
        f"the name of {tmp_path / '1' / 'RunA.tif'} differs from runa only by upper and lower case, which Windows and "
        "macOS do not tell apart; rename all but one."
    )


def test_decomposed_file_names_give_composed_stems_and_pair_with_composed_ones(tmp_path: Path) -> None:
    composed = "Zellkörper Zoë"
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    touch(tmp_path, f"{decomposed}.tif", f"{composed}_cp_masks.png")
    sources, failures = find_sources(tmp_path)
    assert failures == []
    assert stems(sources) == [composed]
    assert sources[0].image_path.is_file()
    assert sources[0].run_group == composed


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_no_text_is_a_failure_that_can_be_printed(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", os.fsdecode(b"gr\xfcn.tif"), os.fsdecode(b"gr\xfcn.txt"))
    sources, failures = find_sources(tmp_path)
    assert stems(sources) == ["a"]
    assert [failure.name for failure in failures] == [r"gr\udcfcn.tif"]
    failures[0].message.encode()


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Run1TL_top_left", (1, "1", "TL", "top_left")),
        ("Run007BR_bottom_right", (7, "7", "BR", "bottom_right")),
        ("Run2147483647TR_top_right", (2147483647, "2147483647", "TR", "top_right")),
        ("Run2147483648TR_top_right", (None, "2147483648", "TR", "top_right")),
        ("run1TL_top_left", (None, "run1TL_top_left", None, None)),
        ("xRun1TL_top_left", (None, "xRun1TL_top_left", None, None)),
        ("Run1TL_top_left_2", (None, "Run1TL_top_left_2", None, None)),
        ("Run\u0661TL_top_left", (None, "\u0661", "TL", "top_left")),
        ("slide 5", (None, "slide 5", None, None)),
    ],
)
def test_the_default_pattern_must_match_the_whole_stem(
    stem: str, expected: tuple[int | None, str, str | None, str | None], tmp_path: Path
) -> None:
    touch(tmp_path, f"{stem}.tif", f"{stem}_cp_masks.png")
    [source] = find_sources(tmp_path)[0]
    assert (source.run, source.run_group, source.quarter, source.position) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?P<run>[A-Z]\d)_f(?P<position>\d+)", (None, "B3", None, "12")),
        (r"B(?P<run>\d)_.*", (3, "3", None, None)),
        (r"(?P<run>x)?B3_(?P<quarter>f)12", (None, "B3_f12", "f", None)),
        (r".*", (None, "B3_f12", None, None)),
        (r"B3", (None, "B3_f12", None, None)),
    ],
)
def test_another_pattern_says_what_it_has_groups_for(
    pattern: str, expected: tuple[int | None, str, str | None, str | None], tmp_path: Path
) -> None:
    touch(tmp_path, "B3_f12.tif", "B3_f12_cp_masks.png")
    [source] = find_sources(tmp_path, name_pattern=pattern)[0]
    assert (source.run, source.run_group, source.quarter, source.position) == expected


def test_a_pattern_that_is_no_regular_expression_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--name-pattern '\(' is not a regular expression \(.*\); correct it"):
        find_sources(tmp_path, name_pattern="(")


def test_subfolders_are_walked_only_when_asked(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "deep/er/b.tif", "deep/b_cp_masks.png", ".hidden/c.tif")
    assert stems(find_sources(tmp_path)[0]) == ["a"]
    sources, failures = find_sources(tmp_path, recursive=True)
    assert (stems(sources), failures) == (["a", "b"], [])


def test_hidden_files_and_those_that_macos_leaves_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a_cp_masks.png", "._a.tif", "._a_cp_masks.png", ".DS_Store", ".b.tif")
    sources, failures = find_sources(tmp_path)
    assert (stems(sources), failures) == (["a"], [])


@pytest.mark.parametrize("names", [[], ["notes.txt", "photo.png", "deep/a.tif"]])
def test_a_folder_without_images_and_masks_is_an_error_with_the_remedy(names: list[str], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    found = len([name for name in names if "/" not in name])
    with pytest.raises(
        PairingError, match=rf"no stitched image .* and no mask .* among its {found} files; .*--recursive"
    ):
        find_sources(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif")
    for missing, fact in ((tmp_path / "nowhere", "does not exist"), (tmp_path / "a.tif", "is a file, not a folder")):
        with pytest.raises(UsageError, match=f"{missing.name} {fact}; give a folder of this machine"):
            find_sources(missing)
        with pytest.raises(UsageError, match=f"{missing.name} {fact}; give a folder of this machine"):
            find_sources(tmp_path, masks=missing)


def symlink(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this user may make no links")


def test_links_to_files_and_folders_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    touch(elsewhere, "1", "2", "more/b.tif", "more/b_cp_masks.png")
    folder.mkdir()
    symlink(folder / "a.tif", elsewhere / "1")
    symlink(folder / "a_cp_masks.png", elsewhere / "2")
    symlink(folder / "linked", elsewhere / "more")
    symlink(elsewhere / "more" / "back", folder)
    sources, failures = find_sources(folder, recursive=True)
    assert (stems(sources), failures) == (["a", "b"], [])
    assert sources[0].image_path == folder / "a.tif"


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
    sources, failures = find_sources(tmp_path)
    files = list_files(tmp_path, recursive=False)
    watching = False
    for entry in os.scandir(tmp_path):
        os.unlink(entry)  # noqa: PTH108  # pathlib would take seconds
    assert [source.run for source in sources] == list(range(0, 100_000, 10_000))
    assert (failures, opened) == ([], [])
    assert len(files) == 100_011


STEMS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\\"), min_size=1, max_size=12)


@given(STEMS, st.sampled_from([".tif", ".tiff", ".ome.tif", "_cp_masks.png", "_cp_masks.tif", "_seg.npy"]))
def test_the_stem_of_a_name_is_all_before_its_suffix(stem: str, suffix: str) -> None:
    name = stem + suffix
    assert is_image(name) != is_mask(name)
    if not stem.lower().endswith((".ome", "_cp_masks")):
        assert stem_of(name) == unicodedata.normalize("NFC", stem)
