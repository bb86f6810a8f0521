"""Flows of true masks give the true masks back, whole or in blocks."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.segment.compare.compare import compare_masks
from builder.segment.flows.blocks import plan_blocks
from builder.segment.flows.cleaning import clean_labels
from builder.segment.flows.flow_field import Flows
from builder.segment.flows.labels import Thresholds, label_blocks, label_fast, label_whole
from builder.segment.network.cellpose_modules import cellpose_modules
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.masks import runs_from_array

CPU = torch.device("cpu")
DIAMETER_PX, SCALE = 48.0, 0.5
PUBLISHED = Thresholds(0.5, -2.0)


@pytest.fixture(scope="module")
def truth() -> npt.NDArray[np.uint16]:
    """A field (600, 560) of nuclei of about 48 px, many of which touch or lie on borders of blocks."""
    labels = np.zeros((600, 560), np.uint16)
    rng = np.random.default_rng(3)
    places = [(y, x) for y in range(20, 600, 46) for x in range(20, 560, 46)]
    for number, (y, x) in enumerate(places, 1):
        centre = (int(x + rng.integers(-3, 4)), int(y + rng.integers(-3, 4)))
        axes = (int(rng.integers(18, 27)), int(rng.integers(16, 24)))
        drawn = cv2.ellipse(np.zeros(labels.shape, np.uint8), centre, axes, float(rng.integers(180)), 0, 360, 1, -1)
        labels[(drawn > 0) & (labels == 0)] = number
    return labels


@pytest.fixture(scope="module")
def flows(truth: npt.NDArray[np.uint16]) -> Flows:
    """What a perfect network would say about it, at half the scale."""
    small = truth[::2, ::2].astype(np.int32)
    found = cellpose_modules().dynamics.labels_to_flows([small], device=CPU)[0]
    values = np.stack([5 * found[2], 5 * found[3], np.where(found[1] > 0, 8.0, -8.0)]).astype(np.float32)
    return Flows(values, (600, 560), int(200 / SCALE))


def test_true_flows_give_true_masks(truth: npt.NDArray[np.uint16], flows: Flows) -> None:
    for labels in (label_whole(flows, PUBLISHED, CPU), label_fast(flows, PUBLISHED, CPU)):
        compared = compare_masks("field", runs_from_array(truth), runs_from_array(clean_labels(labels, 15)))
        assert compared.true == compared.found == 156
        assert compared.matched[1] == 156
        assert (compared.merged, compared.split, compared.missed, compared.spurious) == (0, 0, 0, 0)


def test_blocks_give_the_labels_of_the_whole_image(flows: Flows) -> None:
    whole = clean_labels(label_whole(flows, PUBLISHED, CPU), 15)
    blocks = clean_labels(label_blocks(flows, PUBLISHED, CPU, block_px=300, diameter_px=DIAMETER_PX), 15)
    assert len(plan_blocks((600, 560), 300, DIAMETER_PX)) == 36
    assert whole.max() == 156
    assert np.array_equal(blocks, whole)


def test_bad_flows_are_left_out(flows: Flows) -> None:
    turned = Flows(np.stack([flows.values[0], -flows.values[1], flows.values[2]])[:, :60, :60], (60, 60), 200)
    assert label_whole(turned, Thresholds(0.0, 0.0), CPU).max() > 0
    assert label_whole(turned, Thresholds(0.05, 0.0), CPU).max() == 0


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(251, 900))
@settings(max_examples=100, deadline=None)
def test_cores_tile_an_image_and_lie_two_diameters_inside(height: int, width: int, block_px: int) -> None:
    blocks = plan_blocks((height, width), block_px, 50.0)
    assert sum((one.core_y1 - one.core_y0) * (one.core_x1 - one.core_x0) for one in blocks) == height * width
    assert len({(one.core_y0, one.core_x0) for one in blocks}) == len(blocks)
    for one in blocks:
        assert one.outer_y1 - one.outer_y0 <= block_px
        assert one.outer_x1 - one.outer_x0 <= block_px
        assert one.outer_y0 == max(0, one.core_y0 - 100)
        assert one.outer_x1 == min(width, one.core_x1 + 100)


def test_blocks_that_are_all_margin_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--block-size is 700 px; nuclei of 152\.91 px .* need at least 765 px"):
        plan_blocks((5000, 5000), 700, 152.91)
