"""What a build says at its end: scale, groups, what it left out and what would keep that, and warnings."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.build.assembly import refuse_nothing
from builder.build.options import BuildOptions
from builder.build.sentences import drop_sentences, scale_words, unmatched_words, warning_paragraphs
from builder.cutting.recipe import Recipe
from builder.pieces.checks import WARNING_TEXTS
from builder.pieces.receipt import Receipt
from nucleusnet_core.errors import BuildError
from nucleusnet_core.inputs.pairs import FoundInputs, Source
from tests.builder.build.fields import write_field
from tests.builder.commands import nucleusnet


def test_the_most_frequent_reason_comes_first_and_says_what_keeps_the_nuclei() -> None:
    dropped = {"touches_border": 82, "no_full_window": 619, "no_contour": 1, "empty_after_rotation": 0}
    assert drop_sentences(dropped, 720, Recipe.published) == [
        "Note: 619 of 720 nuclei have no full 364 px window around them: --recipe refined keeps them.",
        "82 of 720 nuclei touch the border of their image: --recipe refined keeps and flags them.",
        "1 of 720 nuclei has no pixel in the window around its middle: --recipe refined keeps it.",
    ]


@pytest.mark.parametrize(("count", "begins"), [(25, "25 of 100"), (26, "Note: 26 of 100")])
def test_only_more_than_a_quarter_stands_out(count: int, begins: str) -> None:
    assert drop_sentences({"touches_border": count}, 100, Recipe.published)[0].startswith(begins)


def test_the_refined_recipe_is_not_recommended_to_those_who_use_it() -> None:
    sentences = drop_sentences({"empty_after_rotation": 2}, 100, Recipe.refined)
    assert len(sentences) == 1
    assert "--recipe" not in sentences[0]


def test_nothing_left_out_is_not_mentioned() -> None:
    assert drop_sentences({"touches_border": 0}, 100, Recipe.published) == []
    assert drop_sentences({}, 0, Recipe.published) == []


@pytest.mark.parametrize(
    ("scales", "sources", "said"),
    [
        ({2.0: 12}, ["ImageJ"], "scale: 2 px/µm, stated by the files (ImageJ)"),
        ({8.0453: 1}, ["--pixels-per-um"], "scale: 8.0453 px/µm, given by --pixels-per-um"),
        (
            {6.0: 1, 2.0: 1},
            ["OME", "ImageJ"],
            "scales: 2 px/µm (1 image), 6 px/µm (1 image), stated by the files (ImageJ, OME)",
        ),
        ({2.0: 2}, ["TIFF", "sample sheet"], "scale: 2 px/µm, given by the sample sheet, stated by the files (TIFF)"),
    ],
)
def test_the_scale_is_said_with_where_it_came_from(scales: dict[float, int], sources: list[str], said: str) -> None:
    assert scale_words(scales, sources) == said


@pytest.mark.parametrize(
    ("unmatched", "pattern", "group_by", "ends"),
    [
        (["a", "b", "c", "d"], None, "run_name", "(a, b, c, ...); such an image is its own run: --name-pattern, or "),
        (["a", "b"], None, "well", "do not match the name pattern (a, b)"),
        (["a"], "(?P<run>x)", "run_name", "does not match the name pattern (a): correct --name-pattern"),
    ],
)
def test_names_that_do_not_match_are_counted_and_the_first_three_named(
    unmatched: list[str], pattern: str | None, group_by: str, ends: str, tmp_path: Path
) -> None:
    options = BuildOptions(tmp_path, tmp_path / "out", name_pattern=pattern, group_by=group_by)
    sources = [Source(stem, tmp_path, tmp_path, None, stem, None, None) for stem in "abcde"]
    said = unmatched_words(FoundInputs(sources, [], group_by=group_by, unmatched=unmatched), options)
    assert said.startswith(f"names: {len(unmatched)} of 5 names ")
    assert ends in said
    assert unmatched_words(FoundInputs(sources, []), options) == ""


def test_a_warning_is_said_once_with_the_first_three_images() -> None:
    words = list(WARNING_TEXTS)[:2]
    warnings = {"a": [words[0]], "b": words, "c": [words[0]], "d": [words[0]], "e": []}
    assert warning_paragraphs(warnings) == [
        f"Warning for 4 images (a, b, c, ...): {WARNING_TEXTS[words[0]]}",
        f"Warning for 1 image (b): {WARNING_TEXTS[words[1]]}",
    ]


def receipt(stem: str, dropped: dict[str, int]) -> Receipt:
    unknown: dict[str, Any] = dict.fromkeys(Receipt.__dataclass_fields__)
    facts = {"stem": stem, "num_rois": sum(dropped.values()), "kept": 0, "dropped": dropped}
    return Receipt(**unknown | facts)


def test_a_build_that_keeps_nothing_says_what_would(tmp_path: Path) -> None:
    receipts = [receipt("a", {"no_full_window": 5}), receipt("b", {"no_full_window": 2, "touches_border": 1})]
    with pytest.raises(BuildError) as refused:
        refuse_nothing(receipts, [], tmp_path / "x.work", Recipe.published)
    assert str(refused.value).splitlines() == [
        "No dataset was made: of 8 nuclei in 2 usable images, none could be kept. Call again with --recipe refined "
        f"--fresh, or remove {tmp_path / 'x.work'}.",
        "Note: 7 of 8 nuclei have no full 364 px window around them: --recipe refined keeps them.",
        "1 of 8 nuclei touches the border of its image: --recipe refined keeps and flags it.",
    ]


def test_the_report_says_scales_groups_names_reasons_and_warnings_and_succeeds(tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    write_field(folder, "Run01TL_top_left", seed=1)
    write_field(folder, "Run02TL_top_left", pixels_per_um=6.0, seed=2)
    write_field(folder, "copy", seed=1)
    done = nucleusnet("build", folder, "--splits", "train=1", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "nucleusnet: 3 images",
        "scales: 2 px/µm (2 images), 6 px/µm (1 image), stated by the files (ImageJ)",
        "found 30 = kept 6 + touches_border 6 + no_full_window 18 + no_contour 0 + empty_after_rotation 0",
        "splits: train 6",
        "splits keep each run_name together: train 3",
    ]
    assert lines[5].startswith("names: 1 of 3 names does not match the name pattern (copy); ")
    assert lines[6:8] == [
        "Note: 18 of 30 nuclei have no full 364 px window around them: --recipe refined keeps them.",
        "6 of 30 nuclei touch the border of their image: --recipe refined keeps and flags them.",
    ]
    assert f"Warning for 2 images (Run01TL_top_left, copy): {WARNING_TEXTS['duplicate_image']}" in lines[8:]


def test_json_says_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    write_field(folder, "Run01TL_top_left", pixels_per_um=None, seed=1)
    write_field(folder, "other", pixels_per_um=None, seed=1)
    options = ("--splits", "train=1", "--pixels-per-um", "2", "--json")
    done = nucleusnet("build", folder, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["scales"] == [{"pixels_per_um": 2.0, "images": 2}]
    assert summary["scale_sources"] == {"--pixels-per-um": 2}
    assert (summary["unmatched"], summary["columns"], summary["group_by"]) == (["other"], {}, "run_name")
    assert "duplicate_image" in summary["warnings"]["other"]
    assert summary["failures"] == []


def test_what_the_sheet_splits_has_no_split_too_few(tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    for seed, name in enumerate(("a", "b")):
        write_field(folder, name, seed=seed)
    sheet = tmp_path / "samples.csv"
    sheet.write_text("stitched_image,well,split\na,B02,train\nb,B03,test\n")
    done = nucleusnet("build", folder, "--samples", sheet, "--group-by", "well", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "splits keep each well together: train 1, test 1" in done.stdout.splitlines()
    assert "too few" not in done.stdout


def test_too_few_groups_for_all_splits_are_said(tmp_path: Path) -> None:
    write_field(tmp_path / "stitched", "a")
    done = nucleusnet("build", "stitched", "--quiet", cwd=tmp_path)
    assert "too few runs, so these splits are left out: validation, test" in done.stdout.splitlines()
