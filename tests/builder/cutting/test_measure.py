"""Intensities under each label, held against numpy on the pixels themselves."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.cutting.measure import sum_intensities
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import Regions, regions_from_runs


def regions_of(labels: npt.NDArray[Any]) -> Regions:
    return regions_from_runs(runs_from_array(labels))


@settings(deadline=None)
@given(
    npst.arrays(np.uint8, (6, 9), elements=st.integers(0, 3)),
    st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: npst.arrays(dtype, (6, 9))),
)
def test_every_label_measures_as_numpy_measures_its_pixels(
    labels: npt.NDArray[np.uint8], image: npt.NDArray[Any]
) -> None:
    regions = regions_of(labels)
    found = sum_intensities(image, regions).columns()
    for i, label in enumerate(regions.label):
        pixels = image[labels == label].astype(np.float64)
        assert found["mean_intensity"][i] == np.float32(pixels.mean())
        assert found["std_intensity"][i] == pytest.approx(pixels.std(), rel=1e-6, abs=1e-6)
        assert found["max_intensity"][i] == pixels.max()
        assert found["integrated_intensity"][i] == pixels.sum()
    overall = sum_intensities(image, regions).overall()
    if labels.any():
        pixels = image[labels > 0].astype(np.float64)
        assert overall is not None
        assert overall[0] == pytest.approx(pixels.mean())
        assert overall[1] == pytest.approx(pixels.std(), abs=1e-9)
    else:
        assert overall is None


def test_a_small_spread_on_bright_pixels_keeps_its_digits() -> None:
    image = np.full((1000, 1000), 65_000, np.uint16)
    image[0, 0] = 65_001
    found = sum_intensities(image, regions_of(np.ones((1000, 1000), np.uint8))).columns()
    assert found["std_intensity"][0] == np.float32(np.sqrt(1e6 - 1) / 1e6)
    assert found["integrated_intensity"][0] == 65_000_000_001.0


def test_columns_have_the_types_of_the_dataset() -> None:
    found = sum_intensities(np.ones((2, 2), np.uint8), regions_of(np.ones((2, 2), np.uint8))).columns()
    assert {name: str(values.dtype) for name, values in found.items()} == {
        "mean_intensity": "float32",
        "std_intensity": "float32",
        "max_intensity": "uint16",
        "integrated_intensity": "float64",
    }


@pytest.mark.parametrize("image", [np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.float32)])
def test_an_image_that_does_not_fit_the_mask_is_refused(image: npt.NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"uint8 or uint16 .* is needed"):
        sum_intensities(image, regions_of(np.ones((2, 2), np.uint8)))
