"""Which nuclei are nearest to the middle of all, by their z-scored measurements."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from nucleusnet_core.errors import UsageError

from .statistics import ranks

MAX_ITERATIONS = 1000
TOLERANCE = 1e-10
SMALLEST_CENTRE = 1e-6


class Centre(StrEnum):
    """What the middle of all nuclei is."""

    mean = "mean"
    median = "median"
    geometric_median = "geometric-median"


class Metric(StrEnum):
    """How far a nucleus is from it."""

    euclidean = "euclidean"
    cosine = "cosine"


def z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (nuclei, measurements) with mean 0 and population standard deviation 1 in each column.

    A measurement that is the same for all nuclei becomes 0 and adds nothing.
    """
    deviation = values - values.mean(axis=0)
    std = values.std(axis=0)
    varies = values.min(axis=0) < values.max(axis=0)
    return np.where(varies, deviation / np.where(varies, std, 1.0), 0.0)


def centre_of(scores: NDArray[np.float64], centre: Centre) -> NDArray[np.float64]:
    """Return the middle of (nuclei, measurements), float64 (measurements,)."""
    if centre is Centre.mean:
        return np.asarray(scores.mean(axis=0))
    if centre is Centre.median:
        return np.asarray(np.median(scores, axis=0))
    return geometric_median(scores)


def geometric_median(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the point with the smallest sum of Euclidean distances to `points` (n, dimensions).

    Source: Vardi & Zhang (2000), The multivariate L1-median and associated data depth, PNAS 97:1423-1426 (Weiszfeld's
    iteration that also leaves, or stays at, one of the points).
    """
    place = np.asarray(np.median(points, axis=0))
    for _ in range(MAX_ITERATIONS):
        step = _weiszfeld_step(points, place)
        place = place + step
        if np.linalg.norm(step) <= TOLERANCE * (1 + np.linalg.norm(place)):
            break
    # Where one of the points is the median, the iteration may come near to it only slowly.
    point = points[np.argmin(_lengths(points - place))]
    return point if _lengths(points - point).sum() <= _lengths(points - place).sum() else place


def _weiszfeld_step(points: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    away = points - place
    distance = _lengths(away)
    weight = 1 / np.where(distance == 0, np.inf, distance)
    pull = weight @ away
    strength = float(np.linalg.norm(pull))
    here = float((distance == 0).sum())
    if strength <= here:
        return np.zeros_like(place)
    return np.asarray(pull / weight.sum() * (1 - here / strength))


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))


def distances_to(scores: NDArray[np.float64], centre: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Return the distance of each nucleus to the middle, float64 (nuclei,).

    The cosine distance is 1 minus the cosine of the angle at the mean of all nuclei, which is 0 after z-scoring.

    Raises:
        UsageError: the middle is that mean itself, so that there is no angle.
    """
    if metric is Metric.euclidean:
        return _lengths(scores - centre)
    length = float(np.linalg.norm(centre))
    if length < SMALLEST_CENTRE:
        raise UsageError(
            "--metric cosine: a centre away from 0 expected, 0 found, as the mean of z-scored measurements always is; "
            "use --centre median or geometric-median, or --metric euclidean."
        )
    lengths = np.linalg.norm(scores, axis=1)
    cosine = (scores @ centre) / np.where(lengths > 0, lengths * length, np.inf)
    return np.asarray(1 - np.clip(cosine, -1, 1))


def nearest(distance: NDArray[np.float64], names: list[str], count: int) -> NDArray[np.int64]:
    """Return the rows of the `count` nearest, nearest first; distances equal but for rounding are ordered by name."""
    if count < len(names):
        # Only what is as near as the last of them, with room for rounding, can be among them.
        limit = np.partition(distance, count - 1)[count - 1] + 1e-8
        candidates = np.flatnonzero(distance <= limit)
    else:
        candidates = np.arange(len(names))
    place = ranks(distance[candidates], [names[row] for row in candidates.tolist()])
    return candidates[np.argsort(place)][:count]
