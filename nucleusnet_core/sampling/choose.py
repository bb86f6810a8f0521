"""Which rows a random sample takes: arithmetic on row counts alone; nothing is read.

**`rows`** is a simple random sample without replacement: every set of n rows is equally likely. It takes one row here
and one there, so a part of nearly every row group must be read.

**`blocks`** is systematic sampling proportional to size, then a run of neighbouring rows from each chosen unit. A unit
is a stretch of some 256 rows (a row group; small neighbours are merged). With N rows, K runs and unit i of s_i rows:

1. The units are laid out in random order on a line of length N; K points N / K apart, from a random start, choose the
   units they fall on. A unit is no longer than N / K, so it is chosen at most once, and with probability K s_i / N.
2. Of every chosen unit a run of L consecutive rows is taken, from a random row on and round its end to its beginning.
   A row is in the run with probability L / s_i, since L <= s_i.
3. L is n / K; if K does not divide n, the first remainder of the K runs, counted round from a random one, are a row
   longer. A run's expected length is then n / K, whatever unit it lies in.

Together: K s_i / N * (n / K) / s_i = n / N, for **every** row. The rows are distinct, their number is exactly n, and
means and proportions over the sample are unbiased without weights. What differs from `rows` are joint probabilities:
rows of one unit come together or not at all, a cluster sample. The rows of a dataset are stored in a random order (a
keyed hash of their names), so these clusters are random themselves and no more alike than other rows; but samples of
several seeds from one version of a dataset share whole runs or nothing, so for standard errors from repeated draws, or
for samples that must be independent of each other, use `rows`.

Where blocks of equal probability cannot be had (n near N, or a few hundred rows in all), `blocks` is `rows`.

Source: Madow, Annals of Mathematical Statistics 20 (1949) 333, systematic sampling with unequal probabilities; Goodman
and Kish, JASA 45 (1950) 350, its random order.
"""

import secrets
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ..contract import ROW_GROUP_ROWS
from ..errors import SelectionError, UsageError
from ..orders import check_seed, random_keys

METHODS = ("blocks", "rows")
LEAST_RUNS = 4
"""Runs of a small sample; a larger one has as many as it needs with at most `ROW_GROUP_ROWS` rows each."""

_SAMPLE = int.from_bytes(b"sample", "big")
_START, _ROTATION, _OFFSET, _ORDER, _SHUFFLE, _ROWS = range(6)

RowNumbers = npt.NDArray[np.int64]


def choose_rows(shard_rows: Sequence[int], n: int, *, seed: int | None = None, method: str = "blocks") -> RowNumbers:
    """Choose n distinct rows at random, every row with probability n / N.

    The choice depends on the arguments alone: not on the library versions, the machine, or where a dataset lies.

    Args:
        shard_rows: rows of every shard, in order; row numbers count through all of them.
        n: how many rows, 1 to the sum of `shard_rows`.
        seed: 0 to 2**64 - 1; None for a new one from the system's source of randomness.
        method: "blocks" or "rows", see above.

    Returns:
        Row numbers int64 (n,), in random order.

    Raises:
        SelectionError: n is less than 1 or more than there are rows.
        UsageError: there is no such method, n is not a whole number, or the seed cannot be used.
    """
    if method not in METHODS:
        raise UsageError(f"There is no method {method!r}; choose {' or '.join(METHODS)}.")
    total = sum(shard_rows)
    if not isinstance(n, int | np.integer) or isinstance(n, bool):
        raise UsageError(f"n is {n!r}; it must be a whole number of nuclei.")
    if not 1 <= n <= total:
        raise SelectionError(f"{n:,} nuclei cannot be drawn of {total:,}; ask for 1 to {total:,}.")
    seed = secrets.randbits(64) if seed is None else check_seed(seed)
    sizes = unit_sizes(shard_rows)
    count = max(min(LEAST_RUNS, n), -(-n // ROW_GROUP_ROWS))
    if method == "blocks" and count * sizes.max() <= total and -(-n // count) <= sizes.min():
        return _block_rows(sizes, n, count, seed)
    return _smallest(random_keys(total, seed, _SAMPLE, _ROWS), n)


def unit_sizes(shard_rows: Sequence[int]) -> RowNumbers:
    """Return rows cut into stretches of 256; what is smaller joins its neighbour.

    Row groups have 256 rows, but for the last of a shard, so no footer is needed to know where they lie. A shard's
    shorter last row group joins the one before it, and shards of less than 256 rows join each other.

    Args:
        shard_rows: rows of every shard, in order.

    Returns:
        Rows of every unit, in order, int64 (units,): all at least 256, unless there are fewer rows in all.
    """
    sizes: list[int] = []
    waiting = 0
    for rows in _stretches(shard_rows):
        waiting += rows
        if waiting >= ROW_GROUP_ROWS:
            sizes.append(waiting)
            waiting = 0
    if waiting and sizes:
        sizes[-1] += waiting
    elif waiting:
        sizes.append(waiting)
    return np.array(sizes, np.int64)


def _stretches(shard_rows: Sequence[int]) -> Iterable[int]:
    for rows in shard_rows:
        whole = rows // ROW_GROUP_ROWS
        yield from [ROW_GROUP_ROWS] * (whole - 1)
        yield rows - ROW_GROUP_ROWS * max(0, whole - 1)


def place_runs(sizes: RowNumbers, n: int, count: int, *, start: int, rotation: int) -> tuple[RowNumbers, RowNumbers]:
    """Choose the units of the runs of a sample, and the runs' lengths.

    Args:
        sizes: rows of every unit, int64 (units,), in the order in which they lie on the line; none more than
            `sum(sizes) / count`.
        n: rows of the sample.
        count: number of runs.
        start: where the first point falls, 0 to `sum(sizes) - 1`, in rows / `count`.
        rotation: the run that is the first to be longer by one row, 0 to `count - 1`.

    Returns:
        Positions of the units on the line int64 (count,), all different, and rows of each run int64 (count,).
    """
    # In units of a row / count all of this is in integers, and so exact: a unit is count * size long.
    ends = np.cumsum(sizes) * count
    points = start + np.arange(count) * (ends[-1] // count)
    lengths = n // count + ((np.arange(count) - rotation) % count < n % count)
    return np.searchsorted(ends, points, side="right"), lengths


def run_rows(first_row: int, size: int, *, offset: int, length: int) -> RowNumbers:
    """Return the rows of a run: `length` of those from `first_row` on, from the `offset`-th on and round the end."""
    return first_row + (offset + np.arange(length)) % size


def _block_rows(sizes: RowNumbers, n: int, count: int, seed: int) -> RowNumbers:
    order = _smallest(random_keys(len(sizes), seed, _SAMPLE, _ORDER), len(sizes))
    (start,) = _numbers_below([int(sizes.sum())], seed, _START)
    (rotation,) = _numbers_below([count], seed, _ROTATION)
    places, lengths = place_runs(sizes[order], n, count, start=int(start), rotation=int(rotation))
    units = order[places]
    offsets = _numbers_below(sizes[units], seed, _OFFSET)
    first_rows = np.cumsum(sizes) - sizes
    runs = [
        run_rows(first_rows[unit], sizes[unit], offset=offset, length=length)
        for unit, offset, length in zip(units, offsets, lengths, strict=True)
    ]
    return np.concatenate(runs)[_smallest(random_keys(n, seed, _SAMPLE, _SHUFFLE), n)]


def _smallest(keys: npt.NDArray[np.uint64], n: int) -> RowNumbers:
    """Return the positions of the n smallest keys, by key: a random choice in random order."""
    chosen = np.argpartition(keys, n - 1)[:n]
    return chosen[np.argsort(keys[chosen], kind="stable")].astype(np.int64)


def _numbers_below(bounds: Sequence[int] | RowNumbers, seed: int, purpose: int) -> RowNumbers:
    """Return a random integer from 0 to below each bound, without the bias of a plain remainder."""
    limits = np.asarray(bounds, np.uint64)
    unfair = (~limits + np.uint64(1)) % limits  # 2**64 modulo the bound: so many keys would make some results likelier
    keys = random_keys(len(limits), seed, _SAMPLE, purpose)
    attempt = 0
    while (again := keys < unfair).any():
        attempt += 1
        keys[again] = random_keys(len(limits), seed, _SAMPLE, purpose, attempt)[again]
    return (keys % limits).astype(np.int64)
