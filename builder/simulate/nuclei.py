"""One simulated nucleus: its outline, its chromatin, its companions, as a small patch of light."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from .filters import blurred, enlarged, exponential
from .look import RunLook

Kind = Literal["interphase", "anaphase", "micronucleus"]
KINDS: tuple[Kind, ...] = ("interphase", "anaphase", "micronucleus")

MEDIAN_LENGTH_UM = 18.2

_POINTS = 96
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Nucleus:
    """The light of one nucleus on a patch with room for its mask and what it keeps free of neighbours.

    Attributes:
        kind: what it is.
        bodies: number of separate pieces of chromatin.
        light: (h, w) float32, expected grey level above the background.
        core: (h, w) uint8, 1 inside the chromatin (and between the bodies, where one outline encloses both).
        margin_um: Distance from `core` to the rim of the mask.
    """

    kind: Kind
    bodies: int
    light: npt.NDArray[np.float32]
    core: npt.NDArray[np.uint8]
    margin_um: float

    @cached_property
    def edge(self) -> npt.NDArray[np.intp]:
        """Rows and columns (2, n) of the pixels of `core` that lie at its edge."""
        inner = cv2.erode(self.core, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return np.stack(np.nonzero(self.core > inner))


@dataclass(frozen=True)
class _Body:
    """One piece of chromatin: outline points (n, 2) as x, y in px, and brightness relative to the nucleus."""

    points: npt.NDArray[np.float64]
    brightness: float = 1.0


def lone_gap_um(margin_um: float) -> float:
    """Return the least distance to the chromatin of other nuclei where masks with that margin do not meet."""
    return max(2.5, 2.4 * margin_um)


def draw_nucleus(kind: Kind, look: RunLook, rng: np.random.Generator, *, pixels_per_um: float) -> Nucleus:
    """Draw one nucleus of a kind.

    Args:
        kind: one of `KINDS`.
        look: conditions of the run.
        rng: random numbers; the nucleus depends on nothing else.
        pixels_per_um: scale of the image.
    """
    bodies, bridge = _arrange(kind, rng)
    margin_um = look.mask_margin_um * float(rng.uniform(0.85, 1.15))
    pad = math.ceil(lone_gap_um(margin_um) * pixels_per_um) + 4
    points = np.concatenate([body.points for body in bodies]) * pixels_per_um
    low = np.floor(points.min(axis=0)) - pad
    width, height = (np.ceil(points.max(axis=0) - low).astype(int) + pad).tolist()
    shifted = [_Body(body.points * pixels_per_um - low, body.brightness) for body in bodies]
    inside = np.zeros((height, width), np.float32)
    core = np.zeros((height, width), np.uint8)
    for body in shifted:
        covered = _filled(body.points, (height, width))
        np.maximum(inside, covered * np.float32(body.brightness), out=inside)
        core |= covered >= 0.5
    if bridge is not None:
        core |= _filled(bridge * pixels_per_um - low, (height, width)) >= 0.5
    level = look.brightness * float(np.exp(rng.normal(0, 0.33)))
    texture = _chromatin(np.minimum(inside, 1), look.contrast * _smoothness(kind), rng, pixels_per_um)
    light = blurred(inside * texture * np.float32(level), look.blur_um * pixels_per_um * rng.uniform(0.85, 1.3))
    return Nucleus(kind, len(bodies), light, core, margin_um)


def _arrange(kind: Kind, rng: np.random.Generator) -> tuple[list[_Body], npt.NDArray[np.float64] | None]:
    """Place the bodies of a nucleus around the origin (um); the second value encloses what lies between them."""
    turn = float(rng.uniform(0, 2 * math.pi))
    if kind == "anaphase":
        return _anaphase(turn, rng)
    length_um = MEDIAN_LENGTH_UM * float(np.exp(rng.normal(0, 0.165)))
    width_um = length_um * float(np.clip(rng.normal(0.705, 0.10), 0.42, 0.98))
    bodies = [_Body(_outline(length_um, width_um, turn, rng))]
    if kind == "micronucleus":
        bodies.append(_micronucleus(bodies[0].points, rng))
    return bodies, None


def _anaphase(turn: float, rng: np.random.Generator) -> tuple[list[_Body], npt.NDArray[np.float64] | None]:
    """Return two plates of chromatin that face each other; the later, the farther apart and the rounder."""
    lateness = float(rng.random())
    half_gap_um = 3.2 + 3.4 * lateness + float(rng.uniform(0, 0.8))
    thickness_um = 3.6 + 2.2 * lateness
    span_um = float(rng.uniform(9.5, 12.5)) - 2.5 * lateness
    axis = np.array([math.cos(turn), math.sin(turn)])
    bodies = []
    for side in (-1.0, 1.0):
        tilt = turn + math.pi / 2 + float(rng.normal(0, 0.12))
        points = _outline(span_um * float(rng.uniform(0.93, 1.07)), thickness_um, tilt, rng, bend=side * 0.9)
        bodies.append(_Body(points + axis * side * half_gap_um, float(rng.uniform(0.9, 1.1)) * (1.7 - 0.5 * lateness)))
    if rng.random() < 0.5:
        return bodies, None
    waist = np.array([-axis[1], axis[0]]) * span_um * 0.22
    ends = axis * half_gap_um
    return bodies, np.array([-ends - waist, -ends + waist, ends + waist, ends - waist])


def _micronucleus(nucleus: npt.NDArray[np.float64], rng: np.random.Generator) -> _Body:
    """Return a small round body outside one point of the outline of its nucleus."""
    at = nucleus[int(rng.integers(len(nucleus)))]
    diameter_um = float(rng.uniform(1.8, 4.2))
    away_um = float(np.linalg.norm(at)) + diameter_um / 2 + float(rng.uniform(0.2, 5.5))
    points = _outline(diameter_um, diameter_um * 0.88, float(rng.uniform(0, math.pi)), rng)
    return _Body(points + at / np.linalg.norm(at) * away_um, float(rng.uniform(0.45, 1.1)))


def _outline(
    length_um: float, width_um: float, turn: float, rng: np.random.Generator, *, bend: float = 0.0
) -> npt.NDArray[np.float64]:
    """Return a smooth closed outline around the origin, gently irregular: points (n, 2) as x, y in um."""
    angle = np.arange(_POINTS, dtype=np.float64) * (2 * math.pi / _POINTS)
    radius = np.ones(_POINTS)
    for order in range(2, 7):
        radius += rng.normal(0, 0.115 / order**1.55) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    if rng.random() < 0.2:
        radius -= _dent(angle, rng)
    squareness = float(rng.uniform(0.86, 1.0))
    x = radius * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** squareness * length_um / 2
    y = radius * np.sin(angle) * width_um / 2
    y += bend * (1 - (2 * x / length_um) ** 2)
    return np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], axis=1)


def _dent(angle: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the depth of a notch along the outline, as kidney-shaped nuclei have one."""
    distance = np.angle(np.exp(1j * (angle - rng.uniform(0, 2 * math.pi))))
    depth, reach = rng.uniform(0.05, 0.2), rng.uniform(0.35, 0.7)
    return np.asarray(depth * np.exp(-((distance / reach) ** 2)), np.float64)


def _filled(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return how far a polygon covers each pixel (h, w), 0 to 1."""
    canvas = np.zeros(shape, np.uint8)
    fixed = np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / np.float32(255)


def _smoothness(kind: Kind) -> float:
    """Return the share of texture that shows; condensed chromosomes have less than interphase chromatin."""
    return 0.5 if kind == "anaphase" else 1.0


def _chromatin(
    inside: npt.NDArray[np.float32], contrast: float, rng: np.random.Generator, pixels_per_um: float
) -> npt.NDArray[np.float32]:
    """Return the relative brightness (h, w) of a network with dark nucleoli and bright chromocentres, about 1."""
    shape = inside.shape[0], inside.shape[1]
    texture = np.zeros(shape, np.float32)
    for grain_um, strength in ((0.18, 0.26), (0.40, 0.15), (1.1, 0.08), (3.2, 0.08)):
        texture += np.float32(strength) * _noise(shape, grain_um * pixels_per_um, rng)
    deep_inside = blurred(inside, 1.1 * pixels_per_um) ** 3
    for grain_um, rarity, depth in ((0.5, 0.55, 1.0), (1.0, 0.85, 1.0)):
        holes = np.clip(_noise(shape, grain_um * pixels_per_um, rng) - np.float32(rarity), 0, 1)
        texture -= np.float32(rng.uniform(0.3, 1.0) * depth) * holes * deep_inside
    spots = np.clip(_noise(shape, 0.5 * pixels_per_um, rng) - np.float32(1.7), 0, 1)
    texture += np.float32(min(rng.exponential(0.2), 0.8)) * spots
    texture += np.float32(rng.uniform(0.05, 0.3)) * (inside - blurred(inside, 0.9 * pixels_per_um))
    return exponential(texture * np.float32(contrast * math.exp(rng.normal(0, 0.2))))


def _noise(shape: tuple[int, int], grain_px: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return smooth Gaussian noise (h, w) of unit variance whose correlation length is `grain_px`."""
    step = max(grain_px / 1.5, 1.0)
    rows, columns = (math.ceil(side / step) + 6 for side in shape)
    grid = rng.standard_normal((rows, columns), np.float32)
    sigma = grain_px / step
    grid = blurred(grid, sigma) * np.float32(max(2 * math.sqrt(math.pi) * sigma, 1))
    return enlarged(grid, shape, step=(1 / step, 1 / step), start=(3, 3))
