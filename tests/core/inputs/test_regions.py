"""Where labels lie and how they are shaped, held against numpy and OpenCV on the label image itself."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import Regions, regions_from_runs, shape_measurements

SMALL = np.array([[0, 9, 9, 0, 0], [2, 9, 0, 0, 2], [0, 0, 0, 2, 0], [7, 7, 7, 7, 7]], np.uint8)


def regions_of(labels: npt.NDArray[Any]) -> Regions:
    return regions_from_runs(runs_from_array(labels))


def shape_of(mask: npt.NDArray[Any], pixels_per_um: float = 1.0) -> dict[str, float]:
    columns = shape_measurements(regions_of(mask), pixels_per_um)
    return {name: float(values[0]) for name, values in columns.items()}


def test_labels_are_ascending_with_half_open_boxes() -> None:
    regions = regions_of(SMALL)
    assert len(regions) == 3
    assert regions.label.tolist() == [2, 7, 9]
    assert regions.bbox_y0.tolist() == [1, 3, 0]
    assert regions.bbox_x0.tolist() == [0, 0, 1]
    assert regions.bbox_y1.tolist() == [3, 4, 2]
    assert regions.bbox_x1.tolist() == [5, 5, 3]
    assert regions.area_px.tolist() == [3, 5, 3]
    assert regions.components.tolist() == [2, 1, 1]
    assert regions.run_start.tolist() == [0, 3, 4, 6]
    assert regions.row.tolist() == [1, 1, 2, 3, 0, 1]


def test_a_mask_without_labels_has_no_regions() -> None:
    regions = regions_of(np.zeros((5, 5), np.uint16))
    assert len(regions) == 0
    assert regions.run_start.tolist() == [0]
    assert {name: len(values) for name, values in shape_measurements(regions, 8.0).items()}["area_um2"] == 0


@settings(deadline=None)
@given(npst.arrays(np.uint32, npst.array_shapes(min_dims=2, max_dims=2, max_side=15), elements=st.integers(0, 3)))
def test_every_label_measures_as_numpy_measures_its_pixels(labels: npt.NDArray[np.uint32]) -> None:
    labels *= np.uint32(1_000_003)
    regions = regions_of(labels)
    assert regions.label.tolist() == [label for label in np.unique(labels).tolist() if label]
    for i, label in enumerate(regions.label):
        y, x = np.nonzero(labels == label)
        box = [regions.bbox_y0[i], regions.bbox_x0[i], regions.bbox_y1[i], regions.bbox_x1[i]]
        assert box == [y.min(), x.min(), y.max() + 1, x.max() + 1]
        assert regions.area_px[i] == len(y)
        assert regions.centroid_y[i] == pytest.approx(y.mean())
        assert regions.centroid_x[i] == pytest.approx(x.mean())
        assert regions.mu_yy[i] == pytest.approx(y.var(), abs=1e-9)
        assert regions.mu_xx[i] == pytest.approx(x.var(), abs=1e-9)
        assert regions.mu_xy[i] == pytest.approx(((y - y.mean()) * (x - x.mean())).mean(), abs=1e-9)
        bodies = cv2.connectedComponents((labels == label).astype(np.uint8), connectivity=8)[0] - 1
        assert regions.components[i] == bodies


@settings(deadline=None)
@given(
    npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=40), elements=st.booleans())
)
def test_components_are_counted_as_opencv_counts_them(labels: npt.NDArray[np.uint8]) -> None:
    bodies = cv2.connectedComponents(labels, connectivity=8)[0] - 1
    assert regions_of(labels).components.sum() == bodies


def test_moments_stay_exact_far_from_the_origin() -> None:
    labels = np.zeros((3, 50_000), np.uint8)
    labels[1:3, 49_990:49_994] = 1
    regions = regions_of(labels)
    assert regions.mu_xx.tolist() == [1.25]
    assert regions.mu_yy.tolist() == [0.25]
    assert regions.mu_xy.tolist() == [0.0]
    assert regions.centroid_x.tolist() == [49_991.5]


def test_a_single_pixel_is_a_small_circle() -> None:
    shape = shape_of(np.ones((1, 1), np.uint8), pixels_per_um=2.0)
    assert shape["area_px"] == 1
    assert shape["area_um2"] == 0.25
    assert shape["major_axis_um"] == shape["minor_axis_um"] == pytest.approx(4 * np.sqrt(1 / 12) / 2, abs=1e-6)
    assert shape["eccentricity"] == 0
    assert shape["orientation_deg"] == 0


@pytest.mark.parametrize(
    ("turn_deg", "expected_deg"), [(0, 0), (30, 30), (89, 89), (90, 90), (120, -60), (135, -45), (179, -1)]
)
def test_orientation_counts_counter_clockwise_as_seen(turn_deg: float, expected_deg: float) -> None:
    y, x = np.mgrid[-100:101, -100:101]
    turn = np.deg2rad(turn_deg)
    along, across = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    shape = shape_of(((along / 80) ** 2 + (across / 40) ** 2 < 1).astype(np.uint8), pixels_per_um=10.0)
    assert shape["orientation_deg"] == pytest.approx(expected_deg, abs=0.2)
    assert shape["major_axis_um"] == pytest.approx(16, rel=0.005)
    assert shape["minor_axis_um"] == pytest.approx(8, rel=0.005)
    assert shape["eccentricity"] == pytest.approx(np.sqrt(0.75), rel=0.005)


def test_an_upright_bar_is_at_90_degrees_never_at_minus_90() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 4] = 1
    assert shape_of(labels)["orientation_deg"] == 90


def test_columns_have_the_types_of_the_dataset() -> None:
    types = {name: str(values.dtype) for name, values in shape_measurements(regions_of(SMALL), 8.0453).items()}
    assert types == {
        "area_px": "int32",
        "area_um2": "float32",
        "major_axis_um": "float32",
        "minor_axis_um": "float32",
        "eccentricity": "float32",
        "orientation_deg": "float32",
        "components": "int16",
    }
