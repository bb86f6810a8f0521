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
from builder.cutting.quality import block_px, quality_columns
from builder.cutting.surroundings import median_surroundings
from builder.simulate.parameters import Like
from builder.simulate.simulate import simulate_image
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs

Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def measured(pixels: npt.NDArray[Any], labels: Labels, pixels_per_um: float = 2.0) -> dict[str, npt.NDArray[Any]]:
    regions = regions_from_runs(runs_from_array(labels))
    return quality_columns(pixels, regions, sum_intensities(pixels, regions), pixels_per_um)


def filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Fill each row from its first to its last pixel."""
    return np.asarray(np.logical_or.accumulate(mask, 1) & np.logical_or.accumulate(mask[:, ::-1], 1)[:, ::-1])


def expected_background(pixels: npt.NDArray[Any], labels: Labels, label: int) -> float:
    """Return the median of the free pixels that lie 3 to 15 px from the label, by distances in the whole image."""
    distance = ndi.distance_transform_edt(~filled(labels == label))
    ring = filled(distance <= 15) & ~filled(distance <= 3) & (labels == 0)
    return float(np.median(pixels[ring])) if ring.any() else np.nan


def expected_sharpness(pixels: npt.NDArray[Any], labels: Labels, label: int, side_px: int = 2) -> float:
    """Return the covariance of the Laplacians of two colours of a chessboard, over blocks of the box of the label."""
    mask = labels == label
    (box,) = ndi.find_objects(mask.astype(np.uint8))
    height, width = (side // side_px for side in mask[box].shape)

    def blocks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        cut = values[box][: height * side_px, : width * side_px]
        return np.asarray(cut.reshape(height, side_px, width, side_px).swapaxes(1, 2))

    counted = ndi.binary_erosion(blocks(mask).all((2, 3)), ndi.generate_binary_structure(2, 1))
    if not counted.any() or not pixels[mask].any():
        return np.nan
    colours = [np.indices((side_px, side_px)).sum(0) % 2 == colour for colour in (0, 1)]
    means = [blocks(pixels.astype(np.float64))[:, :, colour].mean(-1) for colour in colours]
    first, second = (ndi.laplace(mean)[counted] for mean in means)
    covariance = (first * second).mean() - first.mean() * second.mean()
    return float(max(covariance, 0) / pixels[mask].mean() ** 2)


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
    for side_px in (2, 3, 4):
        sharpness = [expected_sharpness(pixels, labels, label, side_px) for label in known]
        found_there = measured(pixels, labels, float(side_px))["sharpness"]
        np.testing.assert_allclose(found_there, sharpness, rtol=1e-6, atol=1e-12)
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


def test_blocks_of_the_lightest_pixels_are_exact_at_the_finest_scale() -> None:
    """A chessboard of blocks of 40 px: its Laplacian is 4 times 65535, up and down."""
    pixels = (np.indices((400, 440)) // 40).sum(0) % 2 * np.uint16(65535)
    found = measured(pixels.astype(np.uint16), np.ones((400, 440), np.uint8), 40.0)["sharpness"]
    assert found[0] == pytest.approx(4.0**2 / 0.5**2)


@pytest.mark.parametrize(("pixels_per_um", "side_px"), [(8.0453, 8), (4.4, 4), (2.0, 2), (0.5, 2)])
def test_blocks_are_a_micrometre_wide_but_at_least_two_pixels(pixels_per_um: float, side_px: int) -> None:
    assert block_px(pixels_per_um) == side_px


def test_neither_noise_nor_exposure_nor_a_shift_make_a_nucleus_sharper() -> None:
    rng, inside = np.random.default_rng(0), np.ones((96, 96), np.uint8)
    shown = 1000 + 100 * np.kron(rng.standard_normal((24, 24)), np.ones((4, 4)))
    taken = [
        np.abs(gain * shown + noise * rng.standard_normal(shown.shape)) for gain, noise in ((1, 0), (5, 0), (1, 200))
    ]
    clean, longer, noisy = (measured(one.astype(np.uint16), inside, 4.0)["sharpness"][0] for one in taken)
    assert longer == pytest.approx(clean, rel=0.01)
    assert noisy == pytest.approx(clean, rel=0.3)  # the noise alone would be 1.25 times as much as the nucleus
    assert clean == pytest.approx(20 * 0.1**2, rel=0.3)
    there = np.zeros((120, 120), np.uint8)
    there[11:107, 9:105] = 1
    moved = np.full(there.shape, 7, np.uint16)
    moved[11:107, 9:105] = taken[0].astype(np.uint16)
    assert measured(moved, there, 4.0)["sharpness"][0] == clean


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


@pytest.mark.parametrize(("like", "size_px"), [(Like.oil_100x, 2500), (Like.air_20x, 1000)])
def test_planted_faults_stand_out(like: Like, size_px: int) -> None:
    parts = []
    for index in (0, 1, 2):
        image = simulate_image(index, size_px=size_px, seed=1, faults=0.25, **like.parameters())
        regions = regions_from_runs(runs_from_array(image.labels))
        sums = sum_intensities(image.pixels, regions)
        found = quality_columns(image.pixels, regions, sums, image.truth.pixels_per_um) | sums.columns()
        saturated = found["saturated_px"] / regions.area_px
        faults = [nucleus.fault for nucleus in image.truth.nuclei]
        parts.append((np.array(faults), -found["sharpness"], saturated, -found["std_intensity"]))
    fault, blur, saturated, evenness = map(np.concatenate, zip(*parts, strict=True))
    known = np.isfinite(blur)
    for word, measure in (("blurred", blur), ("saturated", saturated), ("blank", evenness)):
        bad = (fault == word) & known
        assert bad.sum() >= 10
        assert area_under_curve(measure[bad], measure[(fault == "") & known]) >= 0.98
