"""How wide the nuclei of an image look, without a network: whether the diameter that was given can be right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import NucleusNetError
from nucleusnet_core.inputs.channels import ONE_PLANE, Channels
from nucleusnet_core.inputs.header import spread
from nucleusnet_core.inputs.read_channels import read_channel

LARGEST_RATIO = 2
"""A diameter that differs from the estimate by more than this factor is doubted."""

_WINDOW_PX = 3000
_SMOOTHING_PX = 1.5
_LEAST_NUCLEI = 5
_LEAST_AREA_PX = 30
_LEAST_CONTRAST = 5.0
_BINS = 512
_TOP_PERCENTILE = 99.8


@dataclass(frozen=True)
class Estimate:
    """What is seen in an image: the number of its nuclei that the border does not cut, and their median width, px."""

    nuclei: int
    diameter_px: float


def estimate_nuclei(pixels: npt.NDArray[Any]) -> Estimate | None:
    """Estimate the width of the nuclei in the middle of an image (H, W).

    Args:
        pixels: grey levels; nuclei are bright.

    Returns:
        None where fewer than five bright bodies stand out from the background.

    Source: Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62-66.
    """
    from scipy.ndimage import gaussian_filter, label  # noqa: PLC0415 - comes with cellpose

    smooth = gaussian_filter(_middle(pixels).astype(np.float32), _SMOOTHING_PX)
    np.minimum(
        smooth, np.percentile(smooth[::3, ::3], _TOP_PERCENTILE), out=smooth
    )  # debris must not set the threshold
    threshold = _otsu_threshold(smooth)
    bright = smooth > threshold
    if not bright.any() or not _stands_out(smooth, bright):
        return None
    numbered, count = label(bright)
    areas = np.bincount(numbered.ravel(), minlength=count + 1)
    areas[np.unique(np.concatenate([numbered[[0, -1]].ravel(), numbered[:, [0, -1]].ravel()]))] = 0
    areas = np.sort(areas[1:][areas[1:] >= _LEAST_AREA_PX])
    if areas.size < _LEAST_NUCLEI:
        return None
    typical = areas[np.searchsorted(areas.cumsum(), areas.sum() / 2)]  # half of what is bright lies in smaller bodies
    areas = areas[areas >= typical / 8]  # the rest is debris and texture
    return Estimate(int(areas.size), float(np.median(2 * np.sqrt(areas / np.pi))))


def doubted_diameter(paths: Sequence[Path], diameter_px: float, channels: Channels = ONE_PLANE) -> str:
    """Say that the diameter cannot be right for a few of the images; empty where it can.

    Args:
        paths: images; those that cannot be read are passed over.
        diameter_px: that was given.
        channels: of the images, with the one that is segmented.
    """
    seen = {path.name: estimate for path in spread(paths) if (estimate := _of(path, channels))}
    if not seen:
        return ""
    found_px = max(1, round(median(estimate.diameter_px for estimate in seen.values())))
    if 1 / LARGEST_RATIO <= diameter_px / found_px <= LARGEST_RATIO:
        return ""
    return (
        f"Nuclei in {listed(seen)} look about {found_px} px wide, and --diameter is {diameter_px:g}; try --diameter "
        f"{found_px}."
    )


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names as a sentence lists them.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], 1)
    ('a, b and c', 'a and 2 others')
    """
    names = list(names)
    rest = len(names) - most
    shown = [*names[:most], "1 other" if rest == 1 else f"{rest:,} others"] if rest > 0 else names
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _of(path: Path, channels: Channels) -> Estimate | None:
    try:
        return estimate_nuclei(read_channel(path, channels, file_scale=False).pixels)
    except (NucleusNetError, MemoryError):  # its own task says why
        return None


def _middle(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the middle of an image, at most `_WINDOW_PX` a side."""
    y0, x0 = (max(0, (side - _WINDOW_PX) // 2) for side in pixels.shape)
    return pixels[y0 : y0 + _WINDOW_PX, x0 : x0 + _WINDOW_PX]


def _otsu_threshold(values: npt.NDArray[np.float32]) -> float:
    """Return the threshold that best parts values in two classes; the largest value where all are the same."""
    counts, edges = np.histogram(values, _BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    below, total = counts.cumsum(), counts.sum()
    sums = (counts * middles).cumsum()
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between[(below == 0) | (above == 0)] = 0
    return float(edges[int(between.argmax()) + 1]) if between.any() else float(values.max())


def _stands_out(values: npt.NDArray[np.float32], bright: npt.NDArray[np.bool_]) -> bool:
    """Return whether what is bright lies farther above the rest than noise and shading do."""
    middle, upper = np.percentile(values[~bright][::9], (50, 84))
    return float(values[bright].mean() - middle) > _LEAST_CONTRAST * float(upper - middle)
