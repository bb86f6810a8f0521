"""What the name of an image says: by the published pattern, and by one that is given."""

from pathlib import Path

import pytest

from nucleusnet_core.contract import NUCLEUS_COLUMNS, STITCHED_COLUMNS
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.pairs import FindOptions, FoundInputs, find_sources

WELLS = r"(?P<well>[A-H]\d\d)_s(?P<site>\d+)"
PATHS = r"(?P<condition>[^/]+)/(?P<day>d\d)?/?field(?P<run>\d+)"


def find(folder: Path, stems: list[str], pattern: str | None = None, group_by: str = "run_name") -> FoundInputs:
    """Find images of these names, with masks; with slashes they lie in subfolders."""
    for stem in stems:
        for name in (f"{stem}.tif", f"{stem}_cp_masks.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    found = find_sources(folder, FindOptions(recursive=True, name_pattern=pattern, group_by=group_by))
    assert found.failures == []
    return found


def refusal(folder: Path, stems: list[str], pattern: str) -> str:
    with pytest.raises(UsageError) as caught:
        find(folder, stems, pattern)
    return str(caught.value)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Run1TL_top_left", (1, "1", "TL", "top_left")),
        ("Run007BR_bottom_right", (7, "7", "BR", "bottom_right")),
        ("Run000BL_bottom_left", (0, "0", "BL", "bottom_left")),
        ("Run2147483647TR_top_right", (2147483647, "2147483647", "TR", "top_right")),
        ("Run2147483648TR_top_right", (None, "2147483648", "TR", "top_right")),
        ("run1TL_top_left", (None, "run1TL_top_left", None, None)),
        ("xRun1TL_top_left", (None, "xRun1TL_top_left", None, None)),
        ("Run1TL_top_left_2", (None, "Run1TL_top_left_2", None, None)),
        ("Run\u0661TL_top_left", (None, "\u0661", "TL", "top_left")),
        ("slide 5", (None, "slide 5", None, None)),
        ("007", (None, "007", None, None)),
    ],
)
def test_the_default_pattern_must_match_the_whole_stem(
    stem: str, expected: tuple[int | None, str, str | None, str | None], tmp_path: Path
) -> None:
    found = find(tmp_path, [stem])
    [source] = found.sources
    assert (source.run, source.run_name, source.quarter, source.position) == expected
    assert (source.columns, found.columns, source.group) == ((), {}, expected[1])
    assert found.unmatched == ([] if expected[3] else [stem])


def test_the_default_pattern_looks_at_file_names_alone(tmp_path: Path) -> None:
    found = find(tmp_path, ["drug/Run02TL_top_left", "none/Run2TL_top_left"])
    assert [(source.stem, source.run, source.group) for source in found.sources] == [
        ("drug__Run02TL_top_left", 2, "2"),
        ("none__Run2TL_top_left", 2, "2"),
    ]
    assert found.unmatched == []


def test_names_that_the_pattern_does_not_match_are_listed(tmp_path: Path) -> None:
    found = find(tmp_path, ["Run1TL_top_left", "Run1TL_top_left copy", "B02"])
    assert found.unmatched == ["B02", "Run1TL_top_left copy"]
    (tmp_path / "without a mask.tif").touch()
    assert find_sources(tmp_path).unmatched == ["B02", "Run1TL_top_left copy"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?P<run>[A-Z]\d)_f(?P<position>\d+)", (None, "B3", None, "12")),
        (r"B(?P<run>\d)_.*", (3, "3", None, None)),
        (r"(?P<run>x)?B3_(?P<quarter>f)12", (None, "B3_f12", "f", None)),
        (r"(?P<run>x?)B3_f(?P<position>\d+)", (None, "B3_f12", None, "12")),
    ],
)
def test_another_pattern_says_what_it_has_groups_for(
    pattern: str, expected: tuple[int | None, str, str | None, str | None], tmp_path: Path
) -> None:
    found = find(tmp_path, ["B3_f12"], pattern)
    [source] = found.sources
    assert (source.run, source.run_name, source.quarter, source.position) == expected
    assert (source.columns, found.columns, found.unmatched) == ((), {}, [])


def test_every_other_named_group_is_a_column_of_text(tmp_path: Path) -> None:
    found = find(tmp_path, ["B02_s1", "B03_s02", "overview"], WELLS)
    assert found.columns == {"well": "string", "site": "string"}
    assert list(found.columns) == ["well", "site"]
    assert [(source.stem, source.columns, source.run, source.run_name) for source in found.sources] == [
        ("B02_s1", (("well", "B02"), ("site", "1")), None, "B02_s1"),
        ("B03_s02", (("well", "B03"), ("site", "02")), None, "B03_s02"),
        ("overview", (("well", None), ("site", None)), None, "overview"),
    ]
    assert found.unmatched == ["overview"]


def test_a_given_pattern_matches_the_path_and_an_optional_part_is_null(tmp_path: Path) -> None:
    found = find(tmp_path, ["control/field01", "drug/d3/field1"], PATHS)
    assert [(source.stem, source.run, source.run_name, source.columns) for source in found.sources] == [
        ("control__field01", 1, "1", (("condition", "control"), ("day", None))),
        ("drug__d3__field1", 1, "1", (("condition", "drug"), ("day", "d3"))),
    ]
    assert list(found.columns.items()) == [("condition", "string"), ("day", "string")]
    assert found.unmatched == []


def test_the_suffix_of_an_image_is_not_part_of_its_name(tmp_path: Path) -> None:
    for name in ("B02_s1.ome.tif", "B02_s1_cp_masks.png", "B02_s2.png", "B02_s2_cp_masks.png"):
        (tmp_path / name).touch()
    found = find_sources(tmp_path, FindOptions(name_pattern=WELLS))
    assert [source.columns for source in found.sources] == [
        (("well", "B02"), ("site", "1")),
        (("well", "B02"), ("site", "2")),
    ]


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("run_name", ["1", "1"]),
        ("run", ["1", "1"]),
        ("condition", ["control", "drug"]),
        ("day", ["1", "d3"]),
    ],
)
def test_splits_keep_images_of_one_value_together_and_of_one_run_where_it_is_null(
    group_by: str, groups: list[str], tmp_path: Path
) -> None:
    found = find(tmp_path, ["control/field01", "drug/d3/field1"], PATHS, group_by)
    assert found.group_by == group_by
    assert [source.group for source in found.sources] == groups


def test_splits_may_keep_quarters_together(tmp_path: Path) -> None:
    found = find(tmp_path, ["Run1TL_top_left", "Run2BR_top_left", "slide 5"], group_by="quarter")
    assert [source.group for source in found.sources] == ["TL", "BR", "slide 5"]


@pytest.mark.parametrize(
    ("stems", "pattern", "offered"),
    [
        (["slide 5"], None, "there is run_name"),
        (["Run1TL_top_left"], None, "there are run_name, run, quarter, position"),
        (["B02_s1"], WELLS, "there are run_name, well, site"),
    ],
)
def test_a_column_to_group_by_that_is_not_there_is_wrong_usage(
    stems: list[str], pattern: str | None, offered: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        find(tmp_path, stems, pattern, "plate")
    assert str(caught.value) == (
        f"--group-by plate: there is no such column; {offered}. Others come from named groups of --name-pattern and "
        "from --samples."
    )


def test_a_column_to_group_by_without_a_value_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find(tmp_path, ["control/field01"], PATHS, "day")
    assert str(caught.value) == ("--group-by day: no image has a value in this column; group by another column.")


def test_a_pattern_that_matches_nothing_is_wrong_usage_with_an_example(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["x/B02_s1", "x/B02_s2"], r"P(?P<plate>\d+)") == (
        r"--name-pattern 'P(?P<plate>\\d+)' matches none of 2 names, such as 'x/B02_s1'; it must match the whole name, "
        "without the suffix of the file: correct it."
    )


def test_a_pattern_that_matches_a_part_of_names_is_told_so(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["B02_s1", "overview"], "(?P<well>B02)") == (
        "--name-pattern '(?P<well>B02)' matches none of 2 names: it must match the whole name, and of 'B02_s1' it "
        "matches only 'B02'; add .* where the name goes on."
    )


@pytest.mark.parametrize("pattern", [".*", "(B02)_s1", "(?:B02)_s1"])
def test_a_pattern_without_named_groups_is_wrong_usage(pattern: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, ["B02_s1"], pattern) == (
        f"--name-pattern {pattern!r} has no named group, so it says nothing about an image; name a part of it, such as "
        "(?P<run>[0-9]+) or (?P<well>[A-H][0-9]+)."
    )


def test_a_pattern_that_is_no_regular_expression_is_wrong_usage(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["a"], "(") == (
        "--name-pattern '(' is not a regular expression (missing ), unterminated subpattern at position 0); correct it."
    )


OURS = sorted({*NUCLEUS_COLUMNS, *STITCHED_COLUMNS, "image", "mask", "split", "row_hash", "image_date", "mask_x"})


@pytest.mark.parametrize("name", [name for name in OURS if name not in ("run", "quarter", "position")])
def test_a_group_called_as_a_column_of_ours_is_wrong_usage(name: str, tmp_path: Path) -> None:
    other = {"run_name": "run"}.get(name, f"name_{name}")
    assert refusal(tmp_path, ["a"], f"(?P<{name}>.*)") == (
        f"--name-pattern '(?P<{name}>.*)' has a group {name}, which is the name of a column of NucleusNet; call it "
        f"{other}, for example."
    )


def test_the_name_of_a_group_has_letters_of_english(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["a"], "(?P<gr\u00f6\u00dfe>.*)") == (
        "--name-pattern '(?P<gr\u00f6\u00dfe>.*)' has a group gr\u00f6\u00dfe; the name of a column has letters of "
        "English, digits and _: rename the group."
    )
