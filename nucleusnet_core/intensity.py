"""Mean and standard deviation of the camera values inside the nuclei of a split, from their measurements alone."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .contract import METADATA, channel_column, image_columns
from .dataset import OpenDataset
from .errors import SelectionError
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


def read_intensity(opened: OpenDataset, split: str = "train", column: str = "image") -> IntensityStatistics:
    """Return the statistics of a split; three columns of config metadata are read, 12 bytes a nucleus.

    Args:
        opened: the dataset.
        split: a split, or several, such as "train+test".
        column: of the images of one channel.

    Raises:
        SelectionError: there is no such split or column.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    area, *measured = measured_columns(opened, column)
    entries = tuple(opened.shards(METADATA, split))
    rows = np.arange(sum(entry.rows for entry in entries))
    table, _ = fetch_rows(opened, Picks(entries, rows), (area, *measured))
    area_px, mean, std = (table[name].to_numpy().astype(np.float64) for name in (area, *measured))
    return pooled(area_px, mean, std)


def measured_columns(opened: OpenDataset, column: str) -> tuple[str, ...]:
    """Return `COLUMNS` as they are called for the channel of a column of images.

    Raises:
        SelectionError: there is no such column of images.
    """
    area, mean, std = COLUMNS
    channels = opened.manifest.channels
    known = image_columns(channels)
    if column not in known:
        raise SelectionError(
            f"{opened.store.name} has no images in a column {column}; its columns of images are {', '.join(known)}."
        )
    if column == known[0]:
        return COLUMNS
    channel = channels[known.index(column)]
    return area, channel_column(mean, channel), channel_column(std, channel)


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
