"""Cleaning removes specks and holes, and nothing else."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.segment.flows.cleaning import clean_labels


def picture(*rows: str) -> npt.NDArray[np.uint16]:
    return np.array([[int(letter) if letter != "." else 0 for letter in row] for row in rows], np.uint16)


def test_holes_are_filled_and_labels_numbered_in_the_order_of_their_first_pixels() -> None:
    given_labels = picture("....777", ".2..7.7", "....777")
    assert np.array_equal(clean_labels(given_labels, 0), picture("....111", ".2..111", "....111"))
    assert given_labels[1, 5] == 0


def test_a_label_in_the_hole_of_another_stays_with_its_own_hole() -> None:
    nested = picture("1111111", "1.....1", "1.222.1", "1.2.2.1", "1.222.1", "1.....1", "1111111")
    expected = picture("1111111", "1111111", "1122211", "1122211", "1122211", "1111111", "1111111")
    assert np.array_equal(clean_labels(nested, 0), expected)


def test_small_labels_go_and_the_right_ones_though_numbers_are_missing() -> None:
    labels = picture("11.3.44", "11...44", "..5..44")
    assert np.array_equal(clean_labels(labels, 4), picture("11...22", "11...22", ".....22"))


def test_the_bodies_of_a_label_count_together_and_stay() -> None:
    pair = picture("11...11", "11...1.")
    assert np.array_equal(clean_labels(pair, 7), pair)
    assert not clean_labels(pair, 8).any()


def test_an_open_bay_and_a_gap_between_two_labels_are_no_holes() -> None:
    bay = picture("111", "1..", "111")
    assert np.array_equal(clean_labels(bay, 0), bay)
    gap = picture("1122", "1..2", "1122")
    assert np.array_equal(clean_labels(gap, 0), gap)


def test_an_empty_mask_stays_empty() -> None:
    cleaned = clean_labels(np.zeros((4, 5), np.uint32), 15)
    assert cleaned.dtype == np.uint16
    assert cleaned.shape == (4, 5)
    assert not cleaned.any()


def test_more_labels_than_16_bits_hold_have_32() -> None:
    labels = np.arange(1, 66_001, dtype=np.uint32).reshape(300, 220)
    cleaned = clean_labels(labels, 1)
    assert cleaned.dtype == np.uint32
    assert np.array_equal(cleaned, labels)


@given(npst.arrays(np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 6)))
@settings(max_examples=150, deadline=None)
def test_pixels_of_large_labels_stay_together_and_nothing_else_is_added_but_background(
    labels: npt.NDArray[np.uint16],
) -> None:
    cleaned = clean_labels(labels, 3)
    large = [label for label in np.unique(labels) if label and (labels == label).sum() >= 3]
    assert sorted(np.unique(cleaned[cleaned > 0])) == list(range(1, len(large) + 1))
    for label in large:
        assert len(np.unique(cleaned[labels == label])) == 1
        assert cleaned[labels == label][0] > 0
    assert ((cleaned > 0) >= np.isin(labels, large)).all()
    assert np.array_equal(clean_labels(cleaned, 3) > 0, cleaned > 0)
