"""How close each stitched image is to the centre of all: which images represent the dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TIE_DECIMALS = 9


@dataclass(frozen=True)
class Centroid:
    """The mean image, and the scale of each feature.

    Attributes:
        num_rois: mean number of regions of interest.
        mean_intensity: mean of the images' mean intensities.
        std_num_rois: population standard deviation of the numbers of regions of interest.
        std_mean_intensity: population standard deviation of the mean intensities.
    """

    num_rois: float
    mean_intensity: float
    std_num_rois: float
    std_mean_intensity: float


def centroid(num_rois: NDArray[np.float64], mean_intensity: NDArray[np.float64]) -> Centroid:
    """Return the centre of at least one image, each (images,)."""
    return Centroid(float(num_rois.mean()), float(mean_intensity.mean()), _spread(num_rois), _spread(mean_intensity))


def _spread(values: NDArray[np.float64]) -> float:
    """Return the population standard deviation, exactly 0 for equal values, whose mean may be rounded."""
    return float(values.std()) if values.min() < values.max() else 0.0


def distances(
    num_rois: NDArray[np.float64], mean_intensity: NDArray[np.float64], centre: Centroid
) -> NDArray[np.float64]:
    """Return the Euclidean distance of each image to the centre, (images,), after z-scoring both features.

    A feature that is the same in all images (standard deviation 0) adds nothing.
    """
    rois = _scores(num_rois - centre.num_rois, centre.std_num_rois)
    intensity = _scores(mean_intensity - centre.mean_intensity, centre.std_mean_intensity)
    return np.hypot(rois, intensity)


def _scores(deviation: NDArray[np.float64], std: float) -> NDArray[np.float64]:
    return deviation / std if std > 0 else np.zeros_like(deviation)


def ranks(distance: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.int64]:
    """Return the rank of each image from 1, nearest first; equal distances are ordered by name.

    Distances are equal if they differ by rounding only.
    """
    rounded = distance.round(TIE_DECIMALS)
    order = sorted(range(len(names)), key=lambda index: (rounded[index], names[index]))
    ranked = np.empty(len(names), np.int64)
    ranked[order] = np.arange(1, len(names) + 1)
    return ranked
