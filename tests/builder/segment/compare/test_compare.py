"""Scores of masks against true ones, on masks small enough to count by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.segment.compare.compare import (
    Comparison,
    compare_folders,
    compare_masks,
    comparison_json,
    comparison_text,
    total,
)
from builder.segment.compare.overlap import find_overlap
from nucleusnet_core.errors import InputMaskError, PairingError
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.terminal.progress import NoProgress
from tests.builder.commands import nucleusnet


def row(text: str) -> npt.NDArray[np.uint16]:
    return np.array([[0 if letter == "." else int(letter) for letter in text]], np.uint16)


def compared(true: str, found: str) -> Comparison:
    return compare_masks("row", runs_from_array(row(true)), runs_from_array(row(found)))


def test_the_same_masks_under_other_numbers_are_perfect() -> None:
    one = compared("111..2222", "333..1111")
    assert one.average_precision == (1.0, 1.0, 1.0)
    assert (one.true, one.found, one.merged, one.split, one.missed, one.spurious) == (2, 2, 0, 0, 0, 0)


def test_intersections_over_union_count_from_the_threshold_on() -> None:
    one = compared("1111....", "11111111")  # 4 / 8
    assert one.matched == (1, 0, 0)
    assert one.average_precision == (1.0, 0.0, 0.0)
    assert compared("111.", "1111").matched == (1, 1, 0)  # 3 / 4


def test_merged_split_missed_and_spurious_are_told_apart() -> None:
    merged = compared("1111.2222", "111111111")
    assert (merged.merged, merged.split, merged.missed, merged.spurious) == (1, 0, 0, 0)
    split = compared("111111111", "1111.2222")
    assert (split.merged, split.split, split.missed, split.spurious) == (0, 1, 0, 0)
    other = compared("1111.....", ".....2222")
    assert (other.merged, other.split, other.missed, other.spurious) == (0, 0, 1, 1)
    assert other.average_precision == (0.0, 0.0, 0.0)


def test_each_label_is_in_one_match_only() -> None:
    halves = compared("11112222", "11111111")
    assert halves.matched == (1, 0, 0)
    assert halves.average_precision[0] == pytest.approx(0.5)


def test_two_empty_masks_agree() -> None:
    assert compared("....", "....").average_precision == (1.0, 1.0, 1.0)


def test_totals_add_up_before_they_are_divided() -> None:
    both = total([compared("1.2.3", "1.2.3"), compared("1.2.3", ".....")])
    assert (both.true, both.found, both.matched[0], both.missed) == (6, 3, 3, 3)
    assert both.average_precision[0] == pytest.approx(0.5)


def test_masks_of_other_shapes_are_refused() -> None:
    with pytest.raises(InputMaskError, match="the mask has 1 x 5 px, and the true one 1 x 4 px"):
        compared("1111", "11111")


MASKS = npst.arrays(np.uint16, (7, 9), elements=st.integers(0, 4))


@given(MASKS, MASKS)
@settings(max_examples=150, deadline=None)
def test_overlaps_are_those_counted_pixel_by_pixel(a: npt.NDArray[np.uint16], b: npt.NDArray[np.uint16]) -> None:
    overlap = find_overlap(runs_from_array(a), runs_from_array(b))
    found = {
        (int(overlap.labels_a[i]), int(overlap.labels_b[j])): int(shared)
        for i, j, shared in zip(overlap.index_a, overlap.index_b, overlap.shared, strict=True)
    }
    expected: dict[tuple[int, int], int] = {}
    for pair in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        if all(pair):
            expected[pair] = expected.get(pair, 0) + 1
    assert found == expected
    assert overlap.area_a.tolist() == [int((a == label).sum()) for label in np.unique(a) if label]


def write(folder: Path, name: str, labels: npt.NDArray[np.uint16]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(cv2.imencode(".png", labels)[1].tobytes())


def test_folders_are_compared_by_name_and_what_is_missing_is_said(tmp_path: Path) -> None:
    masks, truth = tmp_path / "masks", tmp_path / "truth"
    write(truth, "a_cp_masks.png", row("11.22"))
    write(truth, "b_cp_masks.png", row("11.22"))
    write(truth, "c_cp_masks.png", row("11.22"))
    write(masks, "a_cp_masks.png", row("11.22"))
    write(masks, "b_cp_masks.png", row("11.2"))
    write(masks, "d_cp_masks.png", row("1"))
    compared = compare_folders(masks, truth, recursive=False, progress=NoProgress())
    assert [one.name for one in compared.images] == ["a"]
    assert [failure.name for failure in compared.failures] == ["b"]
    assert "the mask has 1 x 4 px, and the true one 1 x 5 px" in compared.failures[0].message
    assert (compared.without_mask, compared.without_truth) == (["c"], ["d"])
    shown = comparison_json(compared)
    assert (shown["without_mask"], shown["without_truth"]) == (["c"], ["d"])
    assert shown["total"]["average_precision"] == {"0.5": 1.0, "0.75": 1.0, "0.9": 1.0}
    assert comparison_text(compared.images).splitlines()[-1].split() == [
        "total", "2", "2", "1.000", "1.000", "1.000", "0", "0", "0", "0",
    ]  # fmt: skip


def test_the_command_scores_what_is_there_and_fails_only_where_that_is_nothing(tmp_path: Path) -> None:
    masks, truth = tmp_path / "masks", tmp_path / "truth"
    for folder, names in ((truth, "abc"), (masks, "bd")):
        for name in names:
            write(folder, f"{name}_cp_masks.png", row("11.22"))
    done = nucleusnet("segment", "masks", "--compare", "truth", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)["comparison"]
    assert [one["name"] for one in shown["images"]] == ["b"]
    assert (shown["without_mask"], shown["without_truth"], shown["failures"]) == (["a", "c"], ["d"], [])
    assert "True masks without a mask in masks, not compared: a, c." in done.stderr
    assert "Masks without a true mask in truth, not compared: d." in done.stderr
    (masks / "b_cp_masks.png").unlink()
    done = nucleusnet("segment", "masks", "--compare", "truth", cwd=tmp_path)
    assert done.returncode == 1
    assert "No mask in masks could be compared with one in truth; give folders of the same images." in done.stderr


def test_masks_of_one_name_fail_only_where_there_is_a_true_one(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "masks", f"{name}_cp_masks.png", row("11.22"))
    for name in ("b", "c"):
        (tmp_path / "masks" / f"{name}_cp_masks.tif").write_bytes(b"")
    for name in ("a", "b"):
        write(tmp_path / "truth", f"{name}_cp_masks.png", row("11.22"))
    compared = compare_folders(tmp_path / "masks", tmp_path / "truth", recursive=False, progress=NoProgress())
    assert [one.name for one in compared.images] == ["a"]
    assert [failure.name for failure in compared.failures] == ["b"]
    assert (compared.without_mask, compared.without_truth) == ([], ["c"])


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match=r"holds no mask <name>_cp_masks\.png among its 0 files"):
        compare_folders(tmp_path, tmp_path, recursive=False, progress=NoProgress())
