"""What the microscope makes of a scene: glow, uneven light of the stitched fields, background, detector noise."""

import functools
from statistics import NormalDist

import cv2
import numpy as np
import numpy.typing as npt

from .filters import blurred, enlarged, exponential
from .look import RunLook
from .scene import LIGHT_STEPS

_BLOCK_ROWS = 256
_GLOW_STEP_PX = 8
_LEVELS_PER_GREY = 4
_TOP_GREY = 320
_QUANTILES = 256
_GREY_PER_PHOTON = 1.25
_READ_NOISE_GREY = 0.7


def expose(
    light: npt.NDArray[np.uint16], look: RunLook, rng: np.random.Generator, *, pixels_per_um: float
) -> npt.NDArray[np.uint8]:
    """Photograph a scene, in blocks of rows: besides the result, only an image of 1/64 of the pixels is held.

    Args:
        light: uint16 (H, W), expected light in 1 / `LIGHT_STEPS` grey levels.
        look: conditions of the run.
        rng: random numbers of the detector and the background.
        pixels_per_um: scale of the image.

    Returns:
        Grey levels, uint8 (H, W).
    """
    height, width = light.shape
    glow = _glow(light, rng, pixels_per_um)
    gain_y, gain_x = (_field_gain(side, look, axis, pixels_per_um) for axis, side in enumerate((height, width)))
    table = _noise_table()
    pixels = np.empty((height, width), np.uint8)
    for y0 in range(0, height, _BLOCK_ROWS):
        rows = slice(y0, min(y0 + _BLOCK_ROWS, height))
        level = light[rows].astype(np.float32)
        level *= np.float32(1 / LIGHT_STEPS)
        level += _enlarged_rows(glow, rows, width)
        level *= gain_y[rows, None] * gain_x
        level += np.float32(look.offset)
        pixels[rows] = _detected(level, table, rng)
    return pixels


def _glow(light: npt.NDArray[np.uint16], rng: np.random.Generator, pixels_per_um: float) -> npt.NDArray[np.float32]:
    """Return scattered light with the faint haze of the cells' bodies: grey levels, `_GLOW_STEP_PX` px apart."""
    height, width = light.shape
    small = (-(-width // _GLOW_STEP_PX), -(-height // _GLOW_STEP_PX))
    grid = cv2.resize(light, small, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / LIGHT_STEPS)
    scale = pixels_per_um / _GLOW_STEP_PX
    glow = np.float32(0.10) * blurred(grid, 0.9 * scale, mirrored=True)
    glow += np.float32(0.07) * blurred(grid, 2.6 * scale, mirrored=True)
    coarse = rng.standard_normal((small[1] // 24 + 4, small[0] // 24 + 4), np.float32)
    step = coarse.shape[0] / small[1], coarse.shape[1] / small[0]
    haze = enlarged(coarse, (small[1], small[0]), step=step, start=(step[0] / 2 - 0.5, step[1] / 2 - 0.5))
    return np.asarray(glow + np.float32(0.6) * exponential(np.float32(0.5) * haze))


def _enlarged_rows(grid: npt.NDArray[np.float32], rows: slice, width: int) -> npt.NDArray[np.float32]:
    """Return some rows of a grid that is enlarged to the image, without holding the whole."""
    step, middle = 1 / _GLOW_STEP_PX, 0.5 / _GLOW_STEP_PX - 0.5
    matrix = np.array([[step, 0, middle], [0, step, middle + rows.start * step]])
    size = (width, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(grid, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _field_gain(side_px: int, look: RunLook, axis: int, pixels_per_um: float) -> npt.NDArray[np.float32]:
    """Return the relative light along one axis: every stitched field is brightest near its middle."""
    tile_px = look.tile_um * pixels_per_um
    place = (np.arange(side_px) / tile_px + look.tile_shift[axis]) % 1.0
    return np.asarray(1 - look.vignette / 2 * (2 * place - 1) ** 2, np.float32)


def _detected(
    level: npt.NDArray[np.float32], table: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw a grey level for every expected grey level (h, w)."""
    index = np.minimum(level * np.float32(_LEVELS_PER_GREY), np.float32(len(table) - 1)).astype(np.uint32)
    index *= np.uint32(_QUANTILES)
    index += np.frombuffer(rng.bytes(level.size), np.uint8).reshape(level.shape)
    return np.asarray(table.reshape(-1).take(index), np.uint8)


@functools.cache
def _noise_table() -> npt.NDArray[np.uint8]:
    """Return quantiles (level, quantile) of the detected grey level: photons arrive at random, reading adds noise.

    Source: second-order Cornish-Fisher expansion of a scaled Poisson variable plus a normal one.
    """
    normal = NormalDist()
    z = np.array([normal.inv_cdf((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)])
    mean = (np.arange(_TOP_GREY * _LEVELS_PER_GREY) + 0.5)[:, None] / _LEVELS_PER_GREY
    deviation = np.sqrt(_GREY_PER_PHOTON * mean + _READ_NOISE_GREY**2)
    skewness = _GREY_PER_PHOTON**2 * mean / deviation**3
    grey = mean + deviation * (z + skewness / 6 * (z**2 - 1))
    return np.asarray(np.clip(np.floor(grey + 0.5), 0, 255), np.uint8)
