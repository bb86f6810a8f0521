"""The flow check gives the errors of cellpose's own, and removes the same labels."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from builder.segment.flows.flow_check import flow_errors, heat_of, without_bad_flows
from builder.segment.flows.rescale import bilinear
from builder.segment.network.cellpose_modules import cellpose_modules
from builder.simulate.simulate import simulate_image
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs

CPU = torch.device("cpu")


def errors(labels: npt.NDArray[np.uint16], flows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return flow_errors(regions_from_runs(runs_from_array(labels)), flows)


def cellpose_errors(labels: npt.NDArray[np.uint16], flows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = cellpose_modules().dynamics.flow_error(labels, flows, CPU)[0]
    return found


def numbered(labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Number labels 1, 2, ... in the order of their first pixels, as cellpose does."""
    values, first, inverse = np.unique(np.append(0, labels), return_index=True, return_inverse=True)
    numbers = np.empty(values.size, np.uint16)
    numbers[np.argsort(first)] = np.arange(values.size)
    renumbered: npt.NDArray[np.uint16] = numbers[inverse[1:]].reshape(labels.shape)
    return renumbered


@pytest.fixture(scope="module")
def labels() -> npt.NDArray[np.uint16]:
    """Nuclei (300, 300) of about 38 px: touching, cut by the border, of two bodies, and one in the hole of another."""
    image = simulate_image(5, size_px=1200, seed=0)
    found = np.ascontiguousarray(image.labels[::4, ::4])
    yy, xx = np.mgrid[:300, :300]
    ring = (yy - 210) ** 2 + (xx - 90) ** 2
    found[ring < 1600] = 0
    found[(ring >= 400) & (ring < 1600)] = found.max() + 1
    found[ring < 150] = found.max() + 1
    found[10:30, 10:60] = found[50:90, 20:40] = found.max() + 1
    return numbered(found)


def test_errors_are_those_of_cellpose(labels: npt.NDArray[np.uint16]) -> None:
    flows = np.random.default_rng(0).normal(0, 3, (2, 300, 300)).astype(np.float32)
    expected = cellpose_errors(labels, flows)
    assert len(expected) == labels.max() >= 20
    assert errors(labels, flows) == pytest.approx(expected, abs=1e-3)


def test_the_labels_that_cellpose_removes_are_removed_and_the_others_numbered_as_there(
    labels: npt.NDArray[np.uint16],
) -> None:
    dynamics = cellpose_modules().dynamics
    flows = 5 * dynamics.masks_to_flows_gpu(labels, CPU)[0].astype(np.float32)
    assert errors(labels, flows).max() < 1e-4
    noise = np.random.default_rng(0).uniform(0, 5, labels.max() + 1)
    flows += noise[labels].astype(np.float32)
    given_labels = labels.copy()
    found = without_bad_flows(labels, flows, 0.5)
    expected = dynamics.remove_bad_flow_masks(labels.copy(), flows, 0.5, CPU)
    assert np.array_equal(found, expected)
    assert 5 <= found.max() <= labels.max() - 5
    assert found.dtype == np.uint16
    assert np.array_equal(labels, given_labels)


def test_flows_at_the_scale_of_the_network_are_enlarged_as_a_whole_image_would_be(
    labels: npt.NDArray[np.uint16],
) -> None:
    small = np.random.default_rng(0).normal(0, 3, (2, 70, 60)).astype(np.float32)
    assert np.array_equal(errors(labels, small), errors(labels, bilinear(small, (300, 300))))


def test_flows_of_one_shape_are_right_for_it_and_wrong_for_two() -> None:
    disc = np.hypot(*(np.mgrid[:41, :41] - 20)) < 18
    one, two = disc.astype(np.uint16), (disc * (1 + (np.arange(41) > 20))).astype(np.uint16)
    flows = np.where(disc, 5 * (20 - np.mgrid[:41, :41]) / np.maximum(np.hypot(*(np.mgrid[:41, :41] - 20)), 1), 0)
    assert errors(one, flows.astype(np.float32))[0] < 0.05
    assert errors(two, flows.astype(np.float32)).min() > 0.2
    assert np.array_equal(without_bad_flows(two, flows.astype(np.float32), 0.1), np.zeros((41, 41), np.uint16))


def test_a_body_without_the_centre_has_no_flow() -> None:
    pair = np.zeros((12, 30), np.uint16)
    pair[2:9, 2:13] = pair[4:7, 20:24] = 1
    still = np.zeros((2, 12, 30), np.float32)
    assert errors(pair, still)[0] == pytest.approx(77 / 89)  # squared flows: 1 in one body, 0 in the other
    assert errors(pair, still) == pytest.approx(cellpose_errors(pair, still))


def test_an_image_without_labels_stays_as_it_is() -> None:
    assert not without_bad_flows(np.zeros((5, 6), np.uint16), np.zeros((2, 5, 6), np.float32), 0.4).any()


@given(
    npst.arrays(np.uint16, st.tuples(st.integers(2, 14), st.integers(2, 14)), elements=st.integers(0, 4)),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_errors_of_any_labels_are_those_of_cellpose(labels: npt.NDArray[np.uint16], seed: int) -> None:
    labels = numbered(labels)
    flows = np.random.default_rng(seed).normal(0, 3, (2, *labels.shape)).astype(np.float32)
    found, expected = errors(labels, flows), cellpose_errors(labels, flows) if labels.any() else np.zeros(0)
    symmetric = with_level_heat(labels)
    assert found.shape == expected.shape == symmetric.shape
    assert found[~symmetric] == pytest.approx(expected[~symmetric], abs=1e-3)


def with_level_heat(labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    """Say which labels have a pixel where heat rises nowhere: the direction there is a matter of rounding."""
    heat = heat_of(regions_from_runs(runs_from_array(labels)))
    rise = np.hypot(heat[2:, 1:-1] - heat[:-2, 1:-1], heat[1:-1, 2:] - heat[1:-1, :-2])
    level = rise < 1e-6 * heat[1:-1, 1:-1]
    return np.isin(np.arange(1, labels.max() + 1), labels[level])
