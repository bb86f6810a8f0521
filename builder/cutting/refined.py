"""Recipe `refined`: one label -> one square crop, whole, and turned the same way however the nucleus lay.

Per label, from all of its pixels (every body under the label):

- The centroid comes to the middle of the frame, the point where four pixels meet: (127.5, 127.5) of 256 px.
- The major axis of the second moments comes to lie along x. A mask without one (both variances equal, no covariance)
  keeps its axes.
- The longer tail points right: the third central moment along x is positive. Where the skewness along the axis is at
  most `SKEWNESS_LEAST`, the mask has no head and tail, and of the two turns the one in (-90, 90] degrees is taken.
  Nothing is mirrored.
- The frame shows a square of the image: as many of its pixels as the crop has (256 x 256), or a chosen number of
  micrometres. Where the turned mask does not fit, it shows the square that holds it, wider by 1, 2, 3, ... eighths
  (288, 320, 352, ... px), scaled down to the same crop. So the scale is that of the other crops times
  8 / (8 + eighths); `crop_pixels_per_um` states it, and in the usual frame the side follows from stored columns too:
  32 * round(8 * sqrt(area_px / number of mask pixels in the crop)). No nucleus is clipped.
- Image (bilinear) and mask (nearest) are sampled once. Beyond the border of the stitched image all is 0, so nuclei at
  the border are kept. In a frame that was chosen, a crop with fewer pixels than the image averages: each of its pixels
  is the mean of k x k samples spread over it, k being the pixels of the image along its side, rounded up. In the usual
  frame a crop scaled below one half skips pixels of the image: nothing is smoothed before.

Positions count 2**-32 px, are rounded half up to 2**-16 px, and pixel values are rounded half up; see `refined_warp`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.contract import EMPTY_AFTER_ROTATION
from nucleusnet_core.inputs.regions import Regions

from .crop import Crop, paint_mask
from .recipe import FRAME_STEPS, USUAL_FRAME, Frame, Outside
from .refined_warp import POSITION_BITS, Extent, Sampling, power_sums, resample, resample_surroundings, turned_extent

SKEWNESS_LEAST = 0.001  # the pixel grid alone changes that of a nucleus by 0.0002, the median of 100 turned ones
MOST_SAMPLES = 64
"""Samples along the side of a pixel at most: of a crop whose pixels are wider than 64 of the image, they lie apart."""

_ROUNDING_PX = 1e-6  # what rounding may add to an extent without a larger side being taken


def refined_parameters(frame: Frame) -> dict[str, float]:
    """Return what a reader of the dataset needs to know besides recipe and frame; it goes into the manifest.

    `side_step_px` counts pixels of a crop whose nucleus fits.
    """
    return {"side_step_px": frame.crop_px // FRAME_STEPS, "skewness_least": SKEWNESS_LEAST}


@dataclass(frozen=True)
class View:
    """What one crop shows.

    Attributes:
        crop_px: side of the crop, px.
        side_px: side of the square of the stitched image that it shows, px of that.
    """

    crop_px: int
    side_px: float

    @property
    def step_px(self) -> float:
        """From one pixel of the crop to the next, px of the stitched image."""
        return self.side_px / self.crop_px

    @property
    def samples(self) -> int:
        """How many samples along the side of a pixel miss no pixel of the stitched image."""
        return min(max(1, math.ceil(self.step_px)), MOST_SAMPLES)


@dataclass(frozen=True)
class Moments:
    """Exact moments of a mask: integers, so that turning or moving the mask changes no bit of what follows.

    Attributes:
        area_px: number of pixels, n.
        sum_y: of the rows, counted from some pixel.
        sum_x: of the columns, counted from the same pixel.
        second: n^2 times the central moments (xx, xy, yy), px^2.
        third: n^3 times the central moments (xxx, xxy, xyy, yyy), px^3.
    """

    area_px: int
    sum_y: int
    sum_x: int
    second: tuple[int, int, int]
    third: tuple[int, int, int, int]


def cut_refined(
    image: npt.NDArray[Any],
    regions: Regions,
    index: int,
    *,
    outside: Outside = Outside.zero,
    frame: Frame = USUAL_FRAME,
    pixels_per_um: float = 1.0,
    further: Sequence[npt.NDArray[Any]] = (),
) -> Crop | str:
    """Return the crop of one label, or why the recipe leaves it out.

    Args:
        image: stitched image (H, W), uint8 or uint16, C-contiguous, of the shape of the mask.
        regions: the labels of its mask.
        index: which of them.
        outside: "zero" outside the mask, or "keep" what the image shows there.
        frame: what the crop shows, and in how many pixels.
        pixels_per_um: scale of the image; only a frame in um needs it.
        further: the image in further channels, of the same shape, each uint8 or uint16.

    Returns:
        The crop, turned by -180 to 180 degrees, never clipped; or "empty_after_rotation", where a mask of
        single pixels or lines falls between the pixels of a scaled frame.

    Raises:
        ValueError: image and mask differ in shape.
    """
    if image.shape != regions.shape:
        raise ValueError(f"the image has shape {image.shape}, and its mask {regions.shape}.")
    runs = (regions.row, regions.x0, regions.x1)
    which = int(regions.run_start[index]), int(regions.run_start[index + 1])
    y0, x0 = int(regions.bbox_y0[index]), int(regions.bbox_x0[index])
    y1, x1 = int(regions.bbox_y1[index]), int(regions.bbox_x1[index])
    origin = (y0 + y1) // 2, (x0 + x1) // 2
    moments = central_moments(power_sums(runs, which, origin))
    axis = long_axis(moments)
    shift = moments.sum_y / moments.area_px, moments.sum_x / moments.area_px
    extent = turned_extent(runs, which, (origin, shift), axis)
    eighths = eighths_that_hold(extent, frame.side_px(pixels_per_um))
    view = View(frame.crop_px, frame.side_px(pixels_per_um) * eighths / FRAME_STEPS)
    sampling = _sampling(moments, origin, axis, view, view.samples if frame.averages else 1)
    shape = frame.crop_px, frame.crop_px
    corner, mask = (y0 - 1, x0 - 1), np.zeros(shape, np.bool_)
    patch = paint_mask(runs, which, corner, (y1 - y0 + 2, x1 - x0 + 2))
    part = _part(extent, view)
    channels = []
    for channel in (image, *further):
        pixels = np.zeros(shape, channel.dtype)
        resample(channel, (patch, corner), sampling, part, (pixels, mask))
        if not mask[part[0] : part[2], part[1] : part[3]].any():
            return EMPTY_AFTER_ROTATION
        if outside == Outside.keep:
            resample_surroundings(channel, sampling, pixels)
        channels.append(pixels)
    rotation_deg = math.degrees(math.atan2(*axis))
    return Crop(
        channels[0],
        mask,
        rotation_deg=rotation_deg,
        clipped=False,
        further=tuple(channels[1:]),
        shrink=FRAME_STEPS / eighths,
    )


def central_moments(sums: npt.NDArray[np.int64]) -> Moments:
    """Return the central moments that follow from `refined_warp.power_sums`."""
    n, x, y, xx, xy, yy, xxx, xxy, xyy, yyy = ((high << 32) + low for high, low in sums.tolist())
    second = n * xx - x * x, n * xy - x * y, n * yy - y * y
    third = (
        n * n * xxx - 3 * n * x * xx + 2 * x * x * x,
        n * n * xxy - 2 * n * x * xy - n * y * xx + 2 * x * x * y,
        n * n * xyy - 2 * n * y * xy - n * x * yy + 2 * y * y * x,
        n * n * yyy - 3 * n * y * yy + 2 * y * y * y,
    )
    return Moments(n, y, x, second, third)


def long_axis(moments: Moments) -> tuple[float, float]:
    """Return (y, x) of the unit vector along the major axis, from the centroid towards the longer tail."""
    axis = _major_axis(moments.second)
    if _skewness(moments, axis) < -SKEWNESS_LEAST:
        return 0.0 - axis[0], 0.0 - axis[1]  # no -0.0, which makes -180 degrees of 180
    return axis


def _major_axis(second: tuple[int, int, int]) -> tuple[float, float]:
    """Return (y, x) of the unit vector along the major axis that has x > 0, or x = 0 and y = 1.

    The half angle comes from square roots, the larger component first, so that axes x and y are treated alike.
    """
    xx, xy, yy = second
    if xx == yy and xy == 0:
        return 0.0, 1.0
    difference, twice_xy = float(xx - yy), float(2 * xy)
    root = math.sqrt(difference * difference + twice_xy * twice_xy)
    larger = math.sqrt((1 + abs(difference) / root) / 2)
    smaller = twice_xy / root / (2 * larger)
    if difference >= 0:
        return smaller, larger
    return (-larger, -smaller) if smaller < 0 else (larger, smaller)


def _skewness(moments: Moments, axis: tuple[float, float]) -> float:
    """Return the third central moment along an axis over the standard deviation cubed; 0 for a single pixel."""
    y, x = axis
    xx, xy, yy = (moment / moments.area_px**2 for moment in moments.second)
    xxx, xxy, xyy, yyy = (moment / moments.area_px**3 for moment in moments.third)
    variance = x * x * xx + 2 * x * y * xy + y * y * yy
    third = x * x * x * xxx + 3 * x * x * y * xxy + 3 * x * y * y * xyy + y * y * y * yyy
    return third / (variance * math.sqrt(variance)) if variance > 0 else 0.0


def eighths_that_hold(extent: Extent, side_px: float) -> int:
    """Return the side of the square around the centroid that is shown, in eighths of the frame: 8, 9, 10, ...

    Args:
        extent: of the turned mask.
        side_px: side of the frame, px of the stitched image.
    """
    reach_px = max(-extent.top, extent.bottom, -extent.left, extent.right)
    more = math.ceil((2 * (reach_px - _ROUNDING_PX) - side_px) / (side_px / FRAME_STEPS))
    return FRAME_STEPS + max(0, more)


def _sampling(
    moments: Moments, origin: tuple[int, int], axis: tuple[float, float], view: View, samples: int
) -> Sampling:
    """Return where the pixels of a view lie that has the centroid in its middle and x along the axis."""
    one = 1 << POSITION_BITS
    # Steps that divide by twice the samples put these at exact places, the same ones however the nucleus lies.
    grain = 1 if samples == 1 else 2 * samples
    sine, cosine = (grain * math.floor(part * view.step_px * (one / grain) + 0.5) for part in axis)
    n = moments.area_px
    y = origin[0] * one + (2 * moments.sum_y * one + n) // (2 * n)
    x = origin[1] * one + (2 * moments.sum_x * one + n) // (2 * n)
    last = view.crop_px - 1
    return Sampling(
        y=y - last * (sine + cosine) // 2,
        x=x - last * (cosine - sine) // 2,
        y_right=sine,
        x_right=cosine,
        y_down=cosine,
        x_down=-sine,
        samples=samples,
    )


def _part(extent: Extent, view: View) -> tuple[int, int, int, int]:
    """Return (y0, x0, y1, x1) of the crop that the turned mask can reach, half-open, with a pixel to spare."""
    size = view.crop_px
    top, bottom, left, right = (size / 2 + reach * size / view.side_px for reach in extent)
    first_y, first_x = max(0, math.floor(top) - 1), max(0, math.floor(left) - 1)
    return first_y, first_x, min(size, math.ceil(bottom) + 1), min(size, math.ceil(right) + 1)
