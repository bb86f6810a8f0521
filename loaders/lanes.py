"""Walks a lane of an epoch: reads the row groups of its windows ahead and lets go of them behind."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .plan import EpochPlan, PoolRows
from .row_group import OpenGroup, equal_neighbours
from .row_group_reads import FilePart

StartReads = Callable[[Sequence[int]], "dict[int, Future[FilePart]]"]
"""Starts reading row groups that are used together, given their numbers in the split."""
OpenRead = Callable[[int, "Future[FilePart]"], OpenGroup]
"""Waits for a row group that is being read, given its number in the split, and opens it."""


@dataclass(frozen=True)
class BatchPart:
    """What a batch takes from one row group.

    Attributes:
        group: the row group.
        rows: its rows int64 (k,), rising.
        places: place in the batch of each, int64 (k,).
    """

    group: OpenGroup
    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]


class LaneCursor:
    """Hands out the rows of one lane, which have to be asked for in rising order.

    Args:
        plan: the epoch.
        lane: number of the lane.
        start_reads: starts reading row groups.
        open_read: waits for a row group that is being read, and opens it.
    """

    def __init__(self, plan: EpochPlan, lane: int, start_reads: StartReads, open_read: OpenRead) -> None:
        self._plan = plan
        self._lane = plan.lanes[lane]
        self._start_reads = start_reads
        self._open_read = open_read
        self._reads: dict[int, dict[int, Future[FilePart]]] = {}
        self._open: dict[int, OpenGroup] = {}
        self._pool = -1
        self._rows = PoolRows.empty()

    def prepare(self, start: int, stop: int) -> None:
        """Start reading the windows that hold rows `start`..`stop` (half-open)."""
        for pool, _ in self._lane.pools_between(start, stop):
            window, _ = self._lane.pools[pool]
            if window not in self._reads:
                self._reads[window] = self._start_reads(self._lane.windows[window])

    def parts(self, start: int, stop: int, first_place: int) -> Iterator[BatchPart]:
        """Yield rows `start`..`stop` (half-open) by row group; places count on from `first_place`."""
        self.prepare(start, stop)
        for pool, part in self._lane.pools_between(start, stop):
            self._enter(pool)
            groups, rows = self._rows.group[part], self._rows.row[part]
            order = np.lexsort((rows, groups))
            for group, first, last in equal_neighbours(groups[order]):
                picked = order[first:last]
                yield BatchPart(self._open[group], rows[picked], first_place + picked)
            first_place += len(rows)
            if part.stop == len(self._rows):
                self._leave(pool)

    def _enter(self, pool: int) -> None:
        """Make a pool the current one."""
        if pool == self._pool:
            return
        window, _ = self._lane.pools[pool]
        if self._pool < 0 or self._lane.pools[self._pool][0] != window:
            self._open_window(window)
        self._pool, self._rows = pool, self._plan.pool_rows(self._lane.number, pool)
        for group, opened in self._open.items():
            opened.keep(self._rows.row[self._rows.group == group])

    def _leave(self, pool: int) -> None:
        """Let go of a pool whose last row was asked for; not only when the lane's turn comes again."""
        following = self._lane.pools[pool + 1 : pool + 2]
        if following and following[0][0] == self._lane.pools[pool][0]:
            self._enter(pool + 1)
        else:
            self._open.clear()

    def _open_window(self, window: int) -> None:
        self._open.clear()
        reads = self._reads[window]
        self._reads = {number: groups for number, groups in self._reads.items() if number > window}
        self._reads[window] = {}
        for group in list(reads):
            self._open[group] = self._open_read(group, reads.pop(group))
