"""The order of an epoch: arithmetic on the sizes of the row groups, the batch size, the seed and the epoch.

An epoch is one sequence of batches, the same for any number of processes. It interleaves lanes: batch `j` comes from
lane `j mod lanes`, so 1, 2, 3, 4, 6 or 12 readers that take turns share no part of a file. A lane owns some row groups
in random order and walks them in windows; a window is cut into pools, each with a stretch of every row group of the
window, and a pool's rows are shuffled. What the lanes hold beyond the shortest of them is joined into the last batches.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import permutation, random_keys
from nucleusnet_core.terminal.wording import counted

LANES = (12, 6, 4, 3, 2, 1)
"""Numbers of lanes that an epoch may have."""
WINDOW_GROUPS = 4
"""Most row groups of a window."""
_GROUP_STREAM, _OFFSET_STREAM, _ROW_STREAM = 1, 2, 3


@dataclass(frozen=True)
class PoolRows:
    """The rows of a pool, in the order in which they come.

    Attributes:
        group: number of the row group in the split, int64 (n,).
        row: number of the row in its row group, int64 (n,).
    """

    group: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]

    @classmethod
    def empty(cls) -> "PoolRows":
        """Return a pool without rows."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class LaneSlice:
    """Rows `start`..`stop` (half-open) of the sequence of one lane."""

    lane: int
    start: int
    stop: int


@dataclass(frozen=True)
class Lane:
    """One lane of an epoch: its windows of row groups and where its pools begin.

    Attributes:
        number: position among the lanes.
        windows: the row groups of each window.
        pools: (window, pool inside the window) of each pool.
        pool_starts: row of the lane at which each pool begins, and at last the rows of the lane.
    """

    number: int
    windows: tuple[tuple[int, ...], ...]
    pools: tuple[tuple[int, int], ...]
    pool_starts: npt.NDArray[np.int64] = field(repr=False)

    @property
    def rows(self) -> int:
        """Rows of the lane."""
        return int(self.pool_starts[-1])

    def pools_between(self, start: int, stop: int) -> Iterator[tuple[int, slice]]:
        """Yield the pools that hold rows `start`..`stop` (half-open), each with the part of it that is meant."""
        pool = int(np.searchsorted(self.pool_starts, start, side="right")) - 1
        while start < stop:
            first, end = int(self.pool_starts[pool]), min(stop, int(self.pool_starts[pool + 1]))
            if start < end:
                yield pool, slice(start - first, end - first)
            start, pool = end, pool + 1


@dataclass(frozen=True)
class EpochPlan:
    """Every batch of one epoch.

    Attributes:
        group_rows: rows of each row group of the split, in the order of the manifest.
        batch_size: rows of a batch.
        seed: of the stream.
        epoch: number of the epoch; each has another order.
    """

    group_rows: tuple[int, ...]
    batch_size: int
    seed: int
    epoch: int

    @cached_property
    def rows(self) -> int:
        """Rows of the split."""
        return sum(self.group_rows)

    @property
    def full_batches(self) -> int:
        """Batches of `batch_size` rows."""
        return self.rows // self.batch_size

    @property
    def all_batches(self) -> int:
        """Batches with the last, shorter one."""
        return -(-self.rows // self.batch_size)

    @cached_property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes: row groups are dealt in random order, each to the lane with the fewest rows so far."""
        count = lane_count(len(self.group_rows))
        dealt: list[list[int]] = [[] for _ in range(count)]
        loads = [(0, lane) for lane in range(count)]
        for group in permutation(len(self.group_rows), self.seed, self.epoch, _GROUP_STREAM).tolist():
            rows, lane = heapq.heappop(loads)
            dealt[lane].append(group)
            heapq.heappush(loads, (rows + self.group_rows[group], lane))
        return tuple(self._lane(number, groups) for number, groups in enumerate(dealt))

    def _lane(self, number: int, groups: Sequence[int]) -> Lane:
        windows = cut_windows(groups, first=1 + number % WINDOW_GROUPS)
        pools = [(window, pool) for window, members in enumerate(windows) for pool in range(len(members))]
        sizes = [
            sum(len(_stretch(self.group_rows[group], pool, len(windows[window]))) for group in windows[window])
            for window, pool in pools
        ]
        return Lane(number, windows, tuple(pools), np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

    @cached_property
    def _rounds(self) -> int:
        """Batches that every lane can give."""
        return min(lane.rows for lane in self.lanes) // self.batch_size

    @cached_property
    def _rest_starts(self) -> npt.NDArray[np.int64]:
        """Where the rest of each lane begins in the joined sequence, and at last the length of that."""
        rests = [lane.rows - self._rounds * self.batch_size for lane in self.lanes]
        return np.concatenate([[0], np.cumsum(rests, dtype=np.int64)])

    def batch(self, number: int) -> list[LaneSlice]:
        """Return the rows of batch `number` of the epoch as slices of lanes."""
        size, lanes = self.batch_size, len(self.lanes)
        round_number, lane = divmod(number, lanes)
        if round_number < self._rounds:
            return [LaneSlice(lane, round_number * size, (round_number + 1) * size)]
        start = (number - self._rounds * lanes) * size
        stop = min(start + size, int(self._rest_starts[-1]))
        return list(self._slices_of_rest(start, stop))

    def _slices_of_rest(self, start: int, stop: int) -> Iterator[LaneSlice]:
        """Yield rows `start`..`stop` (half-open) of the joined rests as slices of lanes."""
        taken = self._rounds * self.batch_size
        for lane in range(len(self.lanes)):
            begin, end = int(self._rest_starts[lane]), int(self._rest_starts[lane + 1])
            if max(start, begin) < min(stop, end):
                yield LaneSlice(lane, taken + max(start, begin) - begin, taken + min(stop, end) - begin)

    def pool_rows(self, lane: int, pool: int) -> PoolRows:
        """Return the shuffled rows of one pool of a lane."""
        window, position = self.lanes[lane].pools[pool]
        members = self.lanes[lane].windows[window]
        keys = random_keys(len(members), self.seed, self.epoch, _OFFSET_STREAM, lane, window)
        stretches = []
        for group, key in zip(members, keys.tolist(), strict=True):
            stretch = _stretch(self.group_rows[group], position, len(members))
            offset = key % self.group_rows[group]
            stretches.append((np.arange(stretch.start, stretch.stop) + offset) % self.group_rows[group])
        groups = np.repeat(np.array(members, np.int64), [len(stretch) for stretch in stretches])
        shuffled = permutation(len(groups), self.seed, self.epoch, _ROW_STREAM, lane, pool)
        return PoolRows(groups[shuffled], np.concatenate(stretches).astype(np.int64)[shuffled])


def lane_count(groups: int) -> int:
    """Return the number of lanes: 12, or fewer so that every lane can fill a window."""
    return next(lanes for lanes in LANES if groups >= lanes * WINDOW_GROUPS or lanes == 1)


def cut_windows(groups: Sequence[int], *, first: int) -> tuple[tuple[int, ...], ...]:
    """Return a lane's row groups cut into windows.

    The first window has `first` row groups, so that the lanes do not all open new windows at the same time and the
    first batch of an epoch waits for one row group only; the others have up to `WINDOW_GROUPS`, as evenly as possible.
    """
    rest = groups[first:]
    windows = [tuple(groups[:first])]
    count = -(-len(rest) // WINDOW_GROUPS)
    edges = [len(rest) * window // count for window in range(count + 1)] if count else []
    windows += [tuple(rest[start:stop]) for start, stop in itertools.pairwise(edges)]
    return tuple(window for window in windows if window)


def _stretch(rows: int, position: int, pools: int) -> range:
    """Return the part of a row group that falls to one pool of its window."""
    return range(rows * position // pools, rows * (position + 1) // pools)


def batches_of_reader(
    plan: EpochPlan,
    start: int,
    *,
    reader: tuple[int, int],
    worker: tuple[int, int] = (0, 1),
    drop_last: bool,
) -> range:
    """Return the numbers of the batches that one worker of one rank reads.

    Args:
        plan: the epoch.
        start: batches of the epoch that all ranks together have consumed already.
        reader: rank and number of ranks.
        worker: worker and number of workers inside the rank.
        drop_last: leave out what does not make a full batch for every rank.
    """
    (rank, ranks), (number, workers) = reader, worker
    stop = plan.all_batches
    if drop_last:
        stop = start + max(0, plan.full_batches - start) // ranks * ranks
    return range(start + rank + ranks * number, stop, ranks * workers)


def check_not_empty(plan: EpochPlan, ranks: int, *, drop_last: bool) -> None:
    """Refuse epochs without batches; all ranks come to the same answer.

    Raises:
        UsageError: there are too few rows.
    """
    least = plan.batch_size * ranks if drop_last else 1
    if plan.rows < least:
        raise UsageError(
            f"The split has {counted(plan.rows, 'row')}, and {least:,} are needed for {counted(ranks, 'rank')} with "
            f"batches of {plan.batch_size:,}; use a smaller batch_size or drop_last=False."
        )
