"""What is known about a simulated image: the final labels and one record for each."""

import json
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .scene import Placed, Scene

_MIN_AREA_UM2 = 6.0
_GAP_SHARE = 0.04


@dataclass(frozen=True)
class NucleusTruth:
    """What is known about one label.

    Attributes:
        label: value in the mask.
        kind: interphase, anaphase or micronucleus (a nucleus together with its micronucleus).
        bbox: box (y0, x0, y1, x1), half-open px.
        area_px: pixels of the label.
        bodies: pieces of chromatin that were drawn, also where the border cuts one off.
        components: 8-connected parts of the label in the mask.
        touches_border: whether a pixel of the label lies in the first or last row or column.
        fault: what is wrong with it where faults were planted, see `faults`; empty for nothing.
    """

    label: int
    kind: str
    bbox: tuple[int, int, int, int]
    area_px: int
    bodies: int
    components: int
    touches_border: bool
    fault: str = ""


@dataclass(frozen=True)
class ImageTruth:
    """What is known about one simulated image.

    Attributes:
        stem: file name without its suffix, such as `Run01TL_top_left`.
        index: number of the image in its set; with `seed` it decides everything.
        seed: of the set.
        run: number of the run.
        quarter: of the run.
        position: part of the quarter.
        size_px: height and width.
        pixels_per_um: scale.
        nuclei: one record a label, labels ascending.
        debris: boxes (y0, x0, y1, x1), half-open px, of bright objects without a label.
        faults: whether faults were planted.
    """

    stem: str
    index: int
    seed: int
    run: int
    quarter: str
    position: str
    size_px: int
    pixels_per_um: float
    nuclei: tuple[NucleusTruth, ...]
    debris: tuple[tuple[int, int, int, int], ...]
    faults: bool = False

    def to_json(self) -> bytes:
        """Return the bytes of the truth file, in which only images with planted faults speak of faults."""
        stated = asdict(self)
        if not stated.pop("faults"):
            for nucleus in stated["nuclei"]:
                del nucleus["fault"]
        return (json.dumps(stated, indent=1) + "\n").encode()


def number_labels(
    scene: Scene, rng: np.random.Generator, *, pixels_per_um: float
) -> tuple[npt.NDArray[np.uint16], tuple[NucleusTruth, ...]]:
    """Number the masks as cellpose does: in the order in which a scan of the rows meets them, with gaps.

    Args:
        scene: its `owner` is changed in place: crumbs that a seam has cut off are removed.
        rng: random numbers for the gaps.
        pixels_per_um: scale; what is smaller than a few square micrometres gets no label.

    Returns:
        Labels, uint16 (H, W), and one record a label, labels ascending.
    """
    size_px = scene.owner.shape[0]
    least_px = _MIN_AREA_UM2 * pixels_per_um**2
    found = []
    for owner, placed in enumerate(scene.nuclei, start=1):
        window = placed.window(size_px)
        mask, components = _without_crumbs(scene.owner[window], owner, least_px / 4)
        area_px = int(np.count_nonzero(mask))
        if area_px >= least_px:
            found.append((*_first_pixel(mask, window), owner, placed, mask, components))
    found.sort(key=lambda record: record[:2])
    table = np.zeros(len(scene.nuclei) + 1, np.uint16)
    table[[record[2] for record in found]] = labels = _with_gaps(len(found), rng)
    truths = tuple(
        _nucleus_truth(int(label), placed, mask, components, size_px)
        for label, (_, _, _, placed, mask, components) in zip(labels, found, strict=True)
    )
    return _relabelled(scene.owner, table), truths


def _without_crumbs(owners: npt.NDArray[np.uint16], owner: int, least_px: float) -> tuple[npt.NDArray[np.bool_], int]:
    """Return the mask of one nucleus and its number of parts; parts below `least_px` are cleared in `owners`."""
    mask = owners == owner
    parts, numbered, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for part in range(1, parts):
        if stats[part, cv2.CC_STAT_AREA] < least_px:
            mask[numbered == part] = False
            owners[numbered == part] = 0
            parts -= 1
    return mask, parts - 1


def _first_pixel(mask: npt.NDArray[np.bool_], window: tuple[slice, slice]) -> tuple[int, int]:
    """Return row and column in the image of the first pixel that a scan of the rows meets."""
    row, column = divmod(int(mask.argmax()), mask.shape[1])
    return window[0].start + row, window[1].start + column


def _with_gaps(count: int, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Return ascending labels from 1, some numbers left out (at least one, where there are two labels)."""
    steps = np.ones(count, np.int64)
    steps += (rng.random(count) < _GAP_SHARE) * rng.integers(1, 4, count)
    steps[1:2] += 1
    return np.cumsum(steps).astype(np.uint16)


def _nucleus_truth(
    label: int, placed: Placed, mask: npt.NDArray[np.bool_], components: int, size_px: int
) -> NucleusTruth:
    rows, columns = placed.window(size_px)
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1 = rows.start + int(ys[0]), rows.start + int(ys[-1]) + 1
    x0, x1 = columns.start + int(xs[0]), columns.start + int(xs[-1]) + 1
    touches_border = min(y0, x0) == 0 or max(y1, x1) == size_px
    area_px = int(np.count_nonzero(mask))
    box = (y0, x0, y1, x1)
    return NucleusTruth(label, placed.kind, box, area_px, placed.bodies, components, touches_border, placed.fault)


def _relabelled(owner: npt.NDArray[np.uint16], table: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return the labels (H, W) that a table gives to the owners, which are replaced in place."""
    for y0 in range(0, len(owner), 256):
        owner[y0 : y0 + 256] = table[owner[y0 : y0 + 256]]
    return owner
