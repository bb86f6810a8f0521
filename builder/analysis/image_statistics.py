"""Statistics of one stitched image and its mask: regions of interest, and the pixels under them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucleusnet_core.errors import InputImageError, InputMaskError

from ..cutting.measure import IntensitySums, sum_runs
from ..inputs.images import decode_image, read_file, reading
from ..inputs.masks import LabelRuns, read_label_runs
from ..inputs.pairs import Source
from .statistics import ImageStatistics

_COUNTED_BELOW = 1 << 24
"""Labels below are counted without sorting them."""


@dataclass(frozen=True)
class ImageTask:
    """What a worker needs to measure one stitched image; small, and all of it can be pickled."""

    source: Source
    allow_pickle: bool = False


def measure_file(task: ImageTask) -> ImageStatistics:
    """Read one stitched image with its mask and measure it.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape than the image.
    """
    image_path, mask_path = task.source.image_path, task.source.mask_path
    with reading(mask_path, InputMaskError):
        mask_data = mask_path.read_bytes()
    runs = read_label_runs(mask_data, mask_path.name, allow_pickle=task.allow_pickle)
    with reading(image_path, InputImageError):
        image_data = read_file(image_path)
    pixels, _ = decode_image(image_data, image_path.name)
    if pixels.shape != runs.shape:
        raise InputMaskError(
            f"{mask_path.name}: {pixels.shape[0]} x {pixels.shape[1]} px expected like {image_path.name}, "
            f"{runs.shape[0]} x {runs.shape[1]} found; segment the same image again."
        )
    return image_statistics(task.source.stem, pixels, runs)


def image_statistics(name: str, pixels: NDArray[Any], runs: LabelRuns) -> ImageStatistics:
    """Measure a stitched image in one pass over the pixels under its mask, in exact integer sums.

    Args:
        name: of the image.
        pixels: (height, width) uint8 or uint16, camera values.
        runs: of its mask, of the same shape.
    """
    # All runs as if they were one region: 60,000 x 60,000 px of 16 bits, squared, still add up within 64 bits.
    one_region = np.array([0, runs.row.size], np.int64)
    total, squared, maximum = sum_runs(pixels, runs.row, runs.x0, runs.x1, one_region)
    area = np.array([(runs.x1 - runs.x0).sum(dtype=np.int64)])
    mean, std = IntensitySums(area, total, squared, maximum).overall() or (None, None)
    return ImageStatistics(name, count_labels(runs.label), mean, std)


def count_labels(labels: NDArray[np.uint32]) -> int:
    """Return how many different labels there are."""
    if labels.size and labels.max() < _COUNTED_BELOW:
        return int(np.count_nonzero(np.bincount(labels)))
    return len(np.unique(labels))
