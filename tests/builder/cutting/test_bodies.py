"""The bodies under a label, held against OpenCV's connected components."""

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.cutting.bodies import bodies_of
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs


@settings(deadline=None)
@given(npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=15), elements=st.integers(0, 2)))
def test_bodies_are_those_of_opencv(labels: npt.NDArray[np.uint8]) -> None:
    regions = regions_from_runs(runs_from_array(labels))
    for region, label in enumerate(regions.label):
        _, _, stats, centres = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=8)
        expected = sorted((int(s[cv2.CC_STAT_AREA]), c[1], c[0]) for s, c in zip(stats[1:], centres[1:], strict=True))
        found = sorted(zip(*bodies_of(regions, region), strict=True))
        np.testing.assert_allclose(np.array(found), np.array(expected))


def test_bodies_come_in_the_order_of_their_first_pixels() -> None:
    labels = np.array([[0, 0, 0, 5], [5, 0, 0, 0], [5, 5, 0, 0]], np.uint8)
    bodies = bodies_of(regions_from_runs(runs_from_array(labels)), 0)
    assert bodies.area_px.tolist() == [1, 3]
    assert bodies.centroid_y.tolist() == [0, 5 / 3]
    assert bodies.centroid_x.tolist() == [3, 1 / 3]
