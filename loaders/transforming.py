"""Applies a transform to batches, with a random generator of its own for each."""

import inspect
from collections.abc import Callable, Generator, Iterable

import torch

from nucleusnet_source.ordering import random_keys

from .columns import Batch

_TRANSFORM_STREAM = 4

Transform = Callable[..., Batch]
"""Called with a batch, and with `generator=` (a torch.Generator) if it has such a parameter."""


def transformed(
    batches: Iterable[tuple[int, Batch]], transform: Transform | None, *, seed: int, epoch: int
) -> Generator[Batch]:
    """Apply a transform to numbered batches; its generator depends on seed, epoch and the number alone."""
    wants_generator = transform is not None and takes_generator(transform)
    for number, batch in batches:
        if transform is None:
            yield batch
        elif wants_generator:
            yield transform(batch, generator=batch_generator(seed, epoch, number))
        else:
            yield transform(batch)


def takes_generator(transform: Transform) -> bool:
    """Say whether a transform has a parameter `generator`."""
    try:
        return "generator" in inspect.signature(transform).parameters
    except ValueError:
        return False


def batch_generator(seed: int, epoch: int, number: int) -> torch.Generator:
    """Give the generator for batch `number` of an epoch."""
    key = random_keys(1, seed, epoch, _TRANSFORM_STREAM, number)[0]
    return torch.Generator().manual_seed(int(key >> 1))
