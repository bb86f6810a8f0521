"""The centre of many nuclei, and which are nearest to it."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from builder.analysis.nucleus_ranking import (
    Centre,
    Metric,
    centre_of,
    distances_to,
    geometric_median,
    members_of,
    nearest,
    nearest_of_each,
    z_scores,
)
from nucleusnet_core.errors import UsageError

Vectors = npt.NDArray[np.float64]
POINTS = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(-50, 50).map(float))


@given(POINTS)
def test_z_scores_have_mean_zero_and_population_standard_deviation_one(points: Vectors) -> None:
    scores = z_scores(points)
    varies = np.ptp(points, axis=0) > 0
    assert scores.mean(axis=0) == pytest.approx(np.zeros(points.shape[1]), abs=1e-12)
    assert scores.std(axis=0) == pytest.approx(varies.astype(float), abs=1e-12)
    assert (scores[:, ~varies] == 0).all()


@settings(deadline=None)
@given(POINTS)
def test_no_place_nearby_has_a_smaller_sum_of_distances_than_the_geometric_median(points: Vectors) -> None:
    def total(place: Vectors) -> float:
        return float(np.linalg.norm(points - place, axis=1).sum())

    found = geometric_median(points)
    best = total(found)
    for point in points:
        assert best <= total(point) + 1e-6
    for step in itertools.product((-0.01, 0, 0.01), repeat=min(points.shape[1], 3)):
        assert best <= total(found + np.resize(step, points.shape[1])) + 1e-6


def test_the_geometric_median_of_known_points() -> None:
    assert geometric_median(np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])) == pytest.approx([2, 2], abs=1e-8)
    # The fourth point lies inside the triangle of the others, and then it is the one.
    inside = np.array([[0.0, 0], [10, 0], [0, 10], [2, 2]])
    assert geometric_median(inside) == pytest.approx([2, 2], abs=1e-6)
    # The Fermat point of an equilateral triangle is its middle.
    triangle = np.array([[0.0, 0], [1, 0], [0.5, 0.75**0.5]])
    assert geometric_median(triangle) == pytest.approx([0.5, 0.75**0.5 / 3], abs=1e-8)


def test_three_centres_of_one_cloud() -> None:
    scores = np.array([[0.0, 0], [1, 0], [2, 9], [3, 0], [94, 0]])
    assert centre_of(scores, Centre.mean).tolist() == [20, 1.8]
    assert centre_of(scores, Centre.median).tolist() == [2, 0]
    assert centre_of(scores, Centre.geometric_median) == pytest.approx([2.10, 0.45], abs=0.6)


def test_euclidean_and_cosine_distances() -> None:
    scores = np.array([[3.0, 4], [-3, -4], [4, -3], [0, 0], [300, 400]])
    centre = np.array([0.6, 0.8])
    assert distances_to(scores, centre, Metric.euclidean)[:4] == pytest.approx([4, 6, (3.4**2 + 3.8**2) ** 0.5, 1])
    assert distances_to(scores, centre, Metric.cosine) == pytest.approx([0, 2, 1, 1, 0], abs=1e-12)


def test_there_is_no_angle_to_the_mean() -> None:
    with pytest.raises(UsageError, match="use --centre median or geometric-median, or --metric euclidean"):
        distances_to(np.ones((3, 2)), np.full(2, 1e-16), Metric.cosine)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_the_nearest_come_first_and_ties_by_name(numbers: list[int], data: st.DataObject) -> None:
    names = data.draw(st.permutations([f"n{number:02d}" for number in range(len(numbers))]))
    count = data.draw(st.integers(1, len(numbers)))
    rounding = np.array([(-1) ** place * 1e-12 for place in range(len(numbers))])
    found = nearest(np.array(numbers, np.float64) + rounding, list(names), count)
    expected = sorted(range(len(numbers)), key=lambda row: (numbers[row], names[row]))[:count]
    assert found.tolist() == expected


def test_each_group_is_scaled_and_compared_by_itself() -> None:
    groups = ["10", "2", "10", "2", "10", "2", "3"]
    values = np.array([[0.0, 1], [0, 70], [4, 1], [300, 80], [5, 1], [100, 90], [np.nan, 0]])
    members = members_of(groups, np.flatnonzero(np.isfinite(values).all(axis=1)))
    assert {group: rows.tolist() for group, rows in members.items()} == {"2": [1, 3, 5], "3": [], "10": [0, 2, 4]}
    found = nearest_of_each(members, values, list("abcdefg"), 2, centre=Centre.mean, metric=Metric.euclidean)
    assert {group: near.rows.tolist() for group, near in found.items()} == {"2": [5, 3], "10": [2, 4]}
    assert found["10"].centre_values.tolist() == [3.0, 1.0]
    assert found["10"].constant.tolist() == [False, True]
    assert found["10"].distance == pytest.approx(np.array([1, 2]) / np.std([0, 4, 5]))
