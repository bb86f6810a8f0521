"""What makes one simulated coverslip look unlike the next: brightness, density, focus, texture, shading."""

from dataclasses import dataclass

import numpy as np

from nucleusnet_core.contract import PUBLISHED_PIXELS_PER_UM

from .parameters import MASK_MARGIN_UM

# Streams of random numbers, so that a draw more in one place moves nothing in another.
RUN_STREAM, SCENE_STREAM, OPTICS_STREAM, FAULT_STREAM = 1, 2, 3, 4


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Return the random numbers of one stream; the same integers give the same numbers on every machine.

    Args:
        seed: of the whole simulation, >= 0.
        *stream: integers >= 0 that name the stream, e.g. `SCENE_STREAM, image_index`.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *stream])))


@dataclass(frozen=True)
class RunLook:
    """The conditions that all stitched images of one run share.

    Attributes:
        brightness: median grey level inside a nucleus.
        density: nuclei of this run relative to the mean over all runs.
        blur_um: standard deviation of the point spread function.
        contrast: strength of the chromatin texture relative to the average run.
        offset: grey level of the dark background.
        vignette: light lost in the corner of a field, 0 to 1.
        tile_um: distance between the centres of neighbouring fields in the stitched image.
        tile_shift: where the first field begins (y, x), as a fraction of `tile_um`.
        mask_margin_um: mean distance from the visible edge of a nucleus to the rim of its mask.
    """

    brightness: float
    density: float
    blur_um: float
    contrast: float
    offset: float
    vignette: float
    tile_um: float
    tile_shift: tuple[float, float]
    mask_margin_um: float = MASK_MARGIN_UM


def run_look(seed: int, run: int) -> RunLook:
    """Draw the conditions of one run.

    Args:
        seed: of the whole simulation, >= 0.
        run: number of the run, >= 1.
    """
    rng = generator(seed, RUN_STREAM, run)
    return RunLook(
        brightness=float(np.clip(116 * np.exp(rng.normal(0, 0.28)), 50, 175)),
        density=float(rng.uniform(0.8, 1.2)),
        blur_um=float(rng.uniform(0.17, 0.32)),
        contrast=float(rng.uniform(0.8, 1.2)),
        offset=float(rng.uniform(1.4, 3.0)),
        vignette=float(rng.uniform(0.08, 0.25)),
        tile_um=float(1024 * (1 - rng.uniform(0.05, 0.10)) / PUBLISHED_PIXELS_PER_UM),
        tile_shift=(float(rng.random()), float(rng.random())),
    )
