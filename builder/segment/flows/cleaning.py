"""Labels without specks and holes; nested labels and those of several bodies stay as they are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.inputs.masks import LabelRuns, runs_from_array


def clean_labels(labels: npt.NDArray[Any], min_size_px: int) -> npt.NDArray[Any]:
    """Remove small labels, fill holes, and number the labels 1, 2, ... in the order of their first pixels.

    A hole is background that a label encloses. Another label in it stays, and so does its own part of the hole. The
    bodies of a label count together.

    Args:
        labels: (H, W) unsigned integers, 0 = background; not changed.
        min_size_px: labels of fewer pixels are removed.

    Returns:
        uint16 (H, W), or uint32 where the labels need it.
    """
    kept, count = _numbered(labels, runs_from_array(labels), min_size_px)
    fill_holes(kept)
    return kept if count < 2**16 else kept.astype(np.uint32)


def fill_holes(labels: npt.NDArray[Any]) -> None:
    """Give the background that a label encloses to it, in place; the innermost label takes first."""
    from scipy.ndimage import binary_fill_holes, find_objects  # noqa: PLC0415 - comes with cellpose

    boxes = [(label, box) for label, box in enumerate(find_objects(labels), 1) if box is not None]
    for label, box in sorted(boxes, key=lambda one: labels[one[1]].size):
        part = labels[box]
        empty = part == 0
        if empty.any():
            part[binary_fill_holes(part == label) & empty] = label


def _numbered(labels: npt.NDArray[Any], runs: LabelRuns, min_size_px: int) -> tuple[npt.NDArray[Any], int]:
    """Return labels that are large enough under consecutive numbers, and how many they are."""
    if not runs.label.size:
        return np.zeros(labels.shape, np.uint16), 0
    values, first, inverse = np.unique(runs.label, return_index=True, return_inverse=True)
    area_px = np.bincount(inverse, weights=runs.x1 - runs.x0)
    large = area_px >= min_size_px
    order = np.argsort(np.where(large, first, first.max() + 1), kind="stable")
    count = int(large.sum())
    numbers = np.zeros(int(values.max()) + 1, np.uint16 if count < 2**16 else np.uint32)
    numbers[values[order[:count]]] = np.arange(1, count + 1)
    return numbers[labels], count
