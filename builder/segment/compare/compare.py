"""Masks against true ones: average precision, and what was merged, split, missed or made up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import Failure, InputMaskError, NucleusNetError, PairingError
from nucleusnet_core.inputs.masks import LabelRuns, read_label_runs
from nucleusnet_core.inputs.pairs import duplicates
from nucleusnet_core.stitched_names import find_mask_files, list_files
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from .overlap import Overlap, find_overlap

IOU_THRESHOLDS = (0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Comparison:
    """How the labels of one mask, or of all, compare with the true ones.

    Attributes:
        name: of the image.
        true: number of true nuclei.
        found: number of labels.
        matched: for each of `IOU_THRESHOLDS`, pairs with at least this intersection over union, each in one pair.
        merged: labels that cover most of two true nuclei or more.
        split: true nuclei that most of two labels or more lie in.
        missed: true nuclei of which most lies in no label.
        spurious: labels of which most lies in no true nucleus.
    """

    name: str
    true: int
    found: int
    matched: tuple[int, ...]
    merged: int
    split: int
    missed: int
    spurious: int

    @property
    def average_precision(self) -> tuple[float, ...]:
        """Matched / (matched + missed + spurious at this threshold), one for each; 1 where there is nothing at all.

        Source: cellpose 4.2.1.1, `metrics.average_precision`.
        """
        totals = [self.true + self.found - matched for matched in self.matched]
        return tuple(matched / total if total else 1.0 for matched, total in zip(self.matched, totals, strict=True))


def compare_masks(name: str, true: LabelRuns, found: LabelRuns) -> Comparison:
    """Compare the mask of an image with the true one.

    Raises:
        InputMaskError: they have different shapes.
    """
    if true.shape != found.shape:
        raise InputMaskError(
            f"{name}: the mask has {found.shape[0]} x {found.shape[1]} px, and the true one {true.shape[0]} x "
            f"{true.shape[1]} px; compare masks of the same image."
        )
    overlap = find_overlap(true, found)
    most_of_true = 2 * overlap.shared > overlap.area_a[overlap.index_a]
    most_of_found = 2 * overlap.shared > overlap.area_b[overlap.index_b]
    return Comparison(
        name=name,
        true=overlap.labels_a.size,
        found=overlap.labels_b.size,
        matched=tuple(count_matches(overlap, threshold) for threshold in IOU_THRESHOLDS),
        merged=_with_several(overlap.index_b[most_of_true]),
        split=_with_several(overlap.index_a[most_of_found]),
        missed=_mostly_alone(overlap.index_a, overlap.shared, overlap.area_a),
        spurious=_mostly_alone(overlap.index_b, overlap.shared, overlap.area_b),
    )


def count_matches(overlap: Overlap, threshold: float) -> int:
    """Count pairs of at least this intersection over union, the best first, each label in one pair only."""
    iou = overlap.iou
    good = np.flatnonzero(iou >= threshold)
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    for pair in good[np.argsort(-iou[good], kind="stable")]:
        a, b = int(overlap.index_a[pair]), int(overlap.index_b[pair])
        if a not in taken_a and b not in taken_b:
            taken_a.add(a)
            taken_b.add(b)
    return len(taken_a)


def total(comparisons: Sequence[Comparison]) -> Comparison:
    """Add up images."""
    matched = tuple(sum(one.matched[place] for one in comparisons) for place in range(len(IOU_THRESHOLDS)))
    names = ("true", "found", "merged", "split", "missed", "spurious")
    return Comparison(
        name="total", matched=matched, **{name: sum(getattr(one, name) for one in comparisons) for name in names}
    )


@dataclass(frozen=True)
class FolderComparison:
    """How the masks of a folder compare with the true ones.

    Attributes:
        images: one comparison for each image that has both, sorted by name.
        without_mask: names of true masks without a mask, sorted.
        without_truth: names of masks without a true one, sorted.
        failures: what cannot be compared, and why, sorted by name.
    """

    images: list[Comparison]
    without_mask: list[str]
    without_truth: list[str]
    failures: list[Failure]


def compare_folders(masks: Path, truth: Path, *, recursive: bool, progress: Progress) -> FolderComparison:
    """Compare the masks of a folder with the true ones of the same names in another.

    Raises:
        UsageError: a folder does not exist.
        PairingError: a folder holds no masks.
    """
    true, failures = find_masks(truth, recursive=recursive)
    found, more = find_masks(masks, recursive=recursive)
    failures += [failure for failure in more if failure.name in true]
    refused = {failure.name for failure in failures}
    both = sorted(true.keys() & found.keys())
    progress.begin("masks", len(both), unit="mask")
    comparisons = []
    for stem in both:
        end = _compare_files(stem, true[stem], found[stem])
        if isinstance(end, Failure):
            failures.append(end)
        else:
            comparisons.append(end)
        progress.step(nuclei=0 if isinstance(end, Failure) else end.true)
    return FolderComparison(
        comparisons,
        sorted(true.keys() - found.keys() - refused),
        sorted((found.keys() | {failure.name for failure in more}) - true.keys() - refused),
        sorted(set(failures), key=lambda failure: failure.name),
    )


def _compare_files(stem: str, true: Path, found: Path) -> Comparison | Failure:
    try:
        return compare_masks(stem, _read_labels(true), _read_labels(found))
    except (NucleusNetError, OSError) as error:
        return Failure(stem, str(error))


def find_masks(folder: Path, *, recursive: bool) -> tuple[dict[str, Path], list[Failure]]:
    """Find the masks of a folder by stem.

    Raises:
        UsageError: there is no such folder.
        PairingError: it holds no mask.
    """
    files = list_files(folder, recursive=recursive)
    masks = find_mask_files(files, folder)
    if not masks:
        raise PairingError(
            f"{folder} holds no mask <name>_cp_masks.png among its {counted(len(files), 'file')}; give the folder of "
            "the masks."
        )
    failures = duplicates(masks, "masks")
    return {stem: paths[0] for stem, paths in sorted(masks.items()) if len(paths) == 1}, failures


def comparison_json(compared: FolderComparison) -> dict[str, Any]:
    """Return a comparison as JSON can hold it."""
    return {
        "images": [_record(one) for one in compared.images],
        "total": _record(total(compared.images)),
        "without_mask": compared.without_mask,
        "without_truth": compared.without_truth,
        "failures": [asdict(failure) for failure in compared.failures],
    }


def comparison_text(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons as a table for people."""
    width = max(len(one.name) for one in [*comparisons, total([])])
    scores = [f"AP@{threshold:g}" for threshold in IOU_THRESHOLDS]
    head = [
        f"{'image':<{width}}",
        *(f"{name:>8}" for name in ("true", "found", *scores, "merged", "split", "missed", "spurious")),
    ]
    lines = ["  ".join(head)]
    for one in [*comparisons, total(comparisons)]:
        counts = [f"{value:>8,}" for value in (one.true, one.found)]
        counts += [f"{value:>8.3f}" for value in one.average_precision]
        counts += [f"{value:>8,}" for value in (one.merged, one.split, one.missed, one.spurious)]
        lines.append("  ".join([f"{one.name:<{width}}", *counts]))
    return "\n".join(lines)


def _record(one: Comparison) -> dict[str, Any]:
    precision = {
        f"{threshold:g}": round(value, 6)
        for threshold, value in zip(IOU_THRESHOLDS, one.average_precision, strict=True)
    }
    matched = {f"{threshold:g}": count for threshold, count in zip(IOU_THRESHOLDS, one.matched, strict=True)}
    return {**asdict(one), "matched": matched, "average_precision": precision}


def _read_labels(path: Path) -> LabelRuns:
    return read_label_runs(path.read_bytes(), path.name)


def _with_several(index: npt.NDArray[np.int64]) -> int:
    """Count the labels that occur twice or more."""
    return int((np.bincount(index) > 1).sum()) if index.size else 0


def _mostly_alone(index: npt.NDArray[np.int64], shared: npt.NDArray[np.int64], area: npt.NDArray[np.int64]) -> int:
    """Count the labels of which at least half is not shared with any other."""
    covered = np.bincount(index, weights=shared, minlength=area.size)
    return int((2 * covered <= area).sum())
