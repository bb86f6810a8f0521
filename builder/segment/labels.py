"""From flows to labels: every pixel follows its flow, and those that meet are one nucleus."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import Block, paste, plan_blocks
from .cellpose_modules import cellpose_modules
from .network import Flows
from .rescale import bilinear, nearest

MAX_SHARE_OF_IMAGE = 0.4
_NETWORK_STEPS = 200


@dataclass(frozen=True)
class Thresholds:
    """What becomes a nucleus.

    Attributes:
        flow: largest error of the flows of a nucleus; 0 keeps all.
        cellprob: pixels above this logit belong to nuclei.
    """

    flow: float
    cellprob: float


def label_whole(flows: Flows, thresholds: Thresholds, device: Any) -> NDArray[Any]:
    """Label a whole image at once.

    Args:
        flows: of the image.
        thresholds: what becomes a nucleus.
        device: torch device that does the arithmetic.

    Returns:
        uint16 or uint32 (H, W); 0 is background. Small labels and holes are as they come.
    """
    return _labels(bilinear(flows.values, flows.shape), flows.steps, thresholds, device)


def label_fast(flows: Flows, thresholds: Thresholds, device: Any) -> NDArray[Any]:
    """Label at the network's scale and enlarge the labels: little time and memory, edges in steps of some pixels."""
    return nearest(_labels(flows.values, _NETWORK_STEPS, thresholds, device), flows.shape)


def label_blocks(
    flows: Flows, thresholds: Thresholds, device: Any, *, block_px: int, diameter_px: float
) -> NDArray[Any]:
    """Label an image block by block; a nucleus comes whole from the block that its centroid lies in.

    Args:
        flows: of the whole image, so that no block is normalised or tiled in a way of its own.
        thresholds: what becomes a nucleus.
        device: torch device that does the arithmetic.
        block_px: side of a block with its margins.
        diameter_px: of a nucleus; a block sees two diameters more than it owns on every side.

    Returns:
        uint32 (H, W); 0 is background.
    """
    labels = np.zeros(flows.shape, np.uint32)
    count = 0
    for block in plan_blocks(flows.shape, block_px, diameter_px):
        found = _label_block(flows, block, thresholds, device)
        count = paste(labels, found, block, count, slack_px=diameter_px / 8)
    return labels


def _label_block(flows: Flows, block: Block, thresholds: Thresholds, device: Any) -> NDArray[Any]:
    rows, columns = (block.outer_y0, block.outer_y1), (block.outer_x0, block.outer_x1)
    part = bilinear(flows.values, flows.shape, rows=rows, columns=columns)
    share = MAX_SHARE_OF_IMAGE * flows.shape[0] * flows.shape[1] / part[0].size
    return _labels(part, flows.steps, thresholds, device, max_share=share)


def _labels(
    values: NDArray[np.float32],
    steps: int,
    thresholds: Thresholds,
    device: Any,
    *,
    max_share: float = MAX_SHARE_OF_IMAGE,
) -> NDArray[Any]:
    labels: NDArray[Any] = cellpose_modules().dynamics.compute_masks(
        values[:2],
        values[2],
        niter=steps,
        cellprob_threshold=thresholds.cellprob,
        flow_threshold=thresholds.flow,
        max_size_fraction=max_share,
        device=device,
    )
    return labels
