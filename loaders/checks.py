"""Checks of numbers that users give."""

from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from nucleusnet_core.errors import UsageError


def check_at_least(number: int, least: int, name: str) -> int:
    """Give a number that was given, as an int of Python: it may be one of numpy.

    Raises:
        UsageError: It is no integer or smaller than `least`.
    """
    if not is_integer(number) or number < least:
        raise UsageError(f"expected {name} to be an integer of at least {least}, found {number!r}")
    return int(number)


def is_integer(number: Any) -> TypeGuard[int]:
    """Say whether something is an integer of Python or numpy, and no truth value."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def check_topology(rank: int | None, world_size: int | None) -> tuple[int, int] | None:
    """Give rank and world size, or None if neither is given.

    Raises:
        UsageError: Only one of them is given, or the rank is none of them.
    """
    if rank is None and world_size is None:
        return None
    if not is_integer(rank) or not is_integer(world_size) or not 0 <= rank < world_size:
        raise UsageError(
            f"expected rank and world_size together, with 0 <= rank < world_size, found rank {rank!r} and "
            f"world_size {world_size!r}; give both, or neither to use torch.distributed"
        )
    return int(rank), int(world_size)


def check_transform(transform: Callable[..., Any]) -> None:
    """Refuse a transform that cannot be called before anything is read.

    Raises:
        UsageError: It cannot.
    """
    if not callable(transform):
        raise UsageError(f"expected transform to be something to call with a batch, found {transform!r}")
    if isinstance(transform, type):
        raise UsageError(
            f"expected transform to be something to call with a batch, found the class {transform.__name__}; give "
            f"one of it: {transform.__name__}(...)"
        )
