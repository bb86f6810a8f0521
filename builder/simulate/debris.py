"""Bright objects that are no nuclei: a bent fibre, or a heap of angular grains."""

import cv2
import numpy as np
import numpy.typing as npt

from .filters import blurred


def draw_debris(side_px: int, rng: np.random.Generator, *, pixels_per_um: float) -> npt.NDArray[np.float32]:
    """Return the light of one piece of debris, grey levels, float32 (side_px, side_px)."""
    coverage = np.zeros((side_px, side_px), np.uint8)
    if rng.random() < 0.5:
        _draw_fibre(coverage, rng, pixels_per_um)
    else:
        _draw_specks(coverage, rng)
    light = blurred(coverage.astype(np.float32), 0.3 * pixels_per_um, mirrored=True)
    return np.asarray(light * np.float32(rng.uniform(280, 700) / 255))


def _draw_fibre(coverage: npt.NDArray[np.uint8], rng: np.random.Generator, scale: float) -> None:
    """Draw a bent thread through the square."""
    side = coverage.shape[0]
    steps = np.linspace(0, 1, 40)
    ends = rng.uniform(0.15, 0.85, (4, 2)) * side
    weights = np.stack([(1 - steps) ** 3, 3 * steps * (1 - steps) ** 2, 3 * steps**2 * (1 - steps), steps**3], 1)
    points = np.round(weights @ ends).astype(np.int32)
    cv2.polylines(coverage, [points], False, 255, max(1, round(0.5 * scale)), cv2.LINE_AA)


def _draw_specks(coverage: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw a few angular grains, heaped up."""
    side = coverage.shape[0]
    for _ in range(int(rng.integers(3, 8))):
        middle = rng.uniform(0.3, 0.7, 2) * side
        points = middle + rng.normal(0, rng.uniform(0.04, 0.1), (12, 2)) * side
        grain = cv2.convexHull(np.round(np.clip(points, 2, side - 3)).astype(np.int32))
        cv2.fillConvexPoly(coverage, grain, int(rng.integers(60, 256)), cv2.LINE_AA)
