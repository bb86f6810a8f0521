"""Several transforms as one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nucleusnet_core.errors import UsageError

from ..checks import check_transform
from ..columns import Batch
from .apply import Transform, takes_generator


@dataclass(frozen=True)
class Compose:
    """Several changes, one after the other.

    Attributes:
        transforms: the changes.
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        if not isinstance(self.transforms, Sequence):
            raise UsageError(f"transforms is {self.transforms!r}; give a list, such as [ToFloat(), RandomFlips()].")
        for transform in self.transforms:
            check_transform(transform)

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Make all changes; those with a parameter `generator` draw from the same one in turn."""
        for transform in self.transforms:
            batch = transform(batch, generator=generator) if takes_generator(transform) else transform(batch)
        return batch
