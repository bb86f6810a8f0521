"""Mean and standard deviation of the camera values inside the nuclei of a split, from their measurements alone."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .contract import METADATA
from .dataset import OpenDataset
from .shards.rows import Picks, fetch_rows

COLUMNS = ("area_px", "mean_intensity", "std_intensity")


@dataclass(frozen=True)
class IntensityStatistics:
    """Of raw camera values over all pixels inside some nuclei, as they are in the stitched images.

    Attributes:
        mean: their mean.
        std: their population standard deviation.
        nuclei: number of nuclei.
        pixels: number of pixels.
    """

    mean: float
    std: float
    nuclei: int
    pixels: int


def read_intensity(opened: OpenDataset, split: str = "train") -> IntensityStatistics:
    """Return the statistics of a split; three columns of config metadata are read, 12 bytes a nucleus.

    Args:
        opened: the dataset.
        split: a split, or several, such as "train+test".

    Raises:
        SelectionError: there is no such split.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    entries = tuple(opened.shards(METADATA, split))
    rows = np.arange(sum(entry.rows for entry in entries))
    table, _ = fetch_rows(opened, Picks(entries, rows), COLUMNS)
    area_px, mean, std = (table[name].to_numpy().astype(np.float64) for name in COLUMNS)
    return pooled(area_px, mean, std)


def pooled(
    area_px: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]
) -> IntensityStatistics:
    """Return the statistics of all pixels of some nuclei, from those of each nucleus.

    Args:
        area_px: pixels of each nucleus (n,).
        mean: mean over them (n,).
        std: population standard deviation over them (n,).

    Source: law of total variance: within the nuclei, and between their means.
    """
    pixels = float(area_px.sum())
    overall = float((area_px * mean).sum()) / pixels
    variance = float((area_px * (std**2 + (mean - overall) ** 2)).sum()) / pixels
    return IntensityStatistics(overall, math.sqrt(variance), len(area_px), int(pixels))
