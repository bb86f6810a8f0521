"""An image in blocks that overlap, such that each nucleus is taken whole from one of them and only once."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucleusnet_source.errors import UsageError

MARGIN_DIAMETERS = 2
_SAME_SHARE = 0.5


@dataclass(frozen=True)
class Block:
    """A part of an image: `core` is what it owns, `outer` what it sees; half-open, px of the image."""

    core_y0: int
    core_x0: int
    core_y1: int
    core_x1: int
    outer_y0: int
    outer_x0: int
    outer_y1: int
    outer_x1: int


def plan_blocks(shape: tuple[int, int], block_px: int, diameter_px: float) -> list[Block]:
    """Cut an image (H, W) into blocks whose cores tile it, row by row.

    Args:
        shape: of the image.
        block_px: side of a block with its margins.
        diameter_px: of a nucleus; margins are two of them wide.

    Raises:
        UsageError: the margins leave nothing of a block.
    """
    margin = math.ceil(MARGIN_DIAMETERS * diameter_px)
    step = block_px - 2 * margin
    if step < diameter_px:
        least = 2 * margin + math.ceil(diameter_px)
        raise UsageError(
            f"--block-size: at least {least} px expected for nuclei of {diameter_px:g} px and margins of {margin} px, "
            f"{block_px} found."
        )
    (height, width) = shape
    return [
        Block(
            y0,
            x0,
            y1,
            x1,
            *(max(0, y0 - margin), max(0, x0 - margin)),
            min(height, y1 + margin),
            min(width, x1 + margin),
        )
        for y0, y1 in _spans(height, step)
        for x0, x1 in _spans(width, step)
    ]


def _spans(length: int, step: int) -> list[tuple[int, int]]:
    """Cut a length into the fewest even parts of at most `step`."""
    parts = max(1, math.ceil(length / step))
    ends = [round(length * number / parts) for number in range(parts + 1)]
    return list(itertools.pairwise(ends))


def paste(labels: NDArray[np.uint32], found: NDArray[Any], block: Block, count: int, *, slack_px: float) -> int:
    """Add to an image the labels that a block owns, under new numbers.

    Two blocks may see a nucleus on their border a little differently. So a block also offers those whose centroid
    lies at most `slack_px` outside its core, and what is already there is not added again: none is lost, none twice.

    Args:
        labels: (H, W), changed in place.
        found: (outer height, outer width) labels of the block.
        block: where it lies.
        count: largest number in `labels`.
        slack_px: how far outside its core a block still offers nuclei.

    Returns:
        The largest number in `labels` now.
    """
    for y0, x0, mask in _owned(found, block, slack_px):
        place = labels[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
        free = mask & (place == 0)
        if int(free.sum()) > _SAME_SHARE * int(mask.sum()):
            count += 1
            place[free] = count
    return count


def _owned(found: NDArray[Any], block: Block, slack_px: float) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Yield top, left (px of the image) and mask of each label whose centroid lies in the core, or nearly."""
    from scipy.ndimage import find_objects  # noqa: PLC0415 - comes with cellpose

    for label, box in enumerate(find_objects(found), 1):
        if box is None:
            continue
        mask = found[box] == label
        rows, columns = np.nonzero(mask)
        y0, x0 = block.outer_y0 + box[0].start, block.outer_x0 + box[1].start
        centroid_y, centroid_x = y0 + rows.mean(), x0 + columns.mean()
        inside_y = block.core_y0 - slack_px <= centroid_y < block.core_y1 + slack_px
        if inside_y and block.core_x0 - slack_px <= centroid_x < block.core_x1 + slack_px:
            yield y0, x0, mask
