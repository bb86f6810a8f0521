"""Where the simulated nuclei lie: placing them on a canvas, alone or touching, with debris between them."""

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from .debris import draw_debris
from .filters import blurred, distances
from .look import RunLook
from .nuclei import Kind, Nucleus, draw_nucleus, lone_gap_um

Scalar = TypeVar("Scalar", bound=np.generic)

# Light is summed in 16-bit integers, 1/64 grey level a step, so that a large image stays small in memory.
LIGHT_STEPS = 64

_REACH_STEPS_PER_UM = 24
_FAR = 255
_TOUCHING_SHARE = 0.25
_TOUCHING_GAP = (0.8, 1.7)
"""Between the chromatin of touching nuclei, relative to the margin of a mask; their masks meet below 2."""
_ANAPHASE_SHARE = 0.03
_MICRONUCLEUS_SHARE = 0.035
_TRIES = 40
_MIN_VISIBLE_UM2 = 12.0


@dataclass(frozen=True)
class Placed:
    """One nucleus on the canvas.

    Attributes:
        kind: what it is.
        bodies: pieces of chromatin.
        y0: first row of its patch on the canvas; may be negative at the border.
        x0: first column of its patch on the canvas.
        height: rows of the patch.
        width: columns of the patch.
        fault: what was planted in it; empty for nothing.
    """

    kind: Kind
    bodies: int
    y0: int
    x0: int
    height: int
    width: int
    fault: str = ""

    def window(self, size_px: int) -> tuple[slice, slice]:
        """Return the rows and columns of the canvas that the patch covers."""
        rows = slice(max(self.y0, 0), min(self.y0 + self.height, size_px))
        return rows, slice(max(self.x0, 0), min(self.x0 + self.width, size_px))

    def misses(self, size_px: int) -> bool:
        """Whether the patch lies wholly outside the canvas."""
        rows, columns = self.window(size_px)
        return bool(rows.start >= rows.stop or columns.start >= columns.stop)

    def cut(self, patch: npt.NDArray[Scalar], size_px: int) -> npt.NDArray[Scalar]:
        """Return the part of an array of the patch's shape that lies on the canvas."""
        rows, columns = self.window(size_px)
        return patch[rows.start - self.y0 : rows.stop - self.y0, columns.start - self.x0 : columns.stop - self.x0]


@dataclass(frozen=True)
class Scene:
    """Everything that lies under the microscope.

    Attributes:
        light: (H, W) uint16, expected light in 1 / `LIGHT_STEPS` grey levels, without glow and background.
        owner: (H, W) uint16, 0 or 1 + position in `nuclei` of the nucleus whose mask holds the pixel.
        nuclei: in the order in which they were placed.
        debris: boxes (y0, x0, y1, x1), half-open px, of bright objects that are no nuclei.
    """

    light: npt.NDArray[np.uint16]
    owner: npt.NDArray[np.uint16]
    nuclei: tuple[Placed, ...]
    debris: tuple[tuple[int, int, int, int], ...]


class _Canvas:
    """A scene in the making; `reach` (H, W) uint8 is the distance to the nearest chromatin."""

    def __init__(self, size_px: int, pixels_per_um: float) -> None:
        self.size_px = size_px
        self.pixels_per_um = pixels_per_um
        self.light = np.zeros((size_px, size_px), np.uint16)
        self.owner = np.zeros((size_px, size_px), np.uint16)
        self.reach = np.full((size_px, size_px), _FAR, np.uint8)
        self.nuclei: list[Placed] = []

    def is_free(self, at: Placed, nucleus: Nucleus, gap_um: float) -> bool:
        """Whether no chromatin on the canvas is nearer than `gap_um` and enough of the nucleus is visible."""
        if at.misses(self.size_px):
            return False
        visible = at.cut(nucleus.core, self.size_px)[::3, ::3] > 0
        if np.count_nonzero(visible) * 9 < _MIN_VISIBLE_UM2 * self.pixels_per_um**2:
            return False
        ys, xs = nucleus.edge[0] + at.y0, nucleus.edge[1] + at.x0
        seen = (ys >= 0) & (ys < self.size_px) & (xs >= 0) & (xs < self.size_px)
        nearest = self.reach[ys[seen], xs[seen]].min(initial=_FAR)
        return int(nearest) > min(gap_um * _REACH_STEPS_PER_UM, _FAR - 1)

    def paste(self, at: Placed, nucleus: Nucleus) -> None:
        """Add a nucleus; a pixel between two masks goes to the nearer one, so neighbours touch along a seam."""
        window = at.window(self.size_px)
        distance = distances(nucleus.core)
        scale = _REACH_STEPS_PER_UM / self.pixels_per_um
        near = np.minimum(distance * np.float32(scale), np.float32(_FAR)).astype(np.uint8)
        near = at.cut(near, self.size_px)
        mask = at.cut(distance <= nucleus.margin_um * self.pixels_per_um, self.size_px)
        reach, owner = self.reach[window], self.owner[window]
        wins = near < reach
        reach[wins] = near[wins]
        self.nuclei.append(at)
        owner[mask & (wins | (owner == 0))] = len(self.nuclei)
        self.shine(window, at.cut(nucleus.light, self.size_px))

    def shine(self, window: tuple[slice, slice], light: npt.NDArray[np.float32]) -> None:
        """Add light, saturating where the detector would not see a difference any more."""
        steps = np.minimum(light * np.float32(LIGHT_STEPS), np.float32(65535)).astype(np.uint16)
        self.light[window] = cv2.add(self.light[window], steps)


def lay_out(
    size_px: int,
    nuclei: int,
    look: RunLook,
    rng: np.random.Generator,
    *,
    pixels_per_um: float,
    debris: int,
) -> Scene:
    """Place nuclei and debris on an empty square.

    Args:
        size_px: side of the square.
        nuclei: how many; fewer where there is no room.
        look: conditions of the run.
        rng: random numbers; the scene depends on nothing else.
        pixels_per_um: scale of the image.
        debris: number of bright objects that are no nuclei.
    """
    canvas = _Canvas(size_px, pixels_per_um)
    crowding = _crowding(rng)
    for _ in range(nuclei):
        nucleus = draw_nucleus(_kind(rng), look, rng, pixels_per_um=pixels_per_um)
        touching = rng.random() < _TOUCHING_SHARE
        place = _beside_another(canvas, nucleus, rng) if touching else _alone(canvas, nucleus, crowding, rng)
        if place is not None:
            canvas.paste(place, nucleus)
    boxes = tuple(_add_debris(canvas, rng) for _ in range(debris))
    return Scene(canvas.light, canvas.owner, tuple(canvas.nuclei), boxes)


def _kind(rng: np.random.Generator) -> Kind:
    draw = rng.random()
    if draw < _ANAPHASE_SHARE:
        return "anaphase"
    return "micronucleus" if draw < _ANAPHASE_SHARE + _MICRONUCLEUS_SHARE else "interphase"


def _crowding(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the chance (16, 16), 0.25 to 1, that a nucleus settles there; cells grow in loose islands."""
    field = blurred(rng.standard_normal((16, 16), np.float32), 1.5, mirrored=True)
    low, high = float(field.min()), float(field.max())
    return np.asarray(0.25 + 0.75 * (field - low) / (high - low), np.float32)


def _at(nucleus: Nucleus, centre_y: float, centre_x: float) -> Placed:
    height, width = nucleus.core.shape
    y0, x0 = math.floor(centre_y - height / 2), math.floor(centre_x - width / 2)
    return Placed(nucleus.kind, nucleus.bodies, y0, x0, height, width)


def _alone(
    canvas: _Canvas, nucleus: Nucleus, crowding: npt.NDArray[np.float32], rng: np.random.Generator
) -> Placed | None:
    """Find a place whose mask meets no other mask; the centre may lie a little outside the image."""
    outside = 6.0 * canvas.pixels_per_um
    for _ in range(_TRIES):
        centre_y, centre_x = rng.uniform(-outside, canvas.size_px + outside, 2).tolist()
        cell = [min(max(int(centre * 16 / canvas.size_px), 0), 15) for centre in (centre_y, centre_x)]
        if rng.random() > crowding[cell[0], cell[1]]:
            continue
        place = _at(nucleus, centre_y, centre_x)
        if canvas.is_free(place, nucleus, lone_gap_um(nucleus.margin_um)):
            return place
    return None


def _beside_another(canvas: _Canvas, nucleus: Nucleus, rng: np.random.Generator) -> Placed | None:
    """Slide a nucleus towards one that is there until the chromatin almost meets."""
    if not canvas.nuclei:
        return None
    for _ in range(4):
        other = canvas.nuclei[int(rng.integers(len(canvas.nuclei)))]
        middle = np.array([other.y0 + other.height / 2, other.x0 + other.width / 2])
        angle = float(rng.uniform(0, 2 * math.pi))
        step = np.array([math.sin(angle), math.cos(angle)])
        gap_um = float(rng.uniform(*_TOUCHING_GAP)) * nucleus.margin_um
        place, distance_um = None, 34.5
        for slide_um in (0.5, 0.05):
            while distance_um > 4.0:
                nearer = middle + step * (distance_um - slide_um) * canvas.pixels_per_um
                candidate = _at(nucleus, *nearer.tolist())
                if not canvas.is_free(candidate, nucleus, gap_um):
                    break
                place, distance_um = candidate, distance_um - slide_um
        if place is not None:
            return place
    return None


def _add_debris(canvas: _Canvas, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Add a saturated speck or a bent fibre wherever it fell; returns its box (y0, x0, y1, x1)."""
    scale = canvas.pixels_per_um
    side = int(min(rng.uniform(8.0, 28.0) * scale, canvas.size_px / 4))
    y0, x0 = rng.integers(0, canvas.size_px - side, 2).tolist()
    window = slice(y0, y0 + side), slice(x0, x0 + side)
    canvas.shine(window, draw_debris(side, rng, pixels_per_um=scale))
    return y0, x0, y0 + side, x0 + side
