"""Centroid, distances and ranks on plain arrays."""

import numpy as np
import pytest

from builder.analysis.statistics import Centroid, centroid, distances, ranks

ROIS = np.array([2.0, 4, 4, 4, 5, 5, 7, 9])  # mean 5, population standard deviation 2
MEANS = np.array([60.0, 80, 80, 80, 90, 90, 110, 130])  # ten times as much, 40 above


def test_the_centroid_has_means_and_population_standard_deviations() -> None:
    assert centroid(ROIS, MEANS) == Centroid(5.0, 90.0, 2.0, 20.0)


def test_distances_are_euclidean_after_dividing_by_the_standard_deviations() -> None:
    found = distances(ROIS, MEANS, centroid(ROIS, MEANS))
    assert found.tolist() == pytest.approx([1.5 * 2**0.5, *[0.5 * 2**0.5] * 3, 0, 0, 2**0.5, 2 * 2**0.5], rel=1e-15)


def test_equal_distances_are_ranked_by_name() -> None:
    found = distances(ROIS, MEANS, centroid(ROIS, MEANS))
    assert ranks(found, ["a", "d", "b", "c", "f", "e", "g", "h"]).tolist() == [7, 5, 3, 4, 2, 1, 6, 8]


def test_distances_that_differ_in_their_last_bits_are_equal() -> None:
    assert ranks(np.array([0.1 + 0.2, 0.3]), ["z", "a"]).tolist() == [2, 1]


def test_a_feature_without_spread_adds_nothing() -> None:
    same = np.full(3, 79.1)
    assert distances(np.array([1.0, 2, 3]), same, centroid(np.array([1.0, 2, 3]), same)).tolist() == pytest.approx(
        [1.5**0.5, 0, 1.5**0.5]
    )
    assert distances(same, same, centroid(same, same)).tolist() == [0, 0, 0]
