"""Centroid, distances, ranks and representatives: golden numbers, ties, and the cases that need saying."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.analysis.statistics import (
    Centroid,
    ImageStatistics,
    aligned,
    centroid_of,
    distances,
    notes,
    rank_images,
    ranking_json,
    ranking_text,
    ranks,
)

# Centroid (20, 80); both standard deviations are sqrt(200 / 5), so that every distance can be said by hand.
CROSS = [
    ImageStatistics("south", 20, 70.0, 3.0),
    ImageStatistics("north", 20, 90.0, 4.0),
    ImageStatistics("east", 30, 80.0, 2.0),
    ImageStatistics("west", 10, 80.0, 1.0),
    ImageStatistics("middle", 20, 80.0, 5.5),
]
FAR = 10 / 40**0.5

ROIS = np.array([2.0, 4, 4, 4, 5, 5, 7, 9])  # mean 5, population standard deviation 2
MEANS = np.array([60.0, 80, 80, 80, 90, 90, 110, 130])  # ten times as much, 40 above


def test_the_centroid_has_means_and_population_standard_deviations() -> None:
    assert centroid_of(ROIS, MEANS) == Centroid(5.0, 90.0, 2.0, 20.0)


def test_distances_are_euclidean_after_dividing_by_the_standard_deviations() -> None:
    found = distances(ROIS, MEANS, centroid_of(ROIS, MEANS))
    assert found.tolist() == pytest.approx([1.5 * 2**0.5, *[0.5 * 2**0.5] * 3, 0, 0, 2**0.5, 2 * 2**0.5], rel=1e-15)


def test_equal_distances_are_ranked_by_name() -> None:
    found = distances(ROIS, MEANS, centroid_of(ROIS, MEANS))
    assert ranks(found, ["a", "d", "b", "c", "f", "e", "g", "h"]).tolist() == [7, 5, 3, 4, 2, 1, 6, 8]


def test_distances_that_differ_in_their_last_bits_are_equal() -> None:
    assert ranks(np.array([0.1 + 0.2, 0.3]), ["z", "a"]).tolist() == [2, 1]


def test_a_feature_without_spread_adds_nothing_to_a_distance() -> None:
    same = np.full(3, 79.1)
    assert distances(np.array([1.0, 2, 3]), same, centroid_of(np.array([1.0, 2, 3]), same)).tolist() == pytest.approx(
        [1.5**0.5, 0, 1.5**0.5]
    )
    assert distances(same, same, centroid_of(same, same)).tolist() == [0, 0, 0]


def test_the_middle_comes_first_and_equal_distances_are_ordered_by_name() -> None:
    ranking = rank_images(CROSS)
    assert ranking.centroid is not None
    assert (ranking.centroid.num_rois, ranking.centroid.mean_intensity) == (20, 80)
    assert [(one.rank, one.image) for one in ranking.images] == [
        (1, "middle"), (2, "east"), (3, "north"), (4, "south"), (5, "west"),
    ]  # fmt: skip
    assert [one.distance for one in ranking.images] == [0, *[pytest.approx(FAR, rel=1e-15)] * 4]


def test_distances_that_differ_by_rounding_only_are_ties() -> None:
    # 79.3 - 79.2 and 79.2 - 79.1 differ in their last bits, and so do the distances.
    measured = [
        ImageStatistics("b", 30, 79.3, 1.0), ImageStatistics("c", 20, 79.2, 1.0), ImageStatistics("a", 10, 79.1, 1.0),
    ]  # fmt: skip
    ranking = rank_images(measured)
    assert [one.image for one in ranking.images] == ["c", "a", "b"]


def test_the_json_has_the_published_form() -> None:
    assert ranking_json(rank_images(CROSS), 2) == {
        "images": 5,
        "centroid": {"num_rois": 20.0, "mean_intensity": 80.0},
        "representatives": [
            {"image": "middle", "num_rois": 20, "mean_intensity": 80.0, "std_intensity": 5.5, "distance": 0.0},
            {
                "image": "east",
                "num_rois": 30,
                "mean_intensity": 80.0,
                "std_intensity": 2.0,
                "distance": pytest.approx(FAR, rel=1e-15),
            },
        ],
    }


def test_the_table_for_people() -> None:
    assert ranking_text(rank_images(CROSS), 3) == (
        "5 images\n"
        "centroid: 20.0000 ROIs, mean intensity 80.0000\n"
        "\n"
        "image   ROIs     mean     std  distance\n"
        "middle    20  80.0000  5.5000    0.0000\n"
        "east      30  80.0000  2.0000    1.5811\n"
        "north     20  90.0000  4.0000    1.5811"
    )


def test_images_without_rois_are_listed_and_left_out_of_the_centroid() -> None:
    ranking = rank_images([*CROSS, ImageStatistics("void", 0, None, None), ImageStatistics("blank", 0, None, None)])
    assert ranking.empty == ("blank", "void")
    assert [one.image for one in ranking.images] == ["middle", "east", "north", "south", "west"]
    assert ranking_json(ranking, 1)["images"] == 7
    assert ranking_json(ranking, 1)["centroid"] == {"num_rois": 20.0, "mean_intensity": 80.0}
    assert ranking_text(ranking, 1).startswith("7 images, 2 of them without regions of interest and left out\n")
    assert notes(ranking, 1) == ["Without regions of interest, so left out of the centroid: blank, void."]


def test_no_image_with_rois_has_no_centroid() -> None:
    ranking = rank_images([ImageStatistics("void", 0, None, None)])
    assert ranking_json(ranking, 10) == {"images": 1, "centroid": None, "representatives": []}
    assert ranking_text(ranking, 10) == "1 image; none has regions of interest, so there is no centroid"


def test_one_image_is_its_own_centroid_and_that_is_said() -> None:
    ranking = rank_images([ImageStatistics("only", 7, 79.1, 2.0)])
    assert [(one.rank, one.distance) for one in ranking.images] == [(1, 0.0)]
    assert notes(ranking, 1) == [
        "There is only one image: it is the centroid, so the standard deviations and its distance are 0."
    ]


@pytest.mark.parametrize("count", [3, 6, 7, 10, 1600])
def test_a_feature_that_is_the_same_everywhere_adds_nothing(count: int) -> None:
    # The mean of some equal numbers is not that number: 79.1 differs from that of six of it by 1.4e-14.
    ranking = rank_images([ImageStatistics(f"{number:04d}", number % 2, 79.1, 1.0) for number in range(1, count + 1)])
    assert [one.distance for one in ranking.images] == [0.0] * len(ranking.images)
    assert notes(ranking, 1)[-1] == (
        "The same in all images, so it adds nothing to the distance: number of ROIs, mean intensity."
    )


def test_fewer_images_than_wanted_are_all_shown_and_that_is_said() -> None:
    ranking = rank_images(CROSS)
    assert len(ranking.representatives(10)) == 5
    assert notes(ranking, 10) == [
        "5 images have regions of interest, fewer than the 10 representatives asked for; all are shown."
    ]
    assert notes(ranking, 5) == []


STATISTICS = st.lists(
    st.tuples(st.text(min_size=1), st.integers(1, 5000), st.floats(0, 65535), st.floats(0, 30000)),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[0],
)


@given(STATISTICS, st.randoms(use_true_random=False))
def test_the_order_of_the_images_changes_no_digit(rows: list[tuple[str, int, float, float]], shuffle: object) -> None:
    measured = [ImageStatistics(*row) for row in rows]
    ranking = rank_images(measured)
    shuffle.shuffle(measured)  # type: ignore[attr-defined]
    assert rank_images(measured) == ranking
    assert sorted(one.rank for one in ranking.images) == list(range(1, len(rows) + 1))


@given(STATISTICS.filter(lambda rows: len({row[1] for row in rows}) > 1 and np.std([row[2] for row in rows]) > 1e-3))
def test_squared_distances_add_up_to_two_per_image(rows: list[tuple[str, int, float, float]]) -> None:
    # The mean of squared z-scores is 1 for each of the two features.
    ranking = rank_images([ImageStatistics(*row) for row in rows])
    assert sum(one.distance**2 for one in ranking.images) == pytest.approx(2 * len(rows), rel=1e-6)


def test_columns_are_aligned() -> None:
    assert (
        aligned([("image", "n"), ("a", "100"), ("long name", "5")]) == "image        n\na          100\nlong name    5"
    )
