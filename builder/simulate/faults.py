"""Planted faults: nuclei that something is wrong with, so that what finds them can be tried.

A fault changes a finished scene, so that all other nuclei stay as they are without any:

- `blurred`: out of focus; the lens spreads the light of the nucleus by 1 to 3 um before the camera adds its noise.
- `saturated`: 1.3 to 3 times as light as the camera can show.
- `debris`: a fibre or a heap of grains lies there instead, and has the label.
- `merged`: two nuclei that touch have one label.
- `blank`: nothing was recorded there; label and surroundings have one grey value.
- `cut`: the border of the image cuts the nucleus. These are in every image and are not planted, only named.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from .debris import draw_debris
from .filters import blurred
from .scene import LIGHT_STEPS, Placed, Scene
from .truth import NucleusTruth

Fault = Literal["blurred", "saturated", "debris", "merged", "blank"]
PLANTED: tuple[Fault, ...] = ("blurred", "saturated", "debris", "merged", "blank")
CUT = "cut"

_BRIM_UM = 0.8
"""Light so near to a mask, and under no other, belongs to its nucleus."""
_DEFOCUS_UM = (1.0, 3.0)
_OVEREXPOSURE = (1.3, 3.0)
_DEBRIS_GREY = 40
_LARGEST_GREY = 255


def plant_faults(scene: Scene, share: float, rng: np.random.Generator, *, pixels_per_um: float) -> Scene:
    """Plant faults in some of the nuclei, each kind in as many.

    Args:
        scene: its `light` and `owner` are changed in place.
        share: of the nuclei that get a fault, 0 to 1; fewer where no two neighbours touch.
        rng: random numbers; the faults depend on nothing else.
        pixels_per_um: scale of the image.

    Returns:
        The scene; its nuclei know their faults. `blank_out` makes those that are to be blank so.
    """
    nuclei = list(scene.nuclei)
    for number, place in enumerate(np.flatnonzero(rng.random(len(nuclei)) < share).tolist()):
        fault = PLANTED[number % len(PLANTED)]
        if nuclei[place].fault:  # it was merged with one before
            continue
        if fault == "merged":
            _merge(scene.owner, nuclei, place)
            continue
        nuclei[place] = replace(nuclei[place], fault=fault)
        if fault == "debris":
            _replace_by_debris(scene, nuclei[place], place + 1, rng, pixels_per_um)
        elif fault != "blank":
            _relight(scene, nuclei[place], place + 1, rng, pixels_per_um)
    return replace(scene, nuclei=tuple(nuclei))


def _own_light(scene: Scene, window: tuple[slice, slice], owner: int, brim_px: int) -> npt.NDArray[np.bool_]:
    """Return where the light in a window belongs to one nucleus, bool (h, w)."""
    owners = scene.owner[window]
    near = cv2.dilate((owners == owner).astype(np.uint8), np.ones((2 * brim_px + 1,) * 2, np.uint8)) > 0
    return np.asarray(near & ((owners == 0) | (owners == owner)))


def _relight(scene: Scene, placed: Placed, owner: int, rng: np.random.Generator, pixels_per_um: float) -> None:
    """Put a nucleus out of focus, or expose it for too long."""
    sigma_px, gain = float(rng.uniform(*_DEFOCUS_UM)) * pixels_per_um, float(rng.uniform(*_OVEREXPOSURE))
    window = _widened(placed, round(3 * sigma_px)).window(len(scene.owner))
    whole = scene.light[window].astype(np.float32)
    own = np.where(_own_light(scene, window, owner, round(_BRIM_UM * pixels_per_um)), whole, np.float32(0))
    if placed.fault == "blurred":
        changed = blurred(own, sigma_px, mirrored=True)
    else:
        inside = own[scene.owner[window] == owner]
        middle = max(float(np.median(inside)) if inside.size else 0.0, 1.0)
        changed = own * np.float32(gain * _LARGEST_GREY * LIGHT_STEPS / middle)
    scene.light[window] = np.clip(whole - own + changed, 0, 65535).astype(np.uint16)


def _replace_by_debris(
    scene: Scene, placed: Placed, owner: int, rng: np.random.Generator, pixels_per_um: float
) -> None:
    """Take a nucleus away, and put debris under its label."""
    window = placed.window(len(scene.owner))
    owners, light = scene.owner[window], scene.light[window]
    light[_own_light(scene, window, owner, round(_BRIM_UM * pixels_per_um))] = 0
    owners[owners == owner] = 0
    side_px = max(placed.height, placed.width)
    drawn = draw_debris(side_px, rng, pixels_per_um=pixels_per_um)[: placed.height, : placed.width]
    drawn = placed.cut(drawn, len(scene.owner))
    owners[(drawn > _DEBRIS_GREY) & (owners == 0)] = owner
    steps = np.minimum(drawn * np.float32(LIGHT_STEPS), np.float32(65535)).astype(np.uint16)
    light[:] = np.maximum(light, steps)


def _merge(owner: npt.NDArray[np.uint16], nuclei: list[Placed], place: int) -> None:
    """Give a nucleus the mask of one that it touches, if there is one without a fault."""
    window = nuclei[place].window(len(owner))
    mask = (owner[window] == place + 1).astype(np.uint8)
    beside = np.unique(owner[window][cv2.dilate(mask, np.ones((3, 3), np.uint8)) > mask]).tolist()
    free = [other - 1 for other in beside if other and not nuclei[other - 1].fault]
    if not free:
        return
    other = nuclei[free[0]]
    there = other.window(len(owner))
    owner[there][owner[there] == free[0] + 1] = place + 1
    nuclei[place] = replace(_around(nuclei[place], other), fault="merged")
    nuclei[free[0]] = replace(other, fault="merged")


def _around(one: Placed, other: Placed) -> Placed:
    """Return a nucleus whose patch covers those of two, with the bodies of both."""
    y0, x0 = min(one.y0, other.y0), min(one.x0, other.x0)
    y1 = max(one.y0 + one.height, other.y0 + other.height)
    x1 = max(one.x0 + one.width, other.x0 + other.width)
    return replace(one, bodies=one.bodies + other.bodies, y0=y0, x0=x0, height=y1 - y0, width=x1 - x0)


def _widened(placed: Placed, margin_px: int) -> Placed:
    height, width = placed.height + 2 * margin_px, placed.width + 2 * margin_px
    return replace(placed, y0=placed.y0 - margin_px, x0=placed.x0 - margin_px, height=height, width=width)


def blank_out(
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint16],
    nuclei: Sequence[NucleusTruth],
    rng: np.random.Generator,
) -> None:
    """Give the box around each nucleus that is to be blank one grey value, other nuclei left out.

    Args:
        pixels: (H, W), changed in place.
        labels: (H, W), of the nuclei.
        nuclei: those of the image.
        rng: random numbers for the grey values.
    """
    for nucleus in nuclei:
        if nucleus.fault == "blank":
            y0, x0, y1, x1 = nucleus.bbox
            box = slice(y0, y1), slice(x0, x1)
            free = (labels[box] == nucleus.label) | (labels[box] == 0)
            pixels[box][free] = rng.integers(0, 200)


def with_cut(nuclei: Sequence[NucleusTruth]) -> tuple[NucleusTruth, ...]:
    """Return the nuclei, with `CUT` as the fault of those at the border that have no other."""
    return tuple(replace(one, fault=CUT) if one.touches_border and not one.fault else one for one in nuclei)
