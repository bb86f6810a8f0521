"""How the labels of two label images of the same place overlap, from their runs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nucleusnet_core.inputs.masks import LabelRuns


@dataclass(frozen=True)
class Overlap:
    """Areas of the labels of two label images, A and B, and of what they share; px.

    Attributes:
        labels_a: uint32 (n,), sorted.
        area_a: int64 (n,).
        labels_b: uint32 (m,), sorted.
        area_b: int64 (m,).
        index_a: int64 (pairs,), which of `labels_a`.
        index_b: int64 (pairs,), which of `labels_b`.
        shared: int64 (pairs,), area of both; only pairs that share a pixel are listed.
    """

    labels_a: npt.NDArray[np.uint32]
    area_a: npt.NDArray[np.int64]
    labels_b: npt.NDArray[np.uint32]
    area_b: npt.NDArray[np.int64]
    index_a: npt.NDArray[np.int64]
    index_b: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]

    @property
    def iou(self) -> npt.NDArray[np.float64]:
        """Intersection over union of each pair."""
        union = self.area_a[self.index_a] + self.area_b[self.index_b] - self.shared
        return self.shared / union


def find_overlap(a: LabelRuns, b: LabelRuns) -> Overlap:
    """Compare two label images of the same shape."""
    labels_a, area_a, which_a = _areas(a)
    labels_b, area_b, which_b = _areas(b)
    run_a, run_b, length = _shared_runs(a, b)
    pair = which_a[run_a] * max(1, labels_b.size) + which_b[run_b]
    pairs, inverse = np.unique(pair, return_inverse=True)
    shared = np.bincount(inverse, weights=length, minlength=pairs.size).astype(np.int64)
    index_a, index_b = np.divmod(pairs, max(1, labels_b.size))
    return Overlap(labels_a, area_a, labels_b, area_b, index_a, index_b, shared)


def _areas(runs: LabelRuns) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the labels, their areas, and the index of the label of each run."""
    labels, which = np.unique(runs.label, return_inverse=True)
    area = np.bincount(which, weights=runs.x1 - runs.x0, minlength=labels.size).astype(np.int64)
    return labels, area, which.astype(np.int64)


def _shared_runs(
    a: LabelRuns, b: LabelRuns
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs of runs that share pixels, and how many.

    In raster order runs are disjoint intervals that rise, so those of B that meet one of A are neighbours.
    """
    start_a, end_a = _places(a)
    start_b, end_b = _places(b)
    first = np.searchsorted(end_b, start_a, side="right")
    last = np.searchsorted(start_b, end_a, side="left")
    count = np.maximum(0, last - first)
    run_a = np.repeat(np.arange(start_a.size), count)
    run_b = np.arange(run_a.size) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    length = np.minimum(end_a[run_a], end_b[run_b]) - np.maximum(start_a[run_a], start_b[run_b])
    return run_a, run_b, length


def _places(runs: LabelRuns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    row = runs.row.astype(np.int64) * runs.shape[1]
    return row + runs.x0, row + runs.x1
