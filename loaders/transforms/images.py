"""What the transforms have in common: the images of a batch, what is inside the nuclei, random numbers, flips."""

import torch

from nucleusnet_core.errors import UsageError

from ..columns import Batch

_BATCH_AXES = 4


def images_of(batch: Batch) -> torch.Tensor:
    """Return column `image`, (B, 1, height, width).

    Raises:
        UsageError: the batch has none.
    """
    images = batch.get("image")
    if not isinstance(images, torch.Tensor) or images.ndim != _BATCH_AXES:
        found = ", ".join(batch) or "no column"
        raise UsageError(
            f"The batch has no images (B, 1, height, width) in column image; it holds {found}. Ask the loader for "
            "column image."
        )
    return images


def raw_images_of(batch: Batch, name: str) -> torch.Tensor:
    """Return column `image` of camera values.

    Args:
        batch: the batch.
        name: of the transform that asks, for the message.

    Raises:
        UsageError: the batch has none, or it was changed to other values already.
    """
    images = images_of(batch)
    if images.dtype not in (torch.uint8, torch.uint16):
        raise UsageError(
            f"{name}: the images are {images.dtype}, not raw camera values (uint8 or uint16); put {name} first."
        )
    return images


def inside_of(batch: Batch) -> torch.Tensor:
    """Return which pixels belong to the nuclei, bool (B, 1, height, width).

    Raises:
        UsageError: column `mask` holds something else.
    """
    images, mask = images_of(batch), batch.get("mask")
    if mask is None:
        return images != 0
    expected = (len(images), 1, *images.shape[2:])
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or mask.shape != expected:
        found = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise UsageError(f"Column mask is {found}; it must be torch.bool {expected}, as the loaders make it.")
    return mask


def centred(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what is inside, differences from the mean of each nucleus (0 outside), and these means (B, 1, 1, 1)."""
    inside = inside_of(batch)
    images = torch.where(inside, images_of(batch).to(torch.float32), 0)
    pixels = inside.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
    mean = images.sum(dim=(1, 2, 3), keepdim=True) / pixels
    return inside, torch.where(inside, images - mean, 0), mean


def uniform(count: int, generator: torch.Generator | None) -> torch.Tensor:
    """Return random numbers (count,) in [0, 1), on the device of the generator."""
    return torch.rand(count, generator=generator, device="cpu" if generator is None else generator.device)


def flipped(batch: Batch, chosen: torch.Tensor, axes: tuple[int, ...]) -> Batch:
    """Return a batch with the chosen nuclei of all columns of images flipped along some axes."""
    return {
        name: _flip(values, chosen, axes) if isinstance(values, torch.Tensor) and values.ndim == _BATCH_AXES else values
        for name, values in batch.items()
    }


def _flip(values: torch.Tensor, chosen: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    if values.dtype == torch.uint16:  # which torch cannot flip
        return _flip(values.view(torch.int16), chosen, axes).view(torch.uint16)
    return torch.where(chosen.to(values.device)[:, None, None, None], values.flip(axes), values)
