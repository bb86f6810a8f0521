"""Tasks that take longer than they may: how long that is, and an end to the worker processes that do them."""

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Generic, TypeVar

from .processes import Announced, WorkerProcesses

Task = TypeVar("Task")
Result = TypeVar("Result")

LEAST_SECONDS = 600.0
BYTES_PER_SECOND = 100_000
"""A thousandth of what reading and cutting take on one core, and less than the slowest disk in use reads."""


def seconds_for(*paths: Path) -> float:
    """Return how long work on some files may take: ten minutes, and one second for each 100 kB."""
    return LEAST_SECONDS + sum(_size(path) for path in paths) / BYTES_PER_SECOND


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Watch(Generic[Task]):
    """Notes when the worker processes of this machine begin tasks, and kills those that take too long.

    Args:
        executor: only `WorkerProcesses` are watched.
        seconds: that a task may take.

    Attributes:
        overdue: tasks whose worker was killed, by their future, with the seconds that they had.
    """

    def __init__(self, executor: Executor, seconds: Callable[[Task], float]) -> None:
        self.overdue: dict[Future[Any], float] = {}
        self._executor, self._seconds = executor, seconds
        self._futures: list[Future[Any]] = []
        self._running: dict[int, tuple[Future[Any], float, float]] = {}

    def announced(self, function: Callable[[Task], Result]) -> Callable[[Task], Result]:
        """Return `function` so that it says when the next task begins; `add` is told its future then."""
        return Announced(function, len(self._futures)) if isinstance(self._executor, WorkerProcesses) else function

    def add(self, future: Future[Any]) -> None:
        """Watch the task that was handed out last."""
        self._futures.append(future)

    def end_overdue(self, running: Mapping[Future[Any], Task]) -> None:
        """Kill the workers of tasks that take too long."""
        if not isinstance(self._executor, WorkerProcesses):
            return
        for number, process_id in self._executor.begun():
            future = self._futures[number]
            seconds = self._seconds(running[future]) if future in running else math.inf
            self._running[process_id] = future, time.monotonic(), seconds
        for process_id, (future, began, seconds) in self._running.items():
            is_late = time.monotonic() - began > seconds
            if is_late and future in running and not future.done() and future not in self.overdue:
                self.overdue[future] = seconds
                self._executor.kill(process_id)
