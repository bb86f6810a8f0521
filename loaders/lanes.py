"""Walks a lane of an epoch: fetches the row groups of its windows ahead and lets go of them behind."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .plan import EpochPlan, Rows
from .row_group import OpenGroup, stretches
from .row_group_reads import FilePart

Fetch = Callable[[Sequence[int]], "dict[int, Future[FilePart]]"]
"""Starts fetching row groups that are used together, given their numbers in the split."""
Open = Callable[[int, "Future[FilePart]"], OpenGroup]
"""Waits for a row group that is being fetched, and opens it."""


@dataclass(frozen=True)
class BatchPart:
    """What a batch takes from one row group.

    Attributes:
        group: The row group.
        rows: Its rows, rising.
        places: Place in the batch of each.
    """

    group: OpenGroup
    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]


class LaneCursor:
    """Gives the rows of one lane, which have to be asked for in rising order.

    Args:
        plan: The epoch.
        lane: Number of the lane.
        fetch: Starts fetching row groups.
        open_group: Waits for a row group that is being fetched, and opens it.
    """

    def __init__(self, plan: EpochPlan, lane: int, fetch: Fetch, open_group: Open) -> None:
        self._plan = plan
        self._lane = plan.lanes[lane]
        self._fetch = fetch
        self._open_group = open_group
        self._fetching: dict[int, dict[int, Future[FilePart]]] = {}
        self._open: dict[int, OpenGroup] = {}
        self._pool = -1
        self._rows = Rows.none()

    def prepare(self, start: int, stop: int) -> None:
        """Start fetching the windows that hold rows `start`..`stop` (half-open)."""
        for pool, _ in self._lane.pools_between(start, stop):
            window, _ = self._lane.pools[pool]
            if window not in self._fetching:
                self._fetching[window] = self._fetch(self._lane.windows[window])

    def parts(self, start: int, stop: int, first_place: int) -> Iterator[BatchPart]:
        """Give rows `start`..`stop` (half-open) by row group; places count on from `first_place`."""
        self.prepare(start, stop)
        for pool, part in self._lane.pools_between(start, stop):
            self._enter(pool)
            groups, rows = self._rows.group[part], self._rows.row[part]
            order = np.lexsort((rows, groups))
            for group, first, last in stretches(groups[order]):
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
        """Let go of a pool that has been given to its end, not only when the lane's turn comes again."""
        following = self._lane.pools[pool + 1 : pool + 2]
        if following and following[0][0] == self._lane.pools[pool][0]:
            self._enter(pool + 1)
        else:
            self._open.clear()

    def _open_window(self, window: int) -> None:
        self._open.clear()
        fetching = self._fetching[window]
        self._fetching = {number: groups for number, groups in self._fetching.items() if number > window}
        self._fetching[window] = {}
        for group in list(fetching):
            self._open[group] = self._open_group(group, fetching.pop(group))
