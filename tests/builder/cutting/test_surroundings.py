"""The mean around a nucleus, held against the distance of every pixel to it."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.cutting.surroundings import mean_surroundings
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs


def expected_mean(pixels: npt.NDArray[np.uint16], labels: npt.NDArray[np.uint8], label: int) -> float:
    filled = np.array([np.logical_or.accumulate(r) & np.logical_or.accumulate(r[::-1])[::-1] for r in labels == label])
    y, x = np.nonzero(filled)
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    squared = ((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2).min(axis=-1)
    widest = [columns[0, squared[row] <= 9] for row in range(len(rows))]
    between = np.array([[w.size > 0 and w.min() <= c <= w.max() for c in columns[0]] for w in widest])
    outer = [columns[0, squared[row] <= 225] for row in range(len(rows))]
    within = np.array([[w.size > 0 and w.min() <= c <= w.max() for c in columns[0]] for w in outer])
    ring = within & ~between & (labels == 0)
    return float(pixels[ring].mean()) if ring.any() else np.nan


@settings(deadline=None, max_examples=25)
@given(
    npst.arrays(np.uint8, (32, 44), elements=st.sampled_from([0] * 400 + [1, 2, 3]), fill=st.nothing()),
    st.integers(0, 2**32 - 1),
)
def test_pixels_3_to_15_px_away_in_no_mask_are_averaged(labels: npt.NDArray[np.uint8], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 2**16, labels.shape, np.uint16)
    regions = regions_from_runs(runs_from_array(labels))
    found = mean_surroundings(pixels, regions, np.arange(len(regions)))
    np.testing.assert_allclose(found, [expected_mean(pixels, labels, label) for label in regions.label.tolist()])


def test_of_a_large_nucleus_some_rows_stand_for_all() -> None:
    labels, pixels = np.zeros((300, 300), np.uint8), np.full((300, 300), 200, np.uint8)
    labels[100:200, 100:200] = 1
    labels[100:200, 205:290] = 2
    pixels[85:215, 85:215] = 10
    pixels[98:202, 98:202] = 99
    pixels[labels > 0] = 255
    regions = regions_from_runs(runs_from_array(labels))
    assert mean_surroundings(pixels, regions, np.array([0])).tolist() == [10.0]


def test_without_a_free_pixel_there_is_no_mean() -> None:
    regions = regions_from_runs(runs_from_array(np.ones((20, 20), np.uint8)))
    assert np.isnan(mean_surroundings(np.ones((20, 20), np.uint8), regions, np.array([0]))).tolist() == [True]
    assert mean_surroundings(np.ones((20, 20), np.uint8), regions, np.array([], np.int64)).tolist() == []
