"""What the transforms have in common: the images of a batch, what is inside the nuclei, random numbers, flips."""

import torch

from nucleusnet_core.errors import UsageError

from ..columns import Batch

_BATCH_AXES = 4


def images_of(batch: Batch) -> torch.Tensor:
    """Give column `image`, (B, 1, height, width).

    Raises:
        UsageError: The batch has none.
    """
    images = batch.get("image")
    if not isinstance(images, torch.Tensor) or images.ndim != _BATCH_AXES:
        found = ", ".join(batch) or "nothing"
        raise UsageError(f"expected a batch with images (B, 1, 256, 256) in column image, found {found}; ask for it")
    return images


def raw_images_of(batch: Batch, name: str) -> torch.Tensor:
    """Give column `image` of camera values.

    Raises:
        UsageError: The batch has none, or it was changed to other values already; names who asks.
    """
    images = images_of(batch)
    if images.dtype not in (torch.uint8, torch.uint16):
        raise UsageError(f"{name}: expected raw camera values, uint8 or uint16, found {images.dtype}; put it first")
    return images


def inside_of(batch: Batch) -> torch.Tensor:
    """Say which pixels belong to the nuclei, bool (B, 1, height, width).

    Raises:
        UsageError: Column `mask` holds something else.
    """
    images, mask = images_of(batch), batch.get("mask")
    if mask is None:
        return images != 0
    expected = (len(images), 1, *images.shape[2:])
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or mask.shape != expected:
        found = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise UsageError(f"expected column mask to be torch.bool {expected}, found {found}")
    return mask


def centred(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give what is inside, the differences from the mean of each nucleus (0 outside), and these means (B, 1, 1, 1)."""
    inside = inside_of(batch)
    images = torch.where(inside, images_of(batch).to(torch.float32), 0)
    pixels = inside.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
    mean = images.sum(dim=(1, 2, 3), keepdim=True) / pixels
    return inside, torch.where(inside, images - mean, 0), mean


def uniform(count: int, generator: torch.Generator | None) -> torch.Tensor:
    """Draw numbers in [0, 1), on the device of the generator."""
    return torch.rand(count, generator=generator, device="cpu" if generator is None else generator.device)


def flipped(batch: Batch, chosen: torch.Tensor, axes: tuple[int, ...]) -> Batch:
    """Flip the chosen ones of all columns of images."""
    return {
        name: _flip(values, chosen, axes) if isinstance(values, torch.Tensor) and values.ndim == _BATCH_AXES else values
        for name, values in batch.items()
    }


def _flip(values: torch.Tensor, chosen: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    if values.dtype == torch.uint16:  # which torch cannot flip
        return _flip(values.view(torch.int16), chosen, axes).view(torch.uint16)
    return torch.where(chosen.to(values.device)[:, None, None, None], values.flip(axes), values)
