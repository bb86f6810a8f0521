"""Recipe `published`, held against the plain procedure: same labels kept, same pixels, same reasons."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.cutting.crop import Crop
from builder.cutting.published import cut_published, flat_rotation_deg, published_window, require_published_opencv
from builder.cutting.recipe import Outside
from nucleusnet_core.contract import DROP_REASONS
from nucleusnet_core.errors import BuildError
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs
from tests.builder.cutting.published_procedure import publish_all


def cut_all(
    image: npt.NDArray[Any], labels: npt.NDArray[Any], outside: Outside = Outside.zero
) -> dict[int, Crop | str]:
    regions = regions_from_runs(runs_from_array(labels))
    return {int(label): cut_published(image, regions, i, outside=outside) for i, label in enumerate(regions.label)}


def assert_published(image: npt.NDArray[Any], labels: npt.NDArray[Any]) -> dict[int, Crop | str]:
    """Compare every label with the plain procedure, with and without surroundings; returns what was cut."""
    expected, found, kept = publish_all(image, labels), cut_all(image, labels), cut_all(image, labels, Outside.keep)
    assert found.keys() == expected.keys()
    for label, reference in expected.items():
        crop, whole = found[label], kept[label]
        if isinstance(reference, str) or isinstance(crop, str) or isinstance(whole, str):
            assert (crop, whole) == (reference, reference)
            continue
        assert crop.rotation_deg == whole.rotation_deg == reference.rotation_deg
        assert crop.pixels.dtype == image.dtype
        assert np.array_equal(crop.mask, reference.mask)
        assert np.array_equal(whole.mask, reference.mask)
        assert np.array_equal(crop.pixels, reference.pixels)
        assert np.array_equal(whole.pixels, reference.surroundings)
        assert crop.clipped == whole.clipped
    return found


def noise(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def ellipse(shape: tuple[int, int], centre: tuple[float, float], axes: tuple[float, float], turn_deg: float) -> Any:
    y, x = np.ogrid[: shape[0], : shape[1]]
    turn = np.deg2rad(turn_deg)
    along = (x - centre[1]) * np.cos(turn) - (y - centre[0]) * np.sin(turn)
    across = (x - centre[1]) * np.sin(turn) + (y - centre[0]) * np.cos(turn)
    return (along / axes[0]) ** 2 + (across / axes[1]) ** 2 < 1


def scene(seed: int, dtype: Any = np.uint8) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint16]]:
    """Touching, nested, cut, split and oversized nuclei over noise, so that every pixel matters."""
    rng, shape = np.random.default_rng(seed), (900, 1000)
    labels = np.zeros(shape, np.uint16)
    for label in range(3, 60, 3):
        bodies = 1 + (rng.random() < 0.3)
        centre, axes = rng.uniform((0, 0), shape), rng.uniform((30, 15), (110, 70))
        for _ in range(bodies):
            labels[ellipse(shape, tuple(centre), tuple(axes), rng.uniform(0, 180))] = label
            centre = centre + rng.uniform(-150, 150, 2)
    labels[rng.integers(0, 900, 30), rng.integers(0, 1000, 30)] = 61
    return noise(shape, dtype, seed), labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(4))
def test_crowded_scenes_are_cut_as_published(seed: int, dtype: Any) -> None:
    found = assert_published(*scene(seed, dtype))
    assert sum(isinstance(crop, Crop) for crop in found.values()) >= 5


@pytest.mark.parametrize("turn_deg", [0, 1, 17.3, 30, 44.9, 45, 60, 89.9, 90, 135, 179.5])
def test_a_nucleus_at_any_angle_is_cut_as_published(turn_deg: float) -> None:
    labels = ellipse((500, 520), (250.3, 260.8), (90, 55), turn_deg).astype(np.uint8)
    crop = assert_published(noise((500, 520)), labels)[1]
    assert isinstance(crop, Crop)
    rows, columns = np.nonzero(crop.mask)
    assert np.ptp(columns) > np.ptp(rows)
    assert not crop.clipped


SHAPES: dict[str, npt.NDArray[Any]] = {
    "pixel": np.ones((1, 1), np.uint8),
    "row": np.ones((1, 40), np.uint8),
    "column": np.ones((40, 1), np.uint8),
    "square": np.ones((30, 30), np.uint8),
    "upright bar": np.ones((60, 20), np.uint8),
    "diagonal": np.eye(50, dtype=np.uint8),
    "other diagonal": np.eye(50, dtype=np.uint8)[::-1].copy(),
    "equal squares": np.kron([[1, 0, 0], [0, 0, 0], [0, 0, 1]], np.ones((20, 20))).astype(np.uint8),
    "ring": np.pad(np.zeros((20, 30), np.uint8), 4, constant_values=1),
    "corner": np.tril(np.ones((60, 60), np.uint8)),
    "checkers": np.indices((21, 33)).sum(0).astype(np.uint8) % 2,
    "two pixels": np.array([[1, 0, 0, 0, 0, 0, 1]], np.uint8),
    "longer than the frame": np.ones((40, 300), np.uint8),
    "longer than the window": np.ones((30, 380), np.uint8),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_odd_shapes_are_cut_as_published(name: str, dtype: Any) -> None:
    shape = SHAPES[name]
    labels: npt.NDArray[Any] = np.zeros((440, 460), np.uint8)
    labels[210 : 210 + shape.shape[0], 30 : 30 + shape.shape[1]] = shape
    labels = np.roll(labels, (20 - shape.shape[0] // 2, 200 - shape.shape[1] // 2), (0, 1))
    crop = assert_published(noise(labels.shape, dtype), labels)[1]
    assert isinstance(crop, Crop)
    assert crop.clipped == name.startswith("longer")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 399), st.integers(0, 419), st.integers(1, 90), st.integers(1, 90)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_any_heap_of_rectangles_is_cut_as_published(boxes: list[tuple[int, int, int, int, int]], dtype: Any) -> None:
    labels = np.zeros((400, 420), np.uint8)
    for label, y, x, height, width in boxes:
        labels[y : y + height, x : x + width] = label
    assert_published(noise(labels.shape, dtype), labels)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.6))
def test_any_speckled_label_is_cut_as_published(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((400, 400), np.uint8)
    height, width = rng.integers(1, 120, 2)
    labels[150 : 150 + height, 150 : 150 + width] = rng.random((height, width)) < density
    assert_published(noise(labels.shape, seed=seed), labels)


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ((0, 300, 20, 320), "touches_border"),
        ((300, 0, 320, 20), "touches_border"),
        ((780, 300, 800, 320), "touches_border"),
        ((300, 980, 320, 1000), "touches_border"),
        ((1, 300, 20, 320), "no_full_window"),
        ((180, 300, 184, 320), "no_full_window"),  # middle row 181
        ((181, 300, 184, 320), (0, 127)),  # middle row 182
        ((618, 300, 619, 320), (436, 127)),  # middle row 618, window up to row 800
        ((618, 300, 621, 320), "no_full_window"),
        ((300, 816, 301, 819), (118, 635)),
        ((300, 818, 301, 819), (118, 636)),
        ((300, 819, 301, 820), "no_full_window"),
        ((1, 1, 799, 999), (217, 317)),
    ],
)
def test_the_window_or_the_reason_follows_from_the_box(
    bbox: tuple[int, int, int, int], expected: tuple[int, int] | str
) -> None:
    assert published_window((800, 1000), bbox) == expected


def test_a_label_around_its_empty_window_has_no_contour() -> None:
    labels = np.zeros((900, 900), np.uint8)
    labels[100:110, 100:110] = 1
    labels[700:710, 700:710] = 1
    assert assert_published(noise(labels.shape), labels) == {1: "no_contour"}


def test_a_label_that_turns_out_of_its_window_is_empty_after_rotation() -> None:
    labels = np.zeros((600, 600), np.uint8)
    cv2.line(labels, (108, 160), (160, 108), 1, 3)  # across opposite corners of the window
    cv2.line(labels, (500, 448), (448, 500), 1, 3)
    assert assert_published(noise(labels.shape), labels) == {1: "empty_after_rotation"}


def test_drop_reasons_are_those_of_the_dataset() -> None:
    assert DROP_REASONS == ("touches_border", "no_full_window", "no_contour", "empty_after_rotation")


def test_true_zeros_inside_the_mask_stay_in_the_mask() -> None:
    labels = ellipse((400, 400), (200, 200), (60, 30), 0).astype(np.uint8)
    crop = cut_all(np.zeros((400, 400), np.uint8), labels)[1]
    assert isinstance(crop, Crop)
    assert crop.mask.sum() == labels.sum()
    assert not crop.pixels.any()


def test_keeping_the_surroundings_shows_the_neighbours() -> None:
    labels = np.zeros((400, 400), np.uint8)
    labels[180:220, 150:250] = 1
    image = np.full((400, 400), 90, np.uint8)
    image[labels == 1] = 200
    zero, keep = cut_all(image, labels)[1], cut_all(image, labels, Outside.keep)[1]
    assert isinstance(zero, Crop)
    assert isinstance(keep, Crop)
    assert sorted(set(zero.pixels.ravel().tolist())) == [0, 200]
    assert sorted(set(keep.pixels.ravel().tolist())) == [90, 200]
    assert np.array_equal(zero.pixels[zero.mask], keep.pixels[keep.mask])


def test_a_read_only_image_is_cut_the_same() -> None:
    image, labels = scene(1)
    frozen = np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape)
    for writable, read_only in zip(cut_all(image, labels).values(), cut_all(frozen, labels).values(), strict=True):
        if isinstance(writable, Crop):
            assert isinstance(read_only, Crop)
            assert np.array_equal(writable.pixels, read_only.pixels)


def test_the_largest_contour_decides_and_the_first_of_equals() -> None:
    small = np.array([[[0, 0]], [[0, 3]], [[9, 3]], [[9, 0]]], np.int32)
    upright = np.array([[[0, 0]], [[0, 30]], [[10, 30]], [[10, 0]]], np.int32)
    tilted = np.array([[[0, 0]], [[10, 20]], [[22, 14]], [[12, -6]]], np.int32)
    assert cv2.contourArea(upright) == cv2.contourArea(tilted) == 300
    for first, second in ((upright, tilted), (tilted, upright)):
        assert flat_rotation_deg([small, first, second]) == flat_rotation_deg([first])
    assert flat_rotation_deg([upright]) != flat_rotation_deg([tilted])


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the image has shape \(400, 401\), and its mask \(400, 400\)"):
        cut_all(np.zeros((400, 401), np.uint8), np.ones((400, 400), np.uint8))


@pytest.mark.parametrize("version", ["4.5.4", "4.5.5.64", "4.8.1", "4.12.0", "4.12.0-dev"])
def test_opencv_versions_of_the_published_angles_are_accepted(version: str) -> None:
    require_published_opencv(version)


@pytest.mark.parametrize("version", ["4.5.3", "4.13.0", "5.0.0"])
def test_other_opencv_versions_are_refused(version: str) -> None:
    with pytest.raises(
        BuildError, match=f"OpenCV {version} turns nuclei otherwise .* needs OpenCV 4.5.4 to 4.12: run pip install"
    ):
        require_published_opencv(version)
