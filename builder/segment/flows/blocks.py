"""An image in blocks that overlap: each pixel belongs to one of them, and sees its surroundings there."""

import itertools
import math
from dataclasses import dataclass

from nucleusnet_core.errors import UsageError

MARGIN_DIAMETERS = 2


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


def whole_block(shape: tuple[int, int]) -> Block:
    """Return an image (H, W) as one block."""
    height, width = shape
    return Block(0, 0, height, width, 0, 0, height, width)


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
            f"--block-size is {block_px} px; nuclei of {diameter_px:g} px and margins of {margin} px need at least "
            f"{least} px."
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
