"""The ends of an image's range of values."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builder.cutting.extremes import count_value, has_range_above, histogram_from
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
    assert count_value(pixels, regions, np.array([0, 2]), 5) == np.count_nonzero(inside == 5)
    counts = histogram_from(pixels, regions, np.array([0, 2]), 6)
    assert len(counts) == 2**16 - 6
    assert counts[:3].tolist() == [np.count_nonzero(inside == value) for value in (6, 7, 8)]
    assert counts[3:].sum() == 0
    assert count_value(pixels, regions, np.array([], np.int64), 5) == 0
