"""Which of several masks of an image is used: a `_seg.npy` that was edited later never loses in silence."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputMaskError, PairingError
from ..stitched_names import Prefer, is_segmentation, mask_suffix, say_several

SAME_TIME_NS = 2_000_000_000
"""Files of one save differ by less: it takes a moment, and some disks keep time in steps of 2 s."""


def choose_mask(
    stem: str,
    masks: Sequence[Path],
    *,
    suffixes: Sequence[str],
    given: Collection[str],
    prefer: str,
    allow_pickle: bool,
) -> Path:
    """Return the mask of an image.

    Args:
        stem: of the image.
        masks: its masks, at least one.
        suffixes: of masks, the longest first.
        given: those that the user gave: masks with one of them go before other label images.
        prefer: where a `_seg.npy` is newer than the label image: "seg-npy", "image", or "" to compare them.
        allow_pickle: the `_seg.npy` may be read.

    Raises:
        PairingError: there are several, and nothing says which is meant.
    """
    segmentations = [path for path in masks if is_segmentation(path.name)]
    labels = [path for path in masks if path not in segmentations]
    labels = [path for path in labels if mask_suffix(path.name, suffixes) in given] or labels
    for several in (labels, segmentations):
        if len(several) > 1:
            raise PairingError(say_several("masks", stem, several))
    if not labels or not segmentations:
        return (labels or segmentations)[0]
    [label], [segmentation] = labels, segmentations
    if prefer == Prefer.image or not _is_newer(segmentation, label):
        return label
    if prefer == Prefer.seg_npy:
        return segmentation
    if not allow_pickle:
        raise PairingError(
            f"{segmentation} is newer than {label}, and without --allow-pickle it is not known whether they differ; "
            "say which one holds with --prefer seg-npy (with --allow-pickle) or --prefer image, or remove the other."
        )
    _check_equal(label, segmentation)
    return label


def _is_newer(path: Path, other: Path) -> bool:
    """Return whether a file was written after another one, not together with it."""
    try:
        return path.stat().st_mtime_ns - other.stat().st_mtime_ns > SAME_TIME_NS
    except OSError as error:
        raise PairingError(f"{error.filename} cannot be read ({error.strerror}); check the file.") from error


def _check_equal(label: Path, segmentation: Path) -> None:
    """Refuse two masks that differ.

    Raises:
        PairingError: they do, or one cannot be read.
    """
    from .masks import read_label_runs  # noqa: PLC0415 - heavy

    remedy = "say which one holds with --prefer seg-npy or --prefer image, or remove the other."
    try:
        one, other = (
            read_label_runs(path.read_bytes(), path.name, allow_pickle=True) for path in (label, segmentation)
        )
    except (InputMaskError, OSError) as error:
        reason = str(error).rstrip(".")
        raise PairingError(
            f"{segmentation} is newer than {label}, and they cannot be compared: {reason}; or {remedy}"
        ) from error
    same = one.shape == other.shape and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("row", "x0", "x1", "label")
    )
    if not same:
        raise PairingError(f"{segmentation} is newer than {label}, and they differ; {remedy}")
