"""Statistics of one stitched image and its mask: regions of interest, and the pixels under them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.inputs.channels import ONE_PLANE, Channels
from nucleusnet_core.inputs.masks import LabelRuns
from nucleusnet_core.inputs.pairs import Source
from nucleusnet_core.inputs.read_pair import read_pair

from ..cutting.measure import IntensitySums, sum_runs
from .statistics import ImageStatistics

_COUNTED_BELOW = 1 << 24
"""Labels below are counted without sorting them."""


@dataclass(frozen=True)
class MeasureTask:
    """What a worker needs to measure one stitched image; small, and all of it can be pickled.

    Attributes:
        source: the image and its mask.
        allow_pickle: the mask may be a `_seg.npy` file.
        channels: of the image, with the one that is measured.
    """

    source: Source
    allow_pickle: bool = False
    channels: Channels = ONE_PLANE


def measure_file(task: MeasureTask) -> ImageStatistics:
    """Read one stitched image with its mask and measure it.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape than the image.
    """
    source = task.source
    # Hashing both files would take a fifth of the time that reading them takes.
    pair = read_pair(
        source.image_path,
        source.mask_path,
        allow_pickle=task.allow_pickle,
        hashes=False,
        file_scale=False,
        channels=task.channels,
    )
    return image_statistics(source.stem, pair.image.pixels, pair.runs)


def image_statistics(name: str, pixels: npt.NDArray[Any], runs: LabelRuns) -> ImageStatistics:
    """Measure a stitched image in one pass over the pixels under its mask, in exact integer sums.

    Args:
        name: of the image.
        pixels: (height, width) uint8 or uint16, camera values.
        runs: of its mask, of the same shape.
    """
    # All runs as if they were one region: 60,000 x 60,000 px of 16 bits, squared, still add up within 64 bits.
    one_region, no_box = np.array([0, runs.row.size], np.int64), np.zeros(1, np.int32)
    boxes = (no_box, no_box, no_box, no_box)
    total, squared, maximum = sum_runs(pixels, boxes, (one_region, runs.row, runs.x0, runs.x1))
    area = np.array([(runs.x1 - runs.x0).sum(dtype=np.int64)])
    mean, std = IntensitySums(area, total, squared, maximum).overall() or (None, None)
    return ImageStatistics(name, count_labels(runs.label), mean, std)


def count_labels(labels: npt.NDArray[np.uint32]) -> int:
    """Return how many different labels there are."""
    if labels.size and labels.max() < _COUNTED_BELOW:
        return int(np.count_nonzero(np.bincount(labels)))
    return len(np.unique(labels))
