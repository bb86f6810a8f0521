"""Checks of what users give to the loaders."""

from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from nucleusnet_core.errors import UsageError

MAX_EPOCH = 2**63 - 1
"""The largest that a tensor of int64 holds."""


def check_at_least(number: int, least: int, name: str) -> int:
    """Return a number as an int of Python: it may be one of numpy.

    Args:
        number: what was given.
        least: the smallest that works.
        name: of the argument, for the message.

    Raises:
        UsageError: it is not an integer, or smaller than `least`.
    """
    if not is_integer(number) or number < least:
        raise UsageError(f"{name} is {number!r}; it must be a whole number of at least {least}.")
    return int(number)


def check_epoch(epoch: int) -> int:
    """Return the number of an epoch as an int of Python.

    Raises:
        UsageError: there is no such epoch.
    """
    if not is_integer(epoch) or not 0 <= epoch <= MAX_EPOCH:
        raise UsageError(f"epoch is {epoch!r}; it must be a whole number from 0 to 2**63 - 1.")
    return int(epoch)


def is_integer(number: Any) -> TypeGuard[int]:
    """Return whether something is an integer of Python or numpy, and not a truth value."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def check_topology(rank: int | None, world_size: int | None) -> tuple[int, int] | None:
    """Return rank and world size, or None if neither is given.

    Raises:
        UsageError: only one of them is given, or there is no such rank.
    """
    if rank is None and world_size is None:
        return None
    if not is_integer(rank) or not is_integer(world_size) or not 0 <= rank < world_size:
        raise UsageError(
            f"rank is {rank!r} and world_size is {world_size!r}; give both, with 0 <= rank < world_size, or neither to "
            "use torch.distributed."
        )
    return int(rank), int(world_size)


def check_transform(transform: Callable[..., Any]) -> None:
    """Refuse a transform that cannot be called, before anything is read.

    Raises:
        UsageError: it cannot be called, or is a class instead of an object of it.
    """
    if not callable(transform):
        raise UsageError(
            f"transform is {transform!r}; it must be something to call with a batch, a function or such as ToFloat()."
        )
    if isinstance(transform, type):
        name = transform.__name__
        raise UsageError(f"transform is the class {name}; give an object of it: {name}(...).")
