"""Random flips and half turns: what a nucleus is does not depend on how it lies."""

from dataclasses import dataclass

import torch

from nucleusnet_core.errors import UsageError

from ..columns import Batch
from .images import count_of, flipped, uniform


@dataclass(frozen=True)
class RandomFlips:
    """Mirrors nuclei, each by its own chance: left and right, top and bottom, all channels and the mask alike.

    The build laid the long axis of every nucleus flat; a flip keeps it flat, as a quarter turn would not.

    Attributes:
        horizontal: probability that left and right are exchanged.
        vertical: probability that top and bottom are exchanged.
    """

    horizontal: float = 0.5
    vertical: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.horizontal, "horizontal")
        _check_probability(self.vertical, "vertical")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Mirror images and masks."""
        count = count_of(batch)
        left_right = uniform(count, generator) < self.horizontal
        top_bottom = uniform(count, generator) < self.vertical
        return flipped(flipped(batch, left_right, (-1,)), top_bottom, (-2,))


@dataclass(frozen=True)
class RandomHalfTurn:
    """Turns nuclei by 180 degrees, each by its own chance; handedness stays. All channels and the mask turn.

    Attributes:
        probability: that a nucleus is turned.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.probability, "probability")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Turn images and masks."""
        return flipped(batch, uniform(count_of(batch), generator) < self.probability, (-2, -1))


def _check_probability(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{name} is {value}; it must be a probability from 0 to 1.")
