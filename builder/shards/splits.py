"""Which runs go to which split."""

import math
import re
from collections.abc import Mapping

from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import keyed_hash

_TOLERANCE = 1e-6
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def parse_splits(text: str) -> dict[str, float]:
    """Return the fractions of the runs by split, in the order of the text.

    >>> parse_splits("train=0.8,validation=0.1,test=0.1")
    {'train': 0.8, 'validation': 0.1, 'test': 0.1}

    Raises:
        UsageError: the text has another form, a name stands twice (also in other letter case, since splits name
            files), or the fractions do not add up to 1.
    """
    fractions: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        fraction = _fraction(number)
        if not equals or not _NAME.fullmatch(name) or fraction is None:
            raise UsageError(
                f"--splits: {part!r} is not a name (letters, digits and _) with a fraction above 0, at most 1; give "
                "them like train=0.8,validation=0.1,test=0.1."
            )
        if name.lower() in map(str.lower, fractions):
            raise UsageError(f"--splits: the name {name!r} stands twice in {text!r}; give each split one fraction.")
        fractions[name] = fraction
    if abs((total := math.fsum(fractions.values())) - 1) > _TOLERANCE:
        raise UsageError(f"--splits: the fractions add up to {total:g}; they must add up to 1.")
    return fractions


def _fraction(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def assign_splits(
    kept: Mapping[str, int], fractions: Mapping[str, float], seed: int, given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the split of each run group; groups stay whole.

    Groups with nuclei stand in the order of a keyed hash of their names and are cut at the cumulative fractions of
    their number, rounded half up. Groups without nuclei go to the first split with nuclei, where they change nothing.

    Args:
        kept: nuclei by run group.
        fractions: as `parse_splits` returns them.
        seed: key of the order.
        given: split by group, where a sample sheet decides; then fractions and seed decide nothing.

    Returns:
        Split by run group. With few groups a split may get none; it is then absent.
    """
    if given:
        return {group: given[group] for group in kept}
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
