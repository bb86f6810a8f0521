"""Blur, enlargement, distances and exponentials whose bits depend on no processor.

OpenCV and NumPy choose other code on other processors for these, and sums in another order end in other last bits. Here
every step is an addition, a multiplication or a square root of NumPy, which IEEE 754 defines to the last bit, in one
order.
"""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]

_SIGMAS = 3  # where the blur ends
_SHARPNESS = -0.75  # of cubic interpolation, as OpenCV's
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_EXP_TERMS = tuple(np.float32(1 / math.factorial(power)) for power in range(7, -1, -1))


def blurred(pixels: Pixels, sigma_px: float, *, mirrored: bool = False) -> Pixels:
    """Return an image (h, w) with Gaussian blur.

    Args:
        pixels: float32 (h, w).
        sigma_px: standard deviation.
        mirrored: the image goes on as its mirror image; else nothing lies outside.
    """
    weights = _weights(sigma_px)
    once = _blurred_down(pixels, weights, mirrored=mirrored)
    return np.ascontiguousarray(_blurred_down(np.ascontiguousarray(once.T), weights, mirrored=mirrored).T)


def _weights(sigma_px: float) -> Pixels:
    """Return the weights of a pixel and of those 1, 2, ... px away, float32 (radius + 1,)."""
    radius = round(_SIGMAS * sigma_px)
    values = [math.exp(-((distance / sigma_px) ** 2) / 2) for distance in range(radius + 1)]
    return np.array([value / (2 * math.fsum(values) - 1) for value in values], np.float32)


def _blurred_down(pixels: Pixels, weights: Pixels, *, mirrored: bool) -> Pixels:
    height, radius = len(pixels), len(weights) - 1
    padded = np.pad(pixels, ((radius, radius), (0, 0)), "reflect" if mirrored else "constant")
    total: Pixels = padded[radius : radius + height] * weights[0]
    pair = np.empty_like(total)
    for distance in range(1, radius + 1):
        above, below = radius - distance, radius + distance
        np.add(padded[above : above + height], padded[below : below + height], out=pair)
        pair *= weights[distance]
        total += pair
    return total


def enlarged(grid: Pixels, shape: tuple[int, int], *, step: tuple[float, float], start: tuple[float, float]) -> Pixels:
    """Return a grid enlarged by cubic interpolation; beyond its border lies its last value.

    Args:
        grid: float32 (rows, columns).
        shape: (h, w) of the result.
        step: rows and columns of the grid from one pixel of the result to the next.
        start: row and column of the grid at the first pixel of the result.
    """
    tall = _enlarged_down(grid, start[0] + step[0] * np.arange(shape[0], dtype=np.float64))
    wide = _enlarged_down(np.ascontiguousarray(tall.T), start[1] + step[1] * np.arange(shape[1], dtype=np.float64))
    return np.ascontiguousarray(wide.T)


def _enlarged_down(grid: Pixels, place: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Return the values of a grid (rows, columns) at some places between its rows, float32 (places, columns)."""
    first = np.floor(place)
    part, near = place - first, first.astype(np.int64)
    inner, outer = [_cubic_inner(part), _cubic_inner(1 - part)], [_cubic_outer(1 + part), _cubic_outer(2 - part)]
    total = np.zeros((len(place), grid.shape[1]), np.float32)
    for offset, weight in zip((-1, 0, 1, 2), (outer[0], inner[0], inner[1], outer[1]), strict=True):
        rows = grid[np.clip(near + offset, 0, len(grid) - 1)]
        rows *= weight.astype(np.float32)[:, None]
        total += rows
    return total


def _cubic_inner(distance: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return the weight of a value at most 1 away."""
    return np.asarray(((_SHARPNESS + 2) * distance - (_SHARPNESS + 3)) * distance * distance + 1)


def _cubic_outer(distance: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return the weight of a value 1 to 2 away."""
    return np.asarray(
        ((_SHARPNESS * distance - 5 * _SHARPNESS) * distance + 8 * _SHARPNESS) * distance - 4 * _SHARPNESS
    )


def distances(core: npt.NDArray[np.uint8]) -> Pixels:
    """Return the distance (h, w) of each pixel to the nearest one of `core` that is not 0, px, float32."""
    rough = cv2.distanceTransform((core == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.sqrt(np.rint(rough * rough)), np.float32)  # of two whole numbers squared and added


def exponential(values: Pixels) -> Pixels:
    """Return e to the power of moderate values, float32, to within two of its last bits.

    Source: the reduction of Cody and Waite, and the first terms of the series of e.
    """
    whole = np.rint(values * np.float32(1 / math.log(2)))
    rest = (values - whole * _LN2_HIGH) - whole * _LN2_LOW
    result = np.full_like(rest, _EXP_TERMS[0])
    for term in _EXP_TERMS[1:]:
        result *= rest
        result += term
    return np.asarray(np.ldexp(result, whole.astype(np.int32)), np.float32)
