"""Checks of numbers that users give."""

from nucleusnet_source.errors import UsageError

from .plan import EpochPlan


def check_at_least(number: int, least: int, name: str) -> None:
    """Check a number that was given.

    Raises:
        UsageError: It is no integer or smaller than `least`.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise UsageError(f"expected {name} to be an integer of at least {least}, found {number!r}")


def check_topology(rank: int | None, world_size: int | None) -> tuple[int, int] | None:
    """Give rank and world size, or None if neither is given.

    Raises:
        UsageError: Only one of them is given, or the rank is none of them.
    """
    if rank is None and world_size is None:
        return None
    if rank is None or world_size is None or not 0 <= rank < world_size:
        raise UsageError(
            f"expected rank and world_size together, with 0 <= rank < world_size, found rank {rank} and "
            f"world_size {world_size}; give both, or neither to use torch.distributed"
        )
    return rank, world_size


def check_not_empty(plan: EpochPlan, ranks: int, *, drop_last: bool) -> None:
    """Refuse epochs without batches; all ranks come to the same answer.

    Raises:
        UsageError: There are too few rows.
    """
    least = plan.batch_size * ranks if drop_last else 1
    if plan.rows < least:
        raise UsageError(
            f"expected at least {least} rows for {ranks} ranks with batches of {plan.batch_size}, found {plan.rows} "
            "in the split; use a smaller batch_size or drop_last=False"
        )
