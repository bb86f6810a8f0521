"""Arithmetic of the recipe `refined`: sums over label runs, and one resample in integers.

Everything that decides a pixel is an integer or comes from additions, multiplications, divisions and square roots,
which IEEE 754 rounds the same way on every machine; none of them is fused, and no sine or cosine is used.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled

Runs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]

POSITION_BITS = 32  # positions count 2**-32 px, so that 255 steps of one frame row add up to nothing
_WEIGHT_BITS = 16
_ONE = 1 << _WEIGHT_BITS
_LOW_HALF = (1 << 32) - 1


class Sampling(NamedTuple):
    """Where the pixels of a frame lie in the stitched image, in 2**-32 px.

    Attributes:
        y: of the middle of frame pixel (0, 0).
        x: of the middle of frame pixel (0, 0).
        y_right: step from one frame column to the next.
        x_right: step from one frame column to the next.
        y_down: step from one frame row to the next.
        x_down: step from one frame row to the next.
        samples: along the side of a pixel, spread evenly over it; more than 1 divide half of every step.
    """

    y: int
    x: int
    y_right: int
    x_right: int
    y_down: int
    x_down: int
    samples: int


class Extent(NamedTuple):
    """How far a turned mask reaches from its centroid, its pixels counted as unit squares; source px.

    Attributes:
        top: least coordinate across the long axis, negative.
        bottom: largest one.
        left: least coordinate along the long axis, negative.
        right: largest one.
    """

    top: float
    bottom: float
    left: float
    right: float


@compiled
def power_sums(runs: Runs, which: tuple[int, int], origin: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the sums of 1, x, y, x^2, xy, y^2, x^3, x^2 y, x y^2, y^3 over the pixels of some runs.

    Args:
        runs: (row, x0, x1) as in `Regions`.
        which: first run, and the run after the last one.
        origin: (row, column) that y and x count from, at most 30,000 px from any pixel.

    Returns:
        int64 (10, 2): high and low part, a sum is high * 2**32 + low; exact for a mask of 60,000 px a side.
    """
    row, x0, x1 = runs
    sums = np.zeros((10, 2), np.int64)
    for run in range(which[0], which[1]):
        y, a, b = row[run] - origin[0], x0[run] - origin[1], x1[run] - origin[1]  # int64, as origin is
        n, sum_x = b - a, (b * (b - 1) - a * (a - 1)) // 2
        sum_xx = ((b - 1) * b * (2 * b - 1) - (a - 1) * a * (2 * a - 1)) // 6
        sum_xxx = (b * (b - 1) // 2) ** 2 - (a * (a - 1) // 2) ** 2
        _add(sums, (n, sum_x, y * n, sum_xx, y * sum_x, y * y * n, sum_xxx, y * sum_xx, y * y * sum_x, y * y * y * n))
    return sums


@compiled
def _add(sums: npt.NDArray[np.int64], terms: tuple[Any, ...]) -> None:
    for i in range(10):
        sums[i, 0] += terms[i] >> 32
        sums[i, 1] += terms[i] & _LOW_HALF


@compiled
def turned_extent(
    runs: Runs, which: tuple[int, int], centroid: tuple[tuple[int, int], tuple[float, float]], axis: tuple[float, float]
) -> Extent:
    """Return how far a mask reaches along and across its long axis.

    Args:
        runs: (row, x0, x1) as in `Regions`.
        which: first run, and the run after the last one.
        centroid: (row, column) of a pixel, and (y, x) from there to the centroid, px.
        axis: (y, x) of the unit vector along the long axis.
    """
    row, x0, x1 = runs
    (origin_y, origin_x), (shift_y, shift_x) = centroid
    sine, cosine = axis
    top, bottom, left, right = np.inf, -np.inf, np.inf, -np.inf
    for run in range(which[0], which[1]):
        y = row[run] - origin_y - shift_y
        for column in (np.int64(x0[run]), np.int64(x1[run] - 1)):
            x = column - origin_x - shift_x
            along, across = cosine * x + sine * y, cosine * y - sine * x
            top, bottom = min(top, across), max(bottom, across)
            left, right = min(left, along), max(right, along)
    corner = (abs(sine) + abs(cosine)) / 2  # of a unit square, from its middle
    return Extent(top - corner, bottom + corner, left - corner, right + corner)


@compiled
def resample(
    image: npt.NDArray[Any],
    patch: tuple[npt.NDArray[np.uint8], tuple[int, int]],
    sampling: Sampling,
    part: tuple[int, int, int, int],
    frame: tuple[npt.NDArray[Any], npt.NDArray[np.bool_]],
) -> None:
    """Sample image (bilinear, averaged over each pixel) and mask (nearest), and write the pixels that are mask.

    Args:
        image: stitched image (H, W) uint8 or uint16; 0 beyond its border.
        patch: 0/1 mask, and (row, column) of its first pixel in the stitched image; 0 beyond it.
        sampling: of the frame.
        part: (y0, x0, y1, x1) of the frame that is computed, half-open.
        frame: pixels, zeros in the type of the image, and mask, False; both square, both filled.
    """
    mask, corner = patch
    pixels, covered = frame
    nudged_y, nudged_x = _nudged(sampling)
    for j in range(part[0], part[2]):
        y, x = _position(sampling, j, part[1])
        for i in range(part[1], part[3]):
            mask_y = ((y + nudged_y) >> POSITION_BITS) - corner[0]
            mask_x = ((x + nudged_x) >> POSITION_BITS) - corner[1]
            inside = 0 <= mask_y < mask.shape[0] and 0 <= mask_x < mask.shape[1]
            if inside and mask[np.uint64(mask_y), np.uint64(mask_x)]:
                covered[j, i] = True
                pixels[j, i] = _average(image, y, x, sampling)
            y += sampling.y_right
            x += sampling.x_right


@compiled
def resample_surroundings(image: npt.NDArray[Any], sampling: Sampling, pixels: npt.NDArray[Any]) -> None:
    """Sample the image (bilinear, 0 beyond its border) at every pixel of the frame, averaged over it."""
    for j in range(pixels.shape[0]):
        y, x = _position(sampling, j, 0)
        for i in range(pixels.shape[1]):
            pixels[j, i] = _average(image, y, x, sampling)
            y += sampling.y_right
            x += sampling.x_right


@compiled
def _position(sampling: Sampling, row: int, column: int) -> tuple[int, int]:
    y = sampling.y + row * sampling.y_down + column * sampling.y_right
    x = sampling.x + row * sampling.x_down + column * sampling.x_right
    return y, x


@compiled
def _nudged(sampling: Sampling) -> tuple[int, int]:
    """Return what is added to a position before it is cut to the nearest mask pixel.

    Half a pixel; and 2**-12 px of the frame to the right and half that down, so that a point between two mask pixels
    falls on the same one however the nucleus lies, whatever the rounding of the position.
    """
    half = 1 << (POSITION_BITS - 1)
    nudge_y = (sampling.y_right >> 12) + (sampling.y_down >> 13)
    nudge_x = (sampling.x_right >> 12) + (sampling.x_down >> 13)
    return half + nudge_y, half + nudge_x


@compiled
def _average(image: npt.NDArray[Any], y: int, x: int, sampling: Sampling) -> int:
    """Return the mean of the samples of the frame pixel around a position, rounded half up."""
    many = sampling.samples
    if many == 1:
        return (_bilinear(image, y, x) + (1 << (2 * _WEIGHT_BITS - 1))) >> (2 * _WEIGHT_BITS)
    half_y_right, half_x_right = sampling.y_right // (2 * many), sampling.x_right // (2 * many)
    half_y_down, half_x_down = sampling.y_down // (2 * many), sampling.x_down // (2 * many)
    total = 0
    for j in range(1 - many, many, 2):
        for i in range(1 - many, many, 2):
            sample_y = y + j * half_y_down + i * half_y_right
            sample_x = x + j * half_x_down + i * half_x_right
            total += _bilinear(image, sample_y, sample_x)
    weights = many * many << (2 * _WEIGHT_BITS)
    return (total + weights // 2) // weights


@compiled
def _bilinear(image: npt.NDArray[Any], y: int, x: int) -> int:
    """Return the four neighbours weighted in 2**-16, in 2**-32; positions are rounded half up; 0 beyond the border."""
    cut = POSITION_BITS - _WEIGHT_BITS
    y, x = (y + (1 << (cut - 1))) >> cut, (x + (1 << (cut - 1))) >> cut
    row, column, below, right = y >> _WEIGHT_BITS, x >> _WEIGHT_BITS, y & (_ONE - 1), x & (_ONE - 1)
    if 0 <= row < image.shape[0] - 1 and 0 <= column < image.shape[1] - 1:
        upper = _pixel(image, row, column) * (_ONE - right) + _pixel(image, row, column + 1) * right
        lower = _pixel(image, row + 1, column) * (_ONE - right) + _pixel(image, row + 1, column + 1) * right
    else:
        upper = _or_zero(image, row, column) * (_ONE - right) + _or_zero(image, row, column + 1) * right
        lower = _or_zero(image, row + 1, column) * (_ONE - right) + _or_zero(image, row + 1, column + 1) * right
    return upper * (_ONE - below) + lower * below


@compiled
def _pixel(image: npt.NDArray[Any], row: int, column: int) -> int:
    return np.int64(image[np.uint64(row), np.uint64(column)])  # type: ignore[return-value]  # an int where compiled


@compiled
def _or_zero(image: npt.NDArray[Any], row: int, column: int) -> int:
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return _pixel(image, row, column) if inside else 0
