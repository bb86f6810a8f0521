"""What the transforms have in common: the images of a batch, what is inside the nuclei, random numbers, flips."""

import functools

import torch

from nucleusnet_core.contract import channel_column
from nucleusnet_core.errors import UsageError

from ..columns import Batch

_BATCH_AXES = 4


def image_columns_of(batch: Batch) -> list[str]:
    """Return the columns of images in a batch, `image` and `image_<channel>`, in its order.

    Raises:
        UsageError: it has none.
    """
    found = [name for name, values in batch.items() if _is_images(name, values)]
    if not found:
        known = ", ".join(batch) or "no column"
        raise UsageError(
            f"The batch has no images (B, 1, height, width) in column image; it holds {known}. Ask the loader for "
            "column image."
        )
    return found


def _is_images(name: str, values: object) -> bool:
    named = name == "image" or name.startswith(channel_column("image", ""))
    return named and isinstance(values, torch.Tensor) and values.ndim == _BATCH_AXES


def count_of(batch: Batch) -> int:
    """Return the number of nuclei in a batch with images."""
    return len(batch[image_columns_of(batch)[0]])


def raw_images_of(batch: Batch, column: str, name: str) -> torch.Tensor:
    """Return a column of images that are camera values.

    Args:
        batch: the batch.
        column: one of its columns of images.
        name: of the transform that asks, for the message.

    Raises:
        UsageError: it was changed to other values already.
    """
    images: torch.Tensor = batch[column]
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
    columns, mask = image_columns_of(batch), batch.get("mask")
    if mask is None:
        return functools.reduce(torch.logical_or, (_lit(batch[column]) for column in columns))
    images = batch[columns[0]]
    expected = (len(images), 1, *images.shape[2:])
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or mask.shape != expected:
        found = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise UsageError(f"Column mask is {found}; it must be torch.bool {expected}, as the loaders make it.")
    return mask


def _lit(images: torch.Tensor) -> torch.Tensor:
    """Return which pixels are not 0 in any channel, bool (B, 1, height, width)."""
    lit = images != 0
    return lit if lit.shape[1] == 1 else lit.any(dim=1, keepdim=True)


def centred(images: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return differences from the mean of each nucleus in each channel (0 outside), and these means (B, C, 1, 1).

    Args:
        images: (B, C, height, width).
        inside: bool (B, 1, height, width), which pixels belong to the nuclei.
    """
    values = torch.where(inside, images.to(torch.float32), 0)
    mean = values.sum(dim=(2, 3), keepdim=True) / pixels_of(inside)
    return torch.where(inside, values - mean, 0), mean


def pixels_of(inside: torch.Tensor) -> torch.Tensor:
    """Return the pixels of each nucleus (B, 1, 1, 1), at least 1."""
    return inside.sum(dim=(2, 3), keepdim=True).clamp_min(1)


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
