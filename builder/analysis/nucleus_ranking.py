"""Which nuclei are nearest to the centre of all nuclei, by their z-scored measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import UsageError
from nucleusnet_core.runs import natural_order

from .statistics import ranks

_MAX_ITERATIONS = 1000
_TOLERANCE = 1e-10
_SMALLEST_CENTRE = 1e-6
"""A centre that is nearer to the mean of all is the mean itself, but for rounding."""
_ROUNDING = 1e-8
"""More than distances differ by rounding."""


ALL_NUCLEI = ""
"""Name of the group where all nuclei are one."""


class Centre(StrEnum):
    """What the centre of all nuclei is."""

    mean = "mean"
    median = "median"
    geometric_median = "geometric-median"


class Metric(StrEnum):
    """How the distance of a nucleus to the centre is measured."""

    euclidean = "euclidean"
    cosine = "cosine"


@dataclass(frozen=True)
class Nearest:
    """Those of some nuclei that are nearest to the centre of all of them.

    Attributes:
        rows: int64 (chosen,), nearest first.
        distance: float64 (chosen,), of each to the centre.
        centre_values: float64 (measurements,), the centre in the units of the measurements.
        constant: bool (measurements,), which ones are the same for all nuclei, so that they add nothing.
    """

    rows: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]
    centre_values: npt.NDArray[np.float64]
    constant: npt.NDArray[np.bool_]


def members_of(values: Sequence[str], usable: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the usable rows of each value, values in natural order.

    Args:
        values: of each row.
        usable: rows to be compared.
    """
    members: dict[str, list[int]] = {value: [] for value in sorted(set(values), key=natural_order)}
    for row in usable.tolist():
        members[values[row]].append(row)
    return {value: np.array(rows, np.int64) for value, rows in members.items()}


def nearest_of_each(
    members: Mapping[str, npt.NDArray[np.int64]],
    values: npt.NDArray[np.float64],
    names: Sequence[str],
    count: int,
    *,
    centre: Centre,
    metric: Metric,
) -> dict[str, Nearest]:
    """Choose of the members of each group, as if there were no others; groups without members are left out.

    Args:
        members: rows of the nuclei of each group.
        values: (nuclei, measurements) of all nuclei.
        names: of all nuclei.
        count: how many to choose of each group; see `nearest_to_centre` for this and the rest.
        centre: what the centre is.
        metric: how distances are measured.

    Returns:
        What is nearest, with row numbers through all nuclei, by group.

    Raises:
        UsageError: the metric needs another centre.
    """
    found = {}
    for group, rows in members.items():
        if not rows.size:
            continue
        try:
            own = [names[row] for row in rows.tolist()]
            chosen = nearest_to_centre(values[rows], own, count, centre=centre, metric=metric)
        except UsageError as error:
            raise UsageError(f"{group}: {error}" if group != ALL_NUCLEI else f"{error}") from error
        found[group] = replace(chosen, rows=rows[chosen.rows])
    return found


def nearest_to_centre(
    values: npt.NDArray[np.float64], names: list[str], count: int, *, centre: Centre, metric: Metric
) -> Nearest:
    """Choose the nuclei nearest to the centre, after each measurement is z-scored over all nuclei given.

    Args:
        values: (nuclei, measurements), at least one nucleus.
        names: of the nuclei; they order equal distances.
        count: how many to choose; all nuclei where there are fewer.
        centre: what the centre is.
        metric: how distances are measured.

    Raises:
        UsageError: the metric needs another centre.
    """
    scores = z_scores(values)
    middle = centre_of(scores, centre)
    distance = distances_to(scores, middle, metric)
    rows = nearest(distance, names, count)
    centre_values = values.mean(axis=0) + middle * values.std(axis=0)
    return Nearest(rows, distance[rows], centre_values, np.ptp(values, axis=0) == 0)


def z_scores(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (nuclei, measurements) with mean 0 and population standard deviation 1 in each column.

    A measurement that is the same for all nuclei becomes 0 and adds nothing.
    """
    deviation = values - values.mean(axis=0)
    std = values.std(axis=0)
    varies = values.min(axis=0) < values.max(axis=0)
    return np.where(varies, deviation / np.where(varies, std, 1.0), 0.0)


def centre_of(scores: npt.NDArray[np.float64], centre: Centre) -> npt.NDArray[np.float64]:
    """Return the centre of (nuclei, measurements), float64 (measurements,)."""
    if centre is Centre.mean:
        return np.asarray(scores.mean(axis=0))
    if centre is Centre.median:
        return np.asarray(np.median(scores, axis=0))
    return geometric_median(scores)


def geometric_median(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the point with the smallest sum of Euclidean distances to `points` (n, dimensions).

    Source: Vardi & Zhang (2000), The multivariate L1-median and associated data depth, PNAS 97:1423-1426 (Weiszfeld's
    iteration that also leaves, or stays at, one of the points).
    """
    place = np.asarray(np.median(points, axis=0))
    for _ in range(_MAX_ITERATIONS):
        step = _weiszfeld_step(points, place)
        place = place + step
        if np.linalg.norm(step) <= _TOLERANCE * (1 + np.linalg.norm(place)):
            break
    # Where one of the points is the median, the iteration may come near to it only slowly.
    point = points[np.argmin(_lengths(points - place))]
    return point if _lengths(points - point).sum() <= _lengths(points - place).sum() else place


def _weiszfeld_step(points: npt.NDArray[np.float64], place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    away = points - place
    distance = _lengths(away)
    weight = 1 / np.where(distance == 0, np.inf, distance)
    pull = weight @ away
    strength = float(np.linalg.norm(pull))
    here = float((distance == 0).sum())
    if strength <= here:
        return np.zeros_like(place)
    return np.asarray(pull / weight.sum() * (1 - here / strength))


def _lengths(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))


def distances_to(
    scores: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], metric: Metric
) -> npt.NDArray[np.float64]:
    """Return the distance of each nucleus to the centre, float64 (nuclei,).

    The cosine distance is 1 minus the cosine of the angle at the mean of all nuclei, which is 0 after z-scoring.

    Raises:
        UsageError: the centre is that mean itself, so that there is no angle.
    """
    if metric is Metric.euclidean:
        return _lengths(scores - centre)
    length = float(np.linalg.norm(centre))
    if length < _SMALLEST_CENTRE:
        raise UsageError(
            "--metric cosine: the centre is 0, as the mean of z-scored measurements always is, and has no direction; "
            "use --centre median or geometric-median, or --metric euclidean."
        )
    lengths = np.linalg.norm(scores, axis=1)
    cosine = (scores @ centre) / np.where(lengths > 0, lengths * length, np.inf)
    return np.asarray(1 - np.clip(cosine, -1, 1))


def nearest(distance: npt.NDArray[np.float64], names: list[str], count: int) -> npt.NDArray[np.int64]:
    """Return the rows of the `count` nearest, nearest first; distances equal but for rounding are ordered by name."""
    if count < len(names):
        # Only what is as near as the last of them, with room for rounding, can be among them.
        limit = np.partition(distance, count - 1)[count - 1] + _ROUNDING
        candidates = np.flatnonzero(distance <= limit)
    else:
        candidates = np.arange(len(names))
    place = ranks(distance[candidates], [names[row] for row in candidates.tolist()])
    return candidates[np.argsort(place)][:count]
