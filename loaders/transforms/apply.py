"""Applies a transform to batches, with a random generator of its own for each."""

import inspect
from collections.abc import Callable, Generator, Iterable

import torch

from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import random_keys

from ..columns import Batch

_TRANSFORM_STREAM, _WORKER_STREAM = 4, 5

Transform = Callable[..., Batch]
"""Called with a batch, and with `generator=` (a torch.Generator) if it has such a parameter."""


def transformed(
    batches: Iterable[tuple[int, Batch]], transform: Transform | None, *, seed: int, epoch: int
) -> Generator[Batch]:
    """Yield numbered batches as a transform changes them; its generator depends on seed, epoch and number alone.

    Args:
        batches: the batches, each with its number in the epoch.
        transform: what changes them, or None.
        seed: of the stream.
        epoch: number of the epoch.

    Raises:
        UsageError: the transform returned nothing.
    """
    wants_generator = transform is not None and takes_generator(transform)
    for number, batch in batches:
        if transform is None:
            yield batch
            continue
        drawing = {"generator": batch_generator(seed, epoch, number)} if wants_generator else {}
        changed = transform(batch, **drawing)
        if changed is None:
            raise UsageError(
                f"The transform {transform!r} returned None instead of a batch; end it with `return batch`."
            )
        yield changed


def takes_generator(transform: Transform) -> bool:
    """Return whether a transform has a parameter `generator`."""
    try:
        return "generator" in inspect.signature(transform).parameters
    except ValueError:
        return False


def batch_generator(seed: int, epoch: int, number: int) -> torch.Generator:
    """Return the generator for batch `number` of an epoch."""
    return torch.Generator().manual_seed(_generator_seed(seed, epoch, _TRANSFORM_STREAM, number))


def seed_workers(generator: torch.Generator, seed: int, epoch: int, start: int, rank: int) -> None:
    """Have a DataLoader with this generator give its workers, which begin at batch `start`, other seeds each time."""
    generator.manual_seed(_generator_seed(seed, epoch, _WORKER_STREAM, start, rank))


def _generator_seed(*stream: int) -> int:
    return int(random_keys(1, *stream)[0] >> 1)
