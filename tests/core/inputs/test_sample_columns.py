"""What a sample sheet adds to the images of a folder: columns, groups, splits and scales."""

from pathlib import Path
from typing import Any

import pytest

from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.pairs import FindOptions, FoundInputs, find_sources

WELLS = r"(?P<well>[A-H]\d\d)_s(?P<site>\d)"
FOUR = ("B02_s1", "B02_s2", "B03_s1", "C02_s1")
PLATE = """\
well,compound,dose_uM,replicate,treated,plate
B02,DMSO,0,1,false,7.0
B03,nocodazole,0.1,1,true,7.0
C02,,2,2,true,7.5
"""


def touch(folder: Path, *stems: str) -> None:
    """Make images with masks; with slashes they lie in subfolders."""
    for stem in stems:
        for name in (f"{stem}.tif", f"{stem}_cp_masks.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()


def find(folder: Path, sheet: str, pattern: str | None = WELLS, **options: Any) -> FoundInputs:
    (folder / "samples.csv").write_text(sheet)
    settings = FindOptions(recursive=True, samples=folder / "samples.csv", name_pattern=pattern, **options)
    return find_sources(folder, settings)


def refusal(folder: Path, sheet: str, pattern: str | None = WELLS, **options: Any) -> str:
    """What is said about a sheet, without the folder."""
    with pytest.raises(UsageError) as caught:
        find(folder, sheet, pattern, **options)
    return str(caught.value).replace(f"{folder}/", "")


def test_columns_of_the_sheet_follow_groups_of_the_name_each_with_its_type(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    found = find(tmp_path, PLATE)
    assert found.failures == []
    assert list(found.columns.items()) == [
        ("well", "string"),
        ("site", "string"),
        ("compound", "string"),
        ("dose_uM", "float64"),
        ("replicate", "int64"),
        ("treated", "bool"),
        ("plate", "float64"),
    ]
    assert [tuple(name for name, _ in source.columns) for source in found.sources] == [tuple(found.columns)] * 4
    values = {source.stem: tuple(value for _, value in source.columns) for source in found.sources}
    assert values == {
        "B02_s1": ("B02", "1", "DMSO", 0.0, 1, False, 7.0),
        "B02_s2": ("B02", "2", "DMSO", 0.0, 1, False, 7.0),
        "B03_s1": ("B03", "1", "nocodazole", 0.1, 1, True, 7.0),
        "C02_s1": ("C02", "1", None, 2.0, 2, True, 7.5),
    }
    assert list(map(type, values["B02_s1"])) == [str, str, str, float, int, bool, float]
    assert [source.group for source in found.sources] == list(FOUR)


@pytest.mark.parametrize("key", ["run", "run_name"])
def test_rows_are_found_by_the_number_of_a_run(key: str, tmp_path: Path) -> None:
    touch(tmp_path, "Run02TL_top_left", "Run2TR_top_left", "Run11TL_top_left")
    found = find(tmp_path, f"{key},dose\n02,1\n11,2\n", None)
    assert [(source.stem, source.run_name, source.columns) for source in found.sources] == [
        ("Run02TL_top_left", "2", (("dose", 1),)),
        ("Run11TL_top_left", "11", (("dose", 2),)),
        ("Run2TR_top_left", "2", (("dose", 1),)),
    ]


def test_rows_are_found_by_the_stem_of_an_image_in_a_subfolder(tmp_path: Path) -> None:
    touch(tmp_path, "control/a", "drug/a")
    found = find(tmp_path, "stitched_image,dose\ndrug__a,5\ncontrol__a,0\n", None)
    assert {source.stem: source.columns for source in found.sources} == {
        "control__a": (("dose", 0),),
        "drug__a": (("dose", 5),),
    }
    assert found.columns == {"dose": "int64"}


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("run_name", ["B02_s1", "B02_s2", "B03_s1", "C02_s1"]),
        ("well", ["B02", "B02", "B03", "C02"]),
        ("compound", ["DMSO", "DMSO", "nocodazole", "C02_s1"]),
        ("dose_uM", ["0", "0", "0.1", "2"]),
        ("replicate", ["1", "1", "1", "2"]),
        ("treated", ["false", "false", "true", "true"]),
        ("plate", ["7", "7", "7", "7.5"]),
    ],
)
def test_splits_keep_together_what_has_one_value_and_nulls_by_run(
    group_by: str, groups: list[str], tmp_path: Path
) -> None:
    touch(tmp_path, *FOUR)
    found = find(tmp_path, PLATE, group_by=group_by)
    assert found.group_by == group_by
    assert [source.group for source in found.sources] == groups


def test_a_column_to_group_by_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    assert refusal(tmp_path, PLATE, group_by="donor") == (
        "--group-by donor: there is no such column; there are run_name, well, site, compound, dose_uM, replicate, "
        "treated, plate. Others come from named groups of --name-pattern and from --samples."
    )


@pytest.mark.parametrize("name", ["split", "pixels_per_um"])
def test_split_and_scale_are_no_columns_to_group_by(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "B02_s1")
    value = {"split": "train", "pixels_per_um": "3.1"}[name]
    assert refusal(tmp_path, f"well,{name}\nB02,{value}\n", group_by=name) == (
        f"--group-by {name}: there is no such column; there are run_name, well, site. Others come from named groups "
        "of --name-pattern and from --samples."
    )


def test_a_column_to_group_by_without_a_value_is_wrong_usage(tmp_path: Path) -> None:
    touch(tmp_path, "B02_s1", "B03_s1")
    (tmp_path / "B03_s1_cp_masks.png").unlink()
    assert refusal(tmp_path, "well,donor\nB02,\nB03,x\n", group_by="donor") == (
        "--group-by donor: no image has a value in this column; group by another column."
    )


def test_images_without_a_row_are_wrong_usage(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    assert refusal(tmp_path, "well,dose\nB02,1\nC02,2\n") == (
        "samples.csv has no row for 1 image: B03_s1; the row of the first has well 'B03'. Add what is missing, or "
        "leave their columns empty with --samples-missing null."
    )
    touch(tmp_path, "D02_s1", "D02_s2", "overview")
    assert refusal(tmp_path, "site,well,dose\n1,B02,1\n2,B02,2\n") == (
        "samples.csv has no row for 5 images: B03_s1, C02_s1, D02_s1 and 2 more; the row of the first has site '1' "
        "and well 'B03'. Add what is missing, or leave their columns empty with --samples-missing null."
    )


def test_images_without_a_row_get_nulls_if_asked(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    found = find(tmp_path, "well,dose\nB02,1\nC02,2\n", samples_missing_null=True, group_by="dose")
    assert list(found.columns.items()) == [("well", "string"), ("site", "string"), ("dose", "int64")]
    assert [(source.columns[2], source.group) for source in found.sources] == [
        (("dose", 1), "1"),
        (("dose", 1), "1"),
        (("dose", None), "B03_s1"),
        (("dose", 2), "2"),
    ]


def test_an_image_without_a_mask_needs_no_row_and_may_have_one(tmp_path: Path) -> None:
    touch(tmp_path, "B02_s1")
    (tmp_path / "B03_s1.tif").touch()
    for sheet in ("well,dose\nB02,1\n", "well,dose\nB02,1\nB03,2\n"):
        found = find(tmp_path, sheet)
        assert [source.columns[2] for source in found.sources] == [("dose", 1)]
        assert [failure.name for failure in found.failures] == ["B03_s1"]


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        ("D02,3\n", "1 row for which there is no image: line 3"),
        ("D02,3\n\nD03,4\n", "2 rows for which there is no image: lines 3, 5"),
        ("D02,3\nD03,4\nD04,5\nD05,6\n", "4 rows for which there is no image: lines 3, 4, 5 and 1 more"),
    ],
)
@pytest.mark.parametrize("missing_null", [False, True])
def test_rows_without_images_are_wrong_usage(more: str, fact: str, missing_null: bool, tmp_path: Path) -> None:
    touch(tmp_path, "B02_s1")
    assert refusal(tmp_path, f"well,dose\nB02,1\n{more}", samples_missing_null=missing_null) == (
        f"samples.csv has {fact}; correct well there, or remove what is not needed."
    )


def test_the_sheet_may_say_the_split_of_each_image(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    found = find(tmp_path, "well,split\nB02,train\nB03,train\nC02,held_out\n", group_by="well")
    assert [source.split for source in found.sources] == ["train", "train", "train", "held_out"]
    assert found.columns == {"well": "string", "site": "string"}


def test_a_group_in_two_splits_is_wrong_usage(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    sheet = "well,donor,split\nB02,x,train\nB03,y,train\nC02,x,test\n"
    assert [source.split for source in find(tmp_path, sheet, group_by="well").sources] == ["train"] * 3 + ["test"]
    assert refusal(tmp_path, sheet, group_by="donor") == (
        "samples.csv puts images of group 'x' into two splits: B02_s1 into train and C02_s1 into test; give a group "
        "one split, or group by another column with --group-by."
    )


def test_a_split_for_some_images_alone_is_wrong_usage(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    said = (
        "samples.csv gives no split to 2 images and one to 2; give one to B02_s1, B02_s2 too, or remove the column "
        "split."
    )
    assert refusal(tmp_path, "well,split\nB02,\nB03,train\nC02,test\n") == said
    assert refusal(tmp_path, "well,split\nB03,train\nC02,test\n", samples_missing_null=True) == said


def test_a_scale_of_the_sheet_goes_before_that_of_the_option(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR)
    sheet = "well,pixels_per_um\nB02,3.1\nB03,\nC02,8\n"
    found = find(tmp_path, sheet, pixels_per_um=2.5)
    assert [(source.pixels_per_um, source.scale_option) for source in found.sources] == [
        (3.1, "sample sheet"),
        (3.1, "sample sheet"),
        (2.5, "--pixels-per-um"),
        (8.0, "sample sheet"),
    ]
    assert found.columns == {"well": "string", "site": "string"}
    assert [(source.pixels_per_um, source.scale_option) for source in find(tmp_path, sheet).sources] == [
        (3.1, "sample sheet"),
        (3.1, "sample sheet"),
        (None, ""),
        (8.0, "sample sheet"),
    ]


def test_without_a_sheet_the_option_holds_for_all_images(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b")
    found = find_sources(tmp_path, FindOptions(pixels_per_um=3.0))
    assert [(source.pixels_per_um, source.scale_option) for source in found.sources] == [(3.0, "--pixels-per-um")] * 2
