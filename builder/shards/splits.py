"""Which runs go to which split."""

import math
import re
from collections.abc import Mapping

from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import keyed_hash

_TOLERANCE = 1e-6
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def parse_splits(text: str) -> dict[str, float]:
    """Read fractions of the runs, in order.

    >>> parse_splits("train=0.8,validation=0.1,test=0.1")
    {'train': 0.8, 'validation': 0.1, 'test': 0.1}

    Raises:
        UsageError: not of that form, a name twice (also in other letter case, since splits name files), or the
            fractions do not add up to 1.
    """
    fractions: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        fraction = _fraction(number)
        if not equals or not _NAME.fullmatch(name) or fraction is None:
            raise UsageError(
                f"--splits: names with fractions like train=0.8,validation=0.1,test=0.1 expected, {part!r} found."
            )
        if name.lower() in map(str.lower, fractions):
            raise UsageError(f"--splits: each name once expected, {name!r} found twice in {text!r}.")
        fractions[name] = fraction
    if abs(math.fsum(fractions.values()) - 1) > _TOLERANCE:
        raise UsageError(f"--splits: fractions that add up to 1 expected, {math.fsum(fractions.values()):g} found.")
    return fractions


def _fraction(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def assign_splits(kept: Mapping[str, int], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign whole run groups to splits.

    Groups with nuclei stand in the order of a keyed hash of their names and are cut at the cumulative fractions of
    their number, rounded half up. Groups without nuclei go to the first split that has some, where they change nothing.

    Args:
        kept: nuclei by run group.
        fractions: as `parse_splits` gives them.
        seed: key of the order.

    Returns:
        Split by run group. With few groups a split may get none; it is then absent.
    """
    filled = [group for group, nuclei in kept.items() if nuclei]
    ordered = sorted(filled, key=lambda group: (keyed_hash(group, seed=seed, purpose="run"), group))
    assigned: dict[str, str] = {}
    cumulative, total, start = 0.0, sum(fractions.values()), 0
    for split, fraction in fractions.items():
        cumulative += fraction
        stop = math.floor(cumulative / total * len(ordered) + 0.5 + _TOLERANCE)
        assigned.update(dict.fromkeys(ordered[start:stop], split))
        start = stop
    first = next(iter(assigned.values()), next(iter(fractions)))
    return {group: assigned.get(group, first) for group in kept}
