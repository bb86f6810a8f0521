"""Several channels as one image, as networks take them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nucleusnet_core.errors import UsageError

from ..columns import Batch
from .images import image_columns_of


@dataclass(frozen=True)
class StackChannels:
    """Columns of images as one, `image` (B, C, height, width), in the order that is named; they are no longer alone.

    Put it behind what needs to know the channels apart, such as `StandardizeDataset`.

    Attributes:
        columns: of the batch, such as `("image", "image_actin")`.
    """

    columns: Sequence[str]

    def __post_init__(self) -> None:
        if isinstance(self.columns, str) or not self.columns or len(set(self.columns)) < len(self.columns):
            raise UsageError(f"columns is {self.columns!r}; name different columns, such as ('image', 'image_actin').")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Stack the columns; `image` stands where the first of them stood."""
        known = image_columns_of(batch)
        without = [column for column in self.columns if column not in known]
        if without:
            raise UsageError(
                f"StackChannels: the batch has no images in {', '.join(without)}, only in {', '.join(known)}; ask the "
                f"loader for {', '.join(self.columns)}."
            )
        stacked = torch.cat([batch[column] for column in self.columns], dim=1)
        first, *others = [name for name in batch if name in self.columns]
        if "image" in batch and "image" not in self.columns:
            raise UsageError(
                "StackChannels: column image would be replaced; name it among the columns, or do not load it."
            )
        return {
            "image" if name == first else name: stacked if name == first else values
            for name, values in batch.items()
            if name not in others
        }
