"""Background, saturated pixels and sharpness, held against SciPy on the pixels themselves, and on planted faults."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.cutting.measure import sum_intensities
from builder.cutting.quality import quality_columns
from builder.cutting.surroundings import median_surroundings
from builder.simulate.simulate import simulate_image
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs

Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def measured(pixels: npt.NDArray[Any], labels: Labels) -> dict[str, npt.NDArray[Any]]:
    regions = regions_from_runs(runs_from_array(labels))
    return quality_columns(pixels, regions, sum_intensities(pixels, regions))


def filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Fill each row from its first to its last pixel."""
    return np.asarray(np.logical_or.accumulate(mask, 1) & np.logical_or.accumulate(mask[:, ::-1], 1)[:, ::-1])


def expected_background(pixels: npt.NDArray[Any], labels: Labels, label: int) -> float:
    """Return the median of the free pixels that lie 3 to 15 px from the label, by distances in the whole image."""
    distance = ndi.distance_transform_edt(~filled(labels == label))
    ring = filled(distance <= 15) & ~filled(distance <= 3) & (labels == 0)
    return float(np.median(pixels[ring])) if ring.any() else np.nan


def expected_sharpness(pixels: npt.NDArray[Any], labels: Labels, label: int) -> float:
    mask = labels == label
    inner = ndi.binary_erosion(mask, ndi.generate_binary_structure(2, 1))
    if not inner.any() or not pixels[mask].any():
        return np.nan
    laplacian = ndi.laplace(pixels.astype(np.float64))[inner]
    return float(laplacian.var() / pixels[mask].mean() ** 2)


def blobs(seed: int, shape: tuple[int, int] = (90, 110)) -> Labels:
    """Return a dozen ragged labels, of which some touch each other and the border."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for label in range(1, 13):
        y, x, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(3, 14)
        near = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2 * rng.uniform(0.8, 1.2, shape)
        labels[near & (labels == 0)] = label
    return labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(6))
def test_ragged_touching_nuclei_at_borders_measure_as_scipy_measures_them(dtype: type, seed: int) -> None:
    labels = blobs(seed)
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, labels.shape, dtype, endpoint=True)
    found, known = measured(pixels, labels), np.unique(labels[labels > 0])
    background = [expected_background(pixels, labels, label) for label in known]
    np.testing.assert_array_equal(found["background_intensity"], np.array(background, np.float32))
    sharpness = [expected_sharpness(pixels, labels, label) for label in known]
    np.testing.assert_allclose(found["sharpness"], sharpness, rtol=1e-6)
    largest = [np.count_nonzero(pixels[labels == label] == np.iinfo(dtype).max) for label in known]
    assert found["saturated_px"].tolist() == largest


@settings(deadline=None, max_examples=60)
@given(
    npst.arrays(np.uint8, (9, 14), elements=st.integers(0, 2)),
    st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: npst.arrays(dtype, (9, 14))),
)
def test_labels_of_any_shape_measure_as_scipy_measures_them(labels: Labels, pixels: npt.NDArray[Any]) -> None:
    found = measured(pixels, labels)
    for place, label in enumerate(np.unique(labels[labels > 0]).tolist()):
        background = np.float32(expected_background(pixels, labels, label))
        np.testing.assert_array_equal(found["background_intensity"][place], background)
        expected = expected_sharpness(pixels, labels, label)
        np.testing.assert_allclose(found["sharpness"][place], expected, rtol=1e-6, atol=1e-12)


def test_a_row_longer_than_what_adds_up_in_32_bits_is_exact() -> None:
    pixels = np.zeros((3, 9000), np.uint8)
    pixels[:, ::2] = 255
    pixels[0], pixels[2] = 255 - pixels[0], 255 - pixels[2]
    assert measured(pixels, np.ones((3, 9000), np.uint8))["sharpness"][0] == pytest.approx(1020**2 / 127.5**2)


def test_the_median_of_an_even_number_of_pixels_lies_between_the_two_in_the_middle() -> None:
    labels, pixels = np.zeros((40, 40), np.uint8), np.full((40, 40), 10, np.uint16)
    labels[19:21, 19:21] = 1
    pixels[:, 20:] = 13
    regions = regions_from_runs(runs_from_array(labels))
    assert median_surroundings(pixels, regions).tolist() == [11.5]


def test_what_cannot_be_measured_is_not_a_number() -> None:
    found = measured(np.zeros((20, 20), np.uint8), np.ones((20, 20), np.uint8))
    assert np.isnan([found["background_intensity"][0], found["sharpness"][0]]).all()
    line = np.zeros((9, 9), np.uint8)
    line[4, 2:7] = 1
    assert np.isnan(measured(np.full((9, 9), 7, np.uint8), line)["sharpness"]).all()
    assert [len(values) for values in measured(line, np.zeros((9, 9), np.uint8)).values()] == [0, 0, 0]


def test_columns_have_the_types_of_the_dataset() -> None:
    found = measured(np.ones((9, 9), np.uint8), np.ones((9, 9), np.uint8))
    types = {"background_intensity": "float32", "saturated_px": "int32", "sharpness": "float32"}
    assert {name: str(values.dtype) for name, values in found.items()} == types


def test_a_camera_of_12_bits_saturates_at_its_own_highest_value() -> None:
    labels, pixels = np.zeros((60, 60), np.uint8), np.full((60, 60), 100, np.uint16)
    labels[10:30, 10:30], labels[35:55, 35:55] = 1, 2
    inside = labels > 0
    pixels[inside] = np.random.default_rng(0).integers(3000, 4095, inside.sum())
    pixels[12:17, 12:22] = 4095
    assert measured(pixels, labels)["saturated_px"].tolist() == [50, 0]


def area_under_curve(bad: npt.NDArray[Any], good: npt.NDArray[Any]) -> float:
    """Return how often a bad nucleus has the larger value, ties counted half."""
    return float((bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean())


@pytest.mark.parametrize("camera_top", [255, 4095])
def test_planted_faults_stand_out(camera_top: int) -> None:
    image = simulate_image(0, size_px=2500, seed=1)
    light, labels = image.pixels.astype(np.float64) * (camera_top // 255), image.labels
    numbers = np.unique(labels[labels > 0])
    kind_of = np.zeros(numbers.max() + 1, np.int64)
    kind_of[numbers] = np.random.default_rng(0).integers(1, 7, len(numbers))
    mean_of = np.zeros(len(kind_of))
    mean_of[numbers] = ndi.mean(light, labels, numbers)
    kind, mean = kind_of[labels], mean_of[labels]
    light[kind == 1] = ndi.gaussian_filter(light, 1)[kind == 1]
    light[kind == 2] *= camera_top / mean[kind == 2]
    light[kind == 3] = mean[kind == 3]
    pixels = light.clip(0, camera_top).round().astype(np.uint8 if camera_top == 255 else np.uint16)
    found, kinds = measured(pixels, labels), kind_of[numbers]
    regions = regions_from_runs(runs_from_array(labels))
    std = sum_intensities(pixels, regions).columns()["std_intensity"]
    good = kinds > 3
    assert min(np.bincount(kinds)[1:4]) >= 5
    assert area_under_curve(-found["sharpness"][kinds == 1], -found["sharpness"][good]) >= 0.98
    saturated = found["saturated_px"] / regions.area_px
    assert area_under_curve(saturated[kinds == 2], saturated[good]) >= 0.98
    assert area_under_curve(-std[kinds == 3], -std[good]) >= 0.98
