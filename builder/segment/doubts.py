"""Masks that are probably wrong: nothing found where nuclei can be seen, or noise that became nuclei."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from .estimate import estimate_nuclei, listed
from .receipts import SegmentReceipt

_ROWS = 512


class Doubt(StrEnum):
    """Why a mask is doubted."""

    nothing_found = "nothing_found"
    not_brighter = "not_brighter"


_SENTENCES = {
    Doubt.nothing_found: "No nuclei were found in {names}, where some can be seen; check --diameter, or lower "
    "--cellprob-threshold.",
    Doubt.not_brighter: "What was found in {names} is not brighter than the rest of the image, so noise may have "
    "become nuclei; look at it with `nucleusnet overlay`.",
}


def doubt_of(pixels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> str:
    """Return the word for what is wrong with the labels of an image, both (H, W); empty where nothing is."""
    inside, within = _sum_inside(pixels, labels)
    if not within:
        return Doubt.nothing_found.value if estimate_nuclei(pixels) else ""
    outside, without = int(pixels.sum(dtype=np.uint64)) - inside, labels.size - within
    return Doubt.not_brighter.value if without and inside * without <= outside * within else ""


def doubtful_masks(receipts: Iterable[SegmentReceipt]) -> list[str]:
    """Return a sentence for each kind of doubt, with the images it is about."""
    names: dict[str, list[str]] = {doubt.value: [] for doubt in Doubt}
    for receipt in receipts:
        names.get(receipt.doubt, []).append(receipt.image_file)
    return [text.format(names=listed(names[doubt])) for doubt, text in _SENTENCES.items() if names[doubt]]


def _sum_inside(pixels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[int, int]:
    """Return sum and number of the pixels that have a label."""
    total = count = 0
    for y0 in range(0, len(labels), _ROWS):
        inside = labels[y0 : y0 + _ROWS] > 0
        total += int(pixels[y0 : y0 + _ROWS].sum(where=inside, dtype=np.uint64))
        count += int(np.count_nonzero(inside))
    return total, count
