"""The tasks that one executor is working on, and how they ended."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from nucleusnet_core.errors import NucleusNetError
from nucleusnet_core.terminal.interrupts import interrupts_held

from .log import LOG
from .watch import Watch

Task = TypeVar("Task")
Result = TypeVar("Result")

_POLL_SECONDS = 0.5
_DASK_WORKER_DEATH = "KilledWorker"  # by name, so that this module needs no Dask


class WorkerDiedError(NucleusNetError):
    """A task ended its worker process twice, the second time with nothing else running."""


class OverdueError(NucleusNetError):
    """A task took longer than it may, and was ended."""


@dataclass(frozen=True)
class Done(Generic[Task, Result]):
    """The end of one task: its result, or the exception that it raised."""

    task: Task
    result: Result | None
    error: BaseException | None

    def reason(self) -> str:
        """Return why the task failed; an error that is not ours keeps its type, and its traceback goes to a log."""
        if isinstance(self.error, NucleusNetError):
            return str(self.error)
        kind = type(self.error).__name__
        if not LOG.hasHandlers():  # logging would print the traceback to the terminal
            return f"unexpected {kind}: {self.error}; please report it."
        LOG.error("unexpected error", exc_info=self.error)
        return f"unexpected {kind}: {self.error}; please report it with the traceback that was logged."


class Pool(Generic[Task, Result]):
    """The tasks that one executor is working on.

    An interrupt may come while this waits for news, never while it holds one of the executor's locks: the executor
    would wait for that lock for ever.

    Attributes:
        running: tasks that were handed out and have not ended.
        lost: tasks whose worker died.
        alone: whether the running task is to run with nothing else.
    """

    def __init__(
        self, executor: Executor, function: Callable[[Task], Result], seconds: Callable[[Task], float]
    ) -> None:
        self.running: dict[Future[Result], Task] = {}
        self.lost: list[Task] = []
        self.alone = False
        self._executor, self._function, self._watch = executor, function, Watch(executor, seconds)
        self._ended: deque[Future[Result]] = deque()
        self._nothing_new = threading.Lock()  # released when a task ends
        self._nothing_new.acquire()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if was_interrupted(error):
                end_workers(self._executor)
            self._cancel()
            while self.running:
                self._watch.end_overdue(self.running)
                list(self._take_ended())
        except KeyboardInterrupt:
            end_workers(self._executor)
            raise
        finally:
            with interrupts_held():
                self._executor.shutdown(wait=True)

    @property
    def broken(self) -> bool:
        """Whether a worker died; its executor is of no further use."""
        return bool(self.lost) or self.has_overdue

    @property
    def has_overdue(self) -> bool:
        """Whether a worker was killed since its task took too long."""
        return bool(self._watch.overdue)

    def fill(self, tasks: deque[Task], limit: int, *, alone: bool) -> None:
        """Hand out tasks until `limit` are running; suspects start only when nothing else runs."""
        if alone and self.running:
            return
        while tasks and len(self.running) < limit:
            task = tasks.popleft()
            try:
                self._hand_out(task)
            except BrokenExecutor:
                self.lost.append(task)
                return
            self.alone = alone

    def _hand_out(self, task: Task) -> None:
        with interrupts_held():
            future = self._executor.submit(self._watch.announced(self._function), task)
            self.running[future] = task
            self._watch.add(future)
            future.add_done_callback(self._note_end)

    def _note_end(self, future: Future[Result]) -> None:
        self._ended.append(future)
        with contextlib.suppress(RuntimeError):  # another task has released it
            self._nothing_new.release()

    def collect(self) -> Iterator[Done[Task, Result]]:
        """Yield what has ended; after a break, move everything that was running to `lost`."""
        self._watch.end_overdue(self.running)
        for future, task in self._take_ended():
            error = CancelledError() if future.cancelled() else future.exception()
            if isinstance(error, BrokenExecutor | CancelledError):
                yield from self._lost(future, task)
            elif type(error).__name__ == _DASK_WORKER_DEATH:
                yield Done(task, None, worker_died())
            else:
                yield Done(task, None if error else future.result(), error)
        if self.broken:
            while self.running:
                yield from self._lost(*self.running.popitem())
        elif not self.running:
            self.alone = False

    def _lost(self, future: Future[Result], task: Task) -> Iterator[Done[Task, Result]]:
        """Note a task whose worker has gone, or yield its end where it was the reason."""
        if future in self._watch.overdue:
            yield Done(task, None, overdue(self._watch.overdue[future]))
        else:
            self.lost.append(task)

    def _take_ended(self) -> Iterator[tuple[Future[Result], Task]]:
        """Wait a moment for tasks that end, and yield those that have."""
        self._nothing_new.acquire(timeout=_POLL_SECONDS)
        while self._ended:
            future = self._ended[0]
            task = self.running.pop(future, None)  # None where an interrupt came before the next line
            self._ended.popleft()
            if task is not None:
                yield future, task

    def _cancel(self) -> None:
        """Cancel what has not begun: of a pool of processes nothing, as it takes all tasks of ours at once.

        One that is cancelled before its thread takes it would end that thread with a traceback if a worker dies.
        """
        if isinstance(self._executor, ProcessPoolExecutor):
            return
        with interrupts_held():
            for future in list(self.running):
                future.cancel()


def was_interrupted(error: BaseException | None) -> bool:
    """Return whether an interrupt led to an error, such as the end of a generator whose consumer was interrupted."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def end_workers(executor: Executor) -> None:
    """End the worker processes of this machine in the middle of their tasks; a cluster's workers finish theirs.

    What they write appears whole or not at all.
    """
    with interrupts_held():
        # Public as `terminate_workers` from Python 3.14 on.
        for process in list((getattr(executor, "_processes", None) or {}).values()):
            process.terminate()


def worker_died() -> WorkerDiedError:
    """Return the error of a task that ends its worker."""
    return WorkerDiedError(
        "its worker process ended twice without an error message, the second time with nothing else running; most "
        "often the system stopped it for lack of memory: use fewer --workers, or look at the file."
    )


def overdue(seconds: float) -> OverdueError:
    """Return the error of a task that takes too long."""
    return OverdueError(
        f"it was not finished after {seconds / 60:,.0f} min and was ended; the file may be damaged, or its disk hangs: "
        "copy it to another disk, or export it again."
    )
