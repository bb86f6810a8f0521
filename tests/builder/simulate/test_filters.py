"""What simulated images are computed with: right within float32, and the same bits on every processor."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from builder.simulate.filters import blurred, distances, enlarged, exponential
from tests.root import ROOT

RNG = np.random.default_rng(0)
PICTURE = RNG.standard_normal((211, 187)).astype(np.float32)

SIMULATED = """
import hashlib, sys, cv2
cv2.setUseOptimized(sys.argv[1] == "optimized")
from builder.simulate.simulate import simulate_image
image = simulate_image(0, size_px=900, seed=5)
print(hashlib.sha256(image.pixels.tobytes() + image.labels.tobytes() + image.truth.to_json()).hexdigest())
"""


def simulated(opencv: str, numpy_without: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NPY_DISABLE_CPU_FEATURES": numpy_without}
    command = [sys.executable, "-W", "ignore", "-c", SIMULATED, opencv]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_simulated_images_are_the_same_whatever_the_processor_can_do() -> None:
    newest = simulated("optimized")
    assert simulated("plain") == newest
    assert simulated("optimized", "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX") == newest


@pytest.mark.parametrize("sigma_px", [0.7, 1.5, 8.9])
@pytest.mark.parametrize("mirrored", [False, True])
def test_blur_is_that_of_opencv(sigma_px: float, mirrored: bool) -> None:
    border = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_CONSTANT
    theirs = cv2.GaussianBlur(PICTURE, (0, 0), sigma_px, borderType=border)
    assert np.abs(blurred(PICTURE, sigma_px, mirrored=mirrored) - theirs).max() < 0.006


def test_enlargement_is_that_of_opencv() -> None:
    step = 211 / 450, 187 / 350
    ours = enlarged(PICTURE, (450, 350), step=step, start=(step[0] / 2 - 0.5, step[1] / 2 - 0.5))
    assert np.abs(ours - cv2.resize(PICTURE, (350, 450), interpolation=cv2.INTER_CUBIC)).max() < 2e-6


def test_distances_are_exact() -> None:
    core = np.zeros((40, 50), np.uint8)
    core[10, 12] = core[30:33, 40:44] = 1
    places = np.argwhere(core)
    apart = np.argwhere(core >= 0)[:, None] - places
    expected = np.sqrt((apart**2).sum(-1).min(1).astype(np.float32)).reshape(core.shape)
    assert distances(core).tobytes() == expected.tobytes()


def test_the_exponential_is_right_to_its_last_bits() -> None:
    values = np.linspace(-20, 20, 100_001, dtype=np.float32)
    assert np.abs(exponential(values) / np.exp(values.astype(np.float64)) - 1).max() < 2**-22
    assert exponential(np.zeros(1, np.float32)).tolist() == [1.0]
