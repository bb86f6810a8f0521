"""Pixels end where cellpose lets them end, on any device, in the whole image or in a part, and meet as there."""

from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.segment.flows.blocks import Block, plan_blocks, whole_block
from builder.segment.flows.pixel_paths import enlarged, follow_by_processor, follow_by_torch, follow_flows
from builder.segment.flows.rescale import bilinear
from builder.segment.flows.seeds import label_ends
from builder.segment.network.cellpose_modules import cellpose_modules
from builder.segment.network.network import load_network, run_network
from builder.segment.network.weights import WeightsFile
from builder.simulate.simulate import simulate_image

CPU = torch.device("cpu")
SHAPE, STEPS, THRESHOLD = (700, 610), 340, -1.0


@pytest.fixture(scope="module")
def values(weights: WeightsFile) -> npt.NDArray[np.float32]:
    """What the network says about an image (700, 610) at a third of the scale, enlarged to it."""
    pixels = np.ascontiguousarray(simulate_image(7, size_px=2100, seed=3).pixels[::3, :1830:3])
    return bilinear(run_network(load_network(weights, CPU), pixels, 51.0, 8).values, SHAPE)


def random_values(shape: tuple[int, int], seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    small = rng.normal(size=(3, shape[0] // 3 + 1, shape[1] // 3 + 1)).astype(np.float32)
    return bilinear(small * np.array([9, 9, 3], np.float32)[:, None, None], shape)


def ends_of_cellpose(values: npt.NDArray[np.float32], threshold: float, steps: int) -> npt.NDArray[np.int32]:
    inside = values[2] > threshold
    flow = values[:2] * inside / np.float32(5)
    ends = cellpose_modules().dynamics.follow_flows(flow, np.nonzero(inside), steps, CPU)
    return np.asarray(ends.int())


def test_pixels_end_where_cellpose_lets_them_end(values: npt.NDArray[np.float32]) -> None:
    pixels, ends = follow_flows(values, whole_block(SHAPE), SHAPE, steps=STEPS, threshold=THRESHOLD, device=CPU)
    assert np.array_equal(np.stack(pixels), np.stack(np.nonzero(values[2] > THRESHOLD)))
    assert pixels[0].size > 50_000
    assert np.array_equal(np.stack(ends), ends_of_cellpose(values, THRESHOLD, STEPS))


def test_pixels_of_any_flows_end_where_cellpose_lets_them_end() -> None:
    """Flows across edges too; a few may end a pixel aside, as cellpose's own do on another processor.

    Counted over many images: where flows of a small one are wild, one rounding can lead a third of its pixels aside.
    """
    rng = np.random.default_rng(0)
    aside = total = 0
    for seed in range(60):
        shape, steps = (int(rng.integers(5, 61)), int(rng.integers(5, 61))), int(rng.integers(1, 41))
        values = random_values(shape, seed)
        (rows, _), ends = follow_flows(values, whole_block(shape), shape, steps=steps, threshold=0.0, device=CPU)
        if rows.size > 1:
            aside += int((np.stack(ends) != ends_of_cellpose(values, 0.0, steps)).any(0).sum())
            total += rows.size
    assert total > 20_000
    assert aside <= 0.002 * total


def test_pixels_of_blocks_end_where_those_of_the_whole_image_do(values: npt.NDArray[np.float32]) -> None:
    pixels, ends = follow_flows(values, whole_block(SHAPE), SHAPE, steps=STEPS, threshold=THRESHOLD, device=CPU)
    whole = np.full((2, *SHAPE), -1)
    whole[:, *pixels] = ends
    blocks = np.full((2, *SHAPE), -1)
    plan = plan_blocks(SHAPE, 290, 51.0)
    assert len(plan) == 72
    for block in plan:
        pixels, ends = follow_flows(values, block, SHAPE, steps=STEPS, threshold=THRESHOLD, device=CPU)
        blocks[:, *pixels] = ends
    assert np.array_equal(blocks, whole)


@pytest.mark.parametrize("block", [whole_block(SHAPE), Block(100, 150, 400, 500, 0, 50, 500, 600)])
def test_other_devices_take_the_same_steps(values: npt.NDArray[np.float32], block: Block) -> None:
    """Written for GPUs, whose arithmetic torch does; here torch does it on the processor."""
    flow, pixels = enlarged(values, block, SHAPE, THRESHOLD)
    frame = (block.outer_y0, block.outer_x0, *SHAPE)
    ends = np.stack(follow_by_processor(flow, frame, STEPS, pixels))
    by_torch = np.stack(follow_by_torch(flow, frame, STEPS, pixels, CPU))
    assert (by_torch != ends).any(0).mean() < 0.01
    assert np.abs(by_torch - ends).max() <= 1


def in_stable_order(values: torch.Tensor) -> torch.Tensor:
    """`argsort` whose equal values keep their order; that of torch leaves it open, and with it who wins a pixel."""
    return torch.sort(values, stable=True).indices


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@example(21_634_757, 10)
@settings(max_examples=40, deadline=None)
def test_pixels_that_meet_are_labelled_as_cellpose_does(seed: int, places: int) -> None:
    shape, rng = (40, 50), np.random.default_rng(seed)
    rows, columns = (axis.astype(np.int32) for axis in np.nonzero(rng.random(shape) < 0.9))
    centres = rng.integers(0, shape, (places, 2))[rng.integers(0, places, rows.size)]
    ends = np.clip(centres + rng.integers(-2, 3, centres.shape), 0, np.array(shape) - 1).T.astype(np.int32)
    with patch.object(torch.Tensor, "argsort", in_stable_order):
        expected = cellpose_modules().dynamics.get_masks_torch(torch.from_numpy(ends.copy()), (rows, columns), shape)
    assert np.array_equal(label_ends((rows, columns), (ends[0], ends[1]), shape), expected)


def test_pixels_that_do_not_meet_have_no_label() -> None:
    rows, columns = (axis.ravel().astype(np.int32) for axis in np.indices((20, 30)))
    labels = label_ends((rows, columns), (rows, columns), (20, 30))
    assert labels.dtype == np.uint16
    assert labels.shape == (20, 30)
    assert not labels.any()
