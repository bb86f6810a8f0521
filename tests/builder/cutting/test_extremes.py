"""The ends of an image's range of values."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builder.cutting.extremes import count_values, has_range_above, histogram_from, saturation_value
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_range_is_that_of_the_whole_image(dtype: type) -> None:
    pixels: npt.NDArray[Any] = np.full((40, 30), 200, dtype)
    assert not has_range_above(pixels, 0)
    pixels[0, 0], pixels[39, 29] = 198, 203
    assert has_range_above(pixels, 4)
    assert not has_range_above(pixels, 5)
    assert not has_range_above(np.zeros((0, 5), dtype), 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_are_counted_in_the_regions_asked_for(dtype: type) -> None:
    rng = np.random.default_rng(0)
    pixels: npt.NDArray[Any] = rng.integers(0, 9, (50, 60)).astype(dtype)
    labels = rng.integers(0, 4, (50, 60)).astype(np.uint8)
    regions = regions_from_runs(runs_from_array(labels))
    inside = pixels[(labels == 1) | (labels == 3)]
    highest = np.array([5, 4, 8], np.uint16)
    expected = [np.count_nonzero(pixels[labels == 1] == 5), 0, np.count_nonzero(pixels[labels == 3] == 5)]
    assert count_values(pixels, regions, highest, 5).tolist() == expected
    counts = histogram_from(pixels, regions, np.array([0, 2]), 6)
    assert len(counts) == 2**16 - 6
    assert counts[:3].tolist() == [np.count_nonzero(inside == value) for value in (6, 7, 8)]
    assert counts[3:].sum() == 0
    assert count_values(pixels, regions, np.zeros(3, np.uint16), 5).tolist() == [0, 0, 0]


def end_of_range(values: list[int], dtype: type) -> int:
    """Return the value at which the camera ends, of one nucleus with these values."""
    pixels: npt.NDArray[Any] = np.array([values], dtype)
    regions = regions_from_runs(runs_from_array(np.ones(pixels.shape, np.uint8)))
    return saturation_value(pixels, regions, pixels.max(axis=1).astype(np.uint16))


@pytest.mark.parametrize("top", [4095, 16383, 1000])
def test_the_highest_value_ends_the_range_where_it_stands_out(top: int) -> None:
    just_below = list(range(top - 90, top))
    assert end_of_range([*just_below, *[top] * 10], np.uint16) == top
    assert end_of_range([*just_below, *[top] * 9], np.uint16) == 65_535
    assert end_of_range([*just_below * 10, *[top] * 40], np.uint16) == 65_535
    assert end_of_range([top] * 100, np.uint16) == 65_535


def test_the_largest_value_of_the_type_always_ends_the_range() -> None:
    assert end_of_range([255, 254, 3], np.uint8) == 255
    assert end_of_range([65_535, 7], np.uint16) == 65_535
    assert end_of_range([0, 0], np.uint16) == 65_535
    assert end_of_range([*range(150, 240), *[240] * 10], np.uint8) == 240
