"""Frames of recipe `refined`: any size and scale, as SciPy resamples, without aliasing, at a stated scale."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from builder.cutting.crop import Crop
from builder.cutting.recipe import Frame, Outside
from builder.cutting.refined import cut_refined, eighths_that_hold, refined_parameters
from builder.cutting.refined_warp import Extent
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs
from tests.builder.cutting.test_refined import box, ellipses, noise

SHAPE = (420, 420)
CENTRE = (210.0, 210.0)


def framed(
    image: npt.NDArray[Any], mask: npt.NDArray[Any], frame: Frame, pixels_per_um: float = 2.0, outside: str = "zero"
) -> Crop:
    """Cut the only label of a mask into a frame."""
    regions = regions_from_runs(runs_from_array(mask.astype(np.uint16)))
    crop = cut_refined(image, regions, 0, outside=Outside(outside), frame=frame, pixels_per_um=pixels_per_um)
    assert isinstance(crop, Crop)
    return crop


def waves(dtype: Any) -> npt.NDArray[Any]:
    """A smooth image that uses half of the grey values."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    most = np.iinfo(dtype).max
    values: npt.NDArray[np.float64] = most * (0.5 + 0.25 * np.sin(y / 19) * np.cos(x / 23))
    return values.astype(dtype)


def resampled(image: npt.NDArray[Any], crop: Crop, step_px: float) -> npt.NDArray[np.float64]:
    """The same frame by SciPy: smoothed over about a pixel of the crop, and read between pixels."""
    size = len(crop.pixels)
    turn = np.deg2rad(crop.rotation_deg)
    row, column = step_px * (np.mgrid[:size, :size] - (size - 1) / 2)
    y = CENTRE[0] + row * np.cos(turn) + column * np.sin(turn)
    x = CENTRE[1] + column * np.cos(turn) - row * np.sin(turn)
    smooth = image.astype(np.float64)
    if step_px > 1:
        smooth = ndimage.uniform_filter(smooth, 2 * (round(step_px) // 2) + 1)  # odd, so that nothing moves
    return np.asarray(ndimage.map_coordinates(smooth, [y, x], order=1))


@pytest.mark.parametrize("step_px", [0.5, 1.0, 2.3])
@pytest.mark.parametrize("angle", [0, 33, 90, 160])
def test_a_frame_of_any_scale_is_as_scipy_resamples_it(step_px: float, angle: float) -> None:
    image, mask = waves(np.uint8), ellipses(SHAPE, [(*CENTRE, 60 * step_px / 2, 35 * step_px / 2, angle)])
    crop = framed(image, mask, Frame(64, 64 * step_px / 2.0))
    assert crop.shrink == 1
    difference = np.abs(crop.pixels - resampled(image, crop, step_px))[crop.mask]
    assert difference.max() <= 1
    assert crop.mask.sum() * step_px**2 == pytest.approx(mask.sum(), rel=0.04)


def test_16_bits_are_averaged_without_loss() -> None:
    image, mask = waves(np.uint16), ellipses(SHAPE, [(*CENTRE, 180, 120, 25)])
    crop = framed(image, mask, Frame(32, 200.0))
    difference = np.abs(crop.pixels - resampled(image, crop, 12.5))[crop.mask]
    assert difference.max() <= 0.004 * 65535


@pytest.mark.parametrize("angle", [0, 20, 45, 71])
def test_a_checkerboard_scaled_down_four_times_is_flat_grey(angle: float) -> None:
    board = (np.indices(SHAPE).sum(axis=0) % 2 * 200).astype(np.uint8)
    mask = ellipses(SHAPE, [(*CENTRE, 110, 70, angle)])
    crop = framed(board, mask, Frame(64, 128.0), outside="keep")
    inner = crop.pixels[16:48, 16:48]
    assert abs(inner.mean() - 100) < 1.5
    assert inner.std() < 6  # of the 100 of the board itself


def test_noise_scaled_down_four_times_loses_three_quarters_of_its_spread() -> None:
    image, mask = noise(SHAPE), ellipses(SHAPE, [(*CENTRE, 110, 70, 30)])
    crop = framed(image, mask, Frame(64, 128.0))
    assert crop.pixels[crop.mask].std() < 0.27 * image.std()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_nucleus_turned_by_right_angles_gives_the_same_averages(turns: int) -> None:
    image, mask = noise(SHAPE), ellipses(SHAPE, [(*CENTRE, 90, 50, 33), (160, 260, 20, 15, 0)])
    first = framed(image, mask, Frame(48, 100.0))
    second = framed(np.ascontiguousarray(np.rot90(image, turns)), np.rot90(mask, turns), Frame(48, 100.0))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.mask, second.mask)


def test_the_same_nucleus_at_two_scales_fills_the_frame_alike() -> None:
    coarse = framed(waves(np.uint8), ellipses(SHAPE, [(*CENTRE, 20, 12, 40)]), Frame(64, 30.0), 2.0)
    fine = framed(waves(np.uint8), ellipses(SHAPE, [(*CENTRE, 80, 48, 40)]), Frame(64, 30.0), 8.0)
    assert coarse.shrink == fine.shrink == 1
    assert np.abs(np.subtract(box(coarse.mask), box(fine.mask))).max() <= 1
    assert Frame(64, 30.0).pixels_per_um(2.0) == Frame(64, 30.0).pixels_per_um(8.0) == 64 / 30


def test_a_larger_nucleus_is_whole_at_the_scale_that_is_stated() -> None:
    mask = ellipses(SHAPE, [(*CENTRE, 45, 20, 10)])  # 90 px long, in a frame of 64 px: 5 eighths wider hold 104 px
    crop = framed(noise(SHAPE), mask, Frame(64))
    assert crop.shrink == 8 / 12
    assert box(crop.mask)[3] - box(crop.mask)[1] == pytest.approx(90 * 8 / 12, abs=1)
    assert crop.mask.sum() / crop.shrink**2 == pytest.approx(mask.sum(), rel=0.02)


@pytest.mark.parametrize("outside", ["zero", "keep"])
@pytest.mark.parametrize(
    ("shape", "frame"), [((70, 50), Frame(32)), ((9, 300), Frame(64, 20.0)), ((40, 60), Frame(1024))]
)
def test_a_nucleus_as_large_as_its_image_is_whole(shape: tuple[int, int], frame: Frame, outside: str) -> None:
    """Whether the image is larger than the frame, longer, or smaller."""
    crop = framed(np.full(shape, 90, np.uint8), np.ones(shape, np.bool_), frame, outside=outside)
    step_px = frame.side_px(2.0) / frame.crop_px / crop.shrink
    assert not crop.clipped
    height, width = (np.flatnonzero(crop.mask.any(axis=axis)).size for axis in (1, 0))
    assert (height * step_px, width * step_px) == pytest.approx((min(shape), max(shape)), abs=2 * step_px)
    inner = ndimage.binary_erosion(crop.mask, iterations=2)
    assert set(crop.pixels[inner].tolist()) <= {90}
    assert not crop.pixels[~ndimage.binary_dilation(crop.mask, iterations=2)].any()


@pytest.mark.parametrize(("side_px", "eighths"), [(100.0, 8), (48.0, 9), (40.0, 10), (10.5, 39), (0.001, 400_000)])
def test_the_frame_grows_by_eighths(side_px: float, eighths: int) -> None:
    assert eighths_that_hold(Extent(-3.0, 4.0, -20.0, 25.0), side_px) == pytest.approx(eighths, rel=1e-6)


def test_the_usual_frame_is_256_px_and_averages_nothing() -> None:
    assert not Frame().averages
    assert Frame(264).averages
    assert Frame(256, 32.0).averages
    assert refined_parameters(Frame()) == {"side_step_px": 32, "skewness_least": 0.001}
    assert refined_parameters(Frame(64, 20.0)) == {"side_step_px": 8, "skewness_least": 0.001}
