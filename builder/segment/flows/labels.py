"""From flows to labels: every pixel follows its flow, and those that meet are one nucleus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .blocks import Block, plan_blocks, whole_block
from .flow_check import without_bad_flows
from .flow_field import NETWORK_STEPS, Flows
from .pixel_paths import follow_flows
from .rescale import nearest
from .seeds import label_ends
from .steps import Pixels


@dataclass(frozen=True)
class Thresholds:
    """What becomes a nucleus.

    Attributes:
        flow: largest error of the flows of a nucleus; 0 keeps all.
        cellprob: pixels above this logit belong to nuclei.
    """

    flow: float
    cellprob: float


def label_whole(flows: Flows, thresholds: Thresholds, device: Any) -> npt.NDArray[Any]:
    """Label a whole image at once.

    Args:
        flows: of the image.
        thresholds: what becomes a nucleus.
        device: torch device that does the arithmetic.

    Returns:
        uint16 or uint32 (H, W); 0 is background. Small labels and holes are as they come.
    """
    return _labels(flows, [whole_block(flows.shape)], thresholds, device)


def label_fast(flows: Flows, thresholds: Thresholds, device: Any) -> npt.NDArray[Any]:
    """Label at the network's scale and enlarge the labels: little time and memory, edges in steps of some pixels."""
    height, width = flows.values.shape[1:]
    small = Flows(flows.values, (height, width), NETWORK_STEPS)
    return nearest(label_whole(small, thresholds, device), flows.shape)


def label_blocks(
    flows: Flows, thresholds: Thresholds, device: Any, *, block_px: int, diameter_px: float
) -> npt.NDArray[Any]:
    """Label an image of which only a block is enlarged at a time; the labels are those of the whole image.

    Args:
        flows: of the whole image, so that no block is normalised or tiled in a way of its own.
        thresholds: what becomes a nucleus.
        device: torch device that does the arithmetic.
        block_px: side of a block with its margins.
        diameter_px: of a nucleus; a block sees two diameters more than it owns on every side.

    Returns:
        uint16 or uint32 (H, W); 0 is background.
    """
    return _labels(flows, plan_blocks(flows.shape, block_px, diameter_px), thresholds, device)


def _labels(flows: Flows, blocks: Sequence[Block], thresholds: Thresholds, device: Any) -> npt.NDArray[Any]:
    moves = [
        follow_flows(flows.values, block, flows.shape, steps=flows.steps, threshold=thresholds.cellprob, device=device)
        for block in blocks
    ]
    labels = label_ends(_joined([pixels for pixels, _ in moves]), _joined([ends for _, ends in moves]), flows.shape)
    if thresholds.flow:
        labels = without_bad_flows(labels, flows.values[:2], thresholds.flow)
    return labels


def _joined(parts: Sequence[Pixels]) -> Pixels:
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([columns for _, columns in parts])
