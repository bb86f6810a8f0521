"""Recipe `refined`: whole, turned the same way wherever and however the nucleus lay, and as the plain procedure."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.crop import Crop
from builder.cutting.recipe import Outside, Recipe
from builder.cutting.refined import central_moments, cut_refined, eighths_that_hold, long_axis
from builder.cutting.refined_warp import Extent, power_sums
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import EMPTY_AFTER_ROTATION
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs
from nucleusnet_core.manifest import Manifest
from tests.builder.cutting.refined_procedure import RefinedCrop, refine

Ellipse = tuple[float, float, float, float, float]


def cut(image: npt.NDArray[Any], mask: npt.NDArray[Any], outside: Outside = Outside.zero) -> Crop:
    """Cut the only label of a mask."""
    crop = try_cut(image, mask, outside)
    assert isinstance(crop, Crop)
    return crop


def try_cut(image: npt.NDArray[Any], mask: npt.NDArray[Any], outside: Outside = Outside.zero) -> Crop | str:
    regions = regions_from_runs(runs_from_array(mask.astype(np.uint16)))
    assert len(regions) == 1
    return cut_refined(np.ascontiguousarray(image), regions, 0, outside=outside)


def ellipses(shape: tuple[int, int], bodies: list[Ellipse]) -> npt.NDArray[np.bool_]:
    """Bodies of (centre y, centre x, half length, half width, angle counter-clockwise as seen, degrees)."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, np.bool_)
    for centre_y, centre_x, length, width, angle in bodies:
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        along, across = (x - centre_x) * cosine - (y - centre_y) * sine, (x - centre_x) * sine + (y - centre_y) * cosine
        mask |= (along / length) ** 2 + (across / width) ** 2 < 1
    return mask


def noise(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(y0, x0, y1, x1), half-open."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def overlap(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_an_ellipse_drawn_at_30_degrees_ends_flat() -> None:
    mask = ellipses((300, 300), [(150, 140, 80, 40, 30)])
    crop = cut(np.full(mask.shape, 90, np.uint8), mask)
    assert box(crop.mask) == (88, 48, 168, 208)
    assert crop.rotation_deg == pytest.approx(-30, abs=0.05)
    assert not crop.clipped
    assert np.array_equal(crop.pixels, np.where(crop.mask, 90, 0))


@pytest.mark.parametrize(("quarter_turns", "rotation_deg"), [(0, 0.0), (1, -90.0), (2, 180.0), (3, 90.0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_bright_head_ends_left_and_its_tail_right(quarter_turns: int, rotation_deg: float, dtype: Any) -> None:
    image = np.zeros((200, 200), dtype)
    image[80:120, 30:70] = 200
    image[95:105, 70:170] = 100
    image = np.rot90(image, quarter_turns)
    crop = cut(image, image > 0)
    # Centroid: x = (1600 * 49.5 + 1000 * 119.5) / 2600 = 76.42, y = 99.5; so column 30 goes to 81.08.
    assert crop.rotation_deg == rotation_deg
    assert box(crop.mask) == (108, 81, 148, 221)
    assert (crop.pixels[127, [100, 200]] == (200, 100)).all()
    assert crop.mask[110, 100]
    assert not crop.mask[110, 200]


def test_an_l_shape_lies_along_the_axis_of_its_second_moments() -> None:
    mask = np.zeros((200, 200), np.bool_)
    mask[40:160, 60:80] = True
    mask[140:160, 80:120] = True
    crop = cut(np.full(mask.shape, 50, np.uint8), mask)
    y, x = np.nonzero(crop.mask)
    assert abs(y.mean() - 127.5) < 0.1
    assert abs(x.mean() - 127.5) < 0.1
    assert abs(np.cov(y, x)[0, 1]) < 1
    assert x.var() > y.var()
    assert ((x - x.mean()) ** 3).mean() > 0
    # By hand: var x = 227, var y = 1377, covariance 281.25 (y down); atan2(562.5, 227 - 1377) / 2 = 76.97 degrees.
    assert crop.rotation_deg == pytest.approx(76.97 - 180, abs=0.01)


def test_two_bodies_under_one_label_are_kept_and_turned_as_one() -> None:
    mask = ellipses((300, 300), [(100, 100, 40, 20, 45), (180, 180, 40, 20, 45)])
    crop = cut(np.full(mask.shape, 50, np.uint8), mask)
    assert crop.rotation_deg == pytest.approx(45, abs=0.1)
    assert crop.mask.sum() == pytest.approx(mask.sum(), rel=0.01)
    assert not crop.mask[:, 127].any()
    assert box(crop.mask[:, :127])[0] == pytest.approx(88, abs=1)


def test_a_nucleus_of_300_px_is_shown_whole_at_the_scale_of_a_320_px_square() -> None:
    mask = ellipses((500, 500), [(250, 250, 150, 60, 50)])
    crop = cut(noise(mask.shape), mask)
    assert not crop.clipped
    assert box(crop.mask) == (80, 8, 176, 248)
    assert 32 * round(8 * np.sqrt(mask.sum() / crop.mask.sum())) == 320


@pytest.mark.parametrize(
    ("reach_px", "side_px"), [(3.0, 256), (128.0, 256), (128.01, 288), (144.0, 288), (144.01, 320), (5000.0, 10016)]
)
def test_the_side_is_the_next_of_256_288_320(reach_px: float, side_px: int) -> None:
    assert 32 * eighths_that_hold(Extent(-2.0, 2.0, -reach_px, 1.0), 256.0) == side_px
    assert 32 * eighths_that_hold(Extent(-2.0, reach_px, -1.0, 1.0), 256.0) == side_px


@pytest.mark.parametrize("outside", list(Outside))
def test_beyond_the_border_of_the_stitched_image_lies_zero(outside: Outside) -> None:
    mask = ellipses((100, 300), [(0, 150, 80, 40, 0)])
    crop = cut(np.full(mask.shape, 80, np.uint8), mask, outside)
    # 40 rows of the half ellipse, their mean 16.5: row 0 comes to row 111 of the frame, and nothing lies above it.
    assert box(crop.mask) == (111, 48, 151, 207)
    assert not crop.pixels[:110].any()
    assert (crop.pixels[112:140, 127] == 80).all()
    assert bool(crop.pixels[180, 10]) == (outside is Outside.keep)


def test_one_pixel_stays_one_pixel() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[4, 3] = True
    crop = cut(np.full(mask.shape, 200, np.uint8), mask)
    assert np.argwhere(crop.mask).tolist() == [[127, 127]]
    assert (crop.pixels[127, 127], crop.pixels.sum(), crop.rotation_deg) == (200, 200, 0.0)


@pytest.mark.parametrize(("shape", "rotation_deg"), [((1, 11), 0.0), ((11, 1), 90.0)])
def test_a_line_of_one_pixel_stays_one(shape: tuple[int, int], rotation_deg: float) -> None:
    crop = cut(np.full(shape, 7, np.uint8), np.ones(shape, np.bool_))
    assert crop.rotation_deg == rotation_deg
    assert sorted(np.sum(crop.mask, axis=1))[-2:] == [0, 11]
    assert box(crop.mask)[1::2] == (122, 133)


def test_a_square_has_no_long_axis_and_is_not_turned() -> None:
    image, mask = noise((60, 70)), np.zeros((60, 70), np.bool_)
    mask[20:40, 30:50] = True
    crop = cut(image, mask)
    assert crop.rotation_deg == 0.0
    assert np.array_equal(crop.pixels[118:138, 118:138], image[20:40, 30:50])
    assert crop.mask.sum() == 400


@pytest.mark.parametrize(("longer_end", "rotation_deg"), [(0, 0.0), (1, 0.0), (30, 180.0)])
def test_a_mask_that_is_nearly_symmetric_is_not_turned_round(longer_end: int, rotation_deg: float) -> None:
    mask = ellipses((200, 260), [(100, 130, 90, 45, 0)])
    mask[100, 35 - longer_end : 41] = True
    mask[100, 220:226] = True
    assert cut(noise(mask.shape), mask).rotation_deg == pytest.approx(rotation_deg, abs=0.01)


def test_single_pixels_that_fall_between_those_of_a_scaled_frame_are_said_to_vanish() -> None:
    mask = np.zeros((10, 500), np.bool_)
    mask[5, [20, 420]] = True
    assert try_cut(noise(mask.shape), mask) == EMPTY_AFTER_ROTATION


def test_image_and_mask_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the image has shape \(9, 8\), and its mask \(9, 9\)"):
        try_cut(np.zeros((9, 8), np.uint8), np.ones((9, 9)))


def test_sums_are_exact_for_the_largest_mask() -> None:
    side = 60_000
    row, x0 = np.arange(side, dtype=np.int32), np.zeros(side, np.int32)
    sums = power_sums((row, x0, x0 + np.int32(side)), (0, side), (30_000, 30_000))
    moments = central_moments(sums)
    assert (moments.area_px, moments.sum_y, moments.sum_x) == (side**2, -(side**2) // 2, -(side**2) // 2)
    variance = side**4 * (side**2 - 1) // 12
    assert moments.second == (variance, 0, variance)
    assert moments.third == (0, 0, 0, 0)
    assert long_axis(moments) == (0.0, 1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(6))
def test_pixels_mask_and_rotation_are_those_of_the_plain_procedure(seed: int, dtype: Any) -> None:
    rng, shape = np.random.default_rng(seed), (260, 330)
    scale = 1.6 if seed % 3 == 0 else 0.6
    bodies = [
        (*rng.uniform((0, 0), shape), *(scale * rng.uniform((40, 20), (110, 60))), rng.uniform(0, 180))
        for _ in range(1 + seed % 3)
    ]
    mask = ellipses(shape, bodies)
    assert_refined(noise(shape, dtype, seed), mask)


def assert_refined(image: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> None:
    expected, zero, keep = refine(image, mask), try_cut(image, mask), try_cut(image, mask, Outside.keep)
    if isinstance(expected, str) or isinstance(zero, str) or isinstance(keep, str):
        assert (zero, keep) == (expected, expected)
        return
    assert isinstance(expected, RefinedCrop)
    assert zero.pixels.dtype == keep.pixels.dtype == image.dtype
    assert zero.rotation_deg == keep.rotation_deg
    assert math.remainder(zero.rotation_deg - expected.rotation_deg, 360) == pytest.approx(0, abs=1e-9)
    assert np.array_equal(zero.mask, expected.mask)
    assert np.array_equal(keep.mask, expected.mask)
    assert np.array_equal(zero.pixels, expected.pixels)
    assert np.array_equal(keep.pixels, expected.surroundings)


@given(st.integers(0, 2**60 - 1), st.integers(1, 10), st.sampled_from([np.uint8, np.uint16]))
@settings(deadline=None, max_examples=60)
def test_small_masks_of_any_form_are_cut_as_by_the_plain_procedure(bits: int, width: int, dtype: Any) -> None:
    pixels = [bits >> i & 1 for i in range(60 // width * width)]
    mask = np.array(pixels, np.bool_).reshape(-1, width)
    assume(mask.any())
    assert_refined(noise(mask.shape, dtype, bits % 1000), mask)


nuclei = st.lists(
    st.tuples(st.floats(60, 140), st.floats(60, 140), st.floats(20, 70), st.floats(10, 50), st.floats(0, 180)),
    min_size=1,
    max_size=3,
)


def has_axis_and_tail(mask: npt.NDArray[np.bool_]) -> bool:
    """Say whether neither the axis nor its direction is a matter of single pixels."""
    y, x = np.nonzero(mask)
    values, vectors = np.linalg.eigh(np.cov(x, y))
    along = vectors[:, 1] @ np.stack([x - x.mean(), y - y.mean()])
    return bool(values[1] > 1.05 * values[0] and abs((along**3).mean()) > 0.0015 * values[1] ** 1.5)


@given(nuclei, st.integers(1, 3), st.sampled_from([np.uint8, np.uint16]))
@settings(deadline=None, max_examples=60)
def test_turning_the_input_by_quarters_changes_nothing(bodies: list[Ellipse], turns: int, dtype: Any) -> None:
    mask = ellipses((200, 210), bodies)
    assume(has_axis_and_tail(mask))
    image = noise(mask.shape, dtype)
    upright, turned = cut(image, mask), cut(np.rot90(image, turns), np.rot90(mask, turns))
    assert overlap(upright.mask, turned.mask) > 0.9995
    both = upright.mask & turned.mask
    difference = upright.pixels[both].astype(int) - turned.pixels[both].astype(int)
    assert np.abs(difference).max() <= (1 if dtype == np.uint8 else 16)
    assert math.remainder(turned.rotation_deg - upright.rotation_deg + 90 * turns, 360) == pytest.approx(0, abs=1e-6)


@given(nuclei, st.integers(0, 40), st.integers(0, 40), st.sampled_from(Outside))
@settings(deadline=None, max_examples=40)
def test_moving_the_input_by_whole_pixels_changes_no_bit(
    bodies: list[Ellipse], down: int, right: int, outside: Outside
) -> None:
    mask = ellipses((200, 210), bodies)
    image = noise(mask.shape)
    frame = (down, 40 - down), (right, 40 - right)
    first, moved = cut(image, mask, outside), cut(np.pad(image, frame), np.pad(mask, frame), outside)
    assert np.array_equal(first.pixels, moved.pixels)
    assert np.array_equal(first.mask, moved.mask)
    assert first.rotation_deg == moved.rotation_deg


@given(st.floats(0, 360), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(deadline=None, max_examples=40)
def test_an_egg_drawn_at_any_angle_gives_the_same_crop(angle: float, y: float, x: float) -> None:
    reference, crop = egg(20, 0.2, 0.3), egg(angle, y, x)
    assert overlap(reference.mask, crop.mask) > 0.98
    both = reference.mask & crop.mask
    assert np.abs(reference.pixels[both].astype(int) - crop.pixels[both].astype(int)).mean() < 2
    assert math.remainder(crop.rotation_deg + angle, 360) == pytest.approx(0, abs=0.3)


def egg(angle: float, y: float, x: float) -> Crop:
    """Cut an egg with a thin right end, bright at the left one, drawn at an angle."""
    rows, columns = np.ogrid[:260, :260]
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along = (columns - 130 - x) * cosine - (rows - 130 - y) * sine
    across = (columns - 130 - x) * sine + (rows - 130 - y) * cosine
    mask = (along / 105) ** 2 + (across / (60 - 0.25 * along)) ** 2 < 1
    return cut((128 - along + 0.4 * across).clip(0, 255).astype(np.uint8), mask)


@given(nuclei)
@settings(deadline=None, max_examples=40)
def test_every_crop_is_whole_centred_flat_and_zero_outside_its_mask(bodies: list[Ellipse]) -> None:
    mask = ellipses((200, 210), [(y, x, 2 * length, width, angle) for y, x, length, width, angle in bodies])
    crop = cut(noise(mask.shape), mask)
    assert not crop.clipped
    assert -180 <= crop.rotation_deg <= 180
    assert not crop.pixels[~crop.mask].any()
    y, x = np.nonzero(crop.mask)
    assert (y.mean(), x.mean()) == (pytest.approx(127.5, abs=0.51), pytest.approx(127.5, abs=0.51))
    assert x.var() > 0.99 * y.var()
    side_px = 32 * round(8 * np.sqrt(mask.sum() / crop.mask.sum()))
    assert crop.mask.sum() * (side_px / 256) ** 2 == pytest.approx(mask.sum(), rel=0.015)


def test_a_build_keeps_every_nucleus_flags_the_border_and_says_what_was_done(stitched: Path, tmp_path: Path) -> None:
    out = tmp_path / "nucleusnet"
    result = build(BuildOptions(stitched, out, splits="train=1", recipe=Recipe.refined))
    assert result.failures == []
    manifest = Manifest.from_json((out / "manifest.json").read_bytes())
    assert manifest.found == manifest.kept > 0
    assert manifest.recipe == "refined"
    assert manifest.parameters["refined"] == {"side_step_px": 32, "skewness_least": 0.001}
    table = pq.read_table(out / "data" / "train-00000-of-00001.parquet")
    rows = table.drop_columns(["image", "mask"]).to_pylist()
    borders = [0 in (row["bbox_y0"], row["bbox_x0"]) or 1000 in (row["bbox_y1"], row["bbox_x1"]) for row in rows]
    assert [row["touches_border"] for row in rows] == borders
    assert sum(borders) > 10
    assert not any(row["clipped"] for row in rows)
    pixels = decode_cell(table["image"][0]["bytes"].as_py())
    mask = decode_cell(table["mask"][0]["bytes"].as_py())
    assert pixels.shape == mask.shape == (256, 256)
    assert not pixels[~mask].any()
