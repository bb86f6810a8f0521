"""Runs independent tasks over any `concurrent.futures.Executor`, and survives workers that die."""

import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from nucleusnet_core.errors import NucleusNetError

Task = TypeVar("Task")
Result = TypeVar("Result")

WINDOW_PER_WORKER = 2
DEATHS_WITHOUT_RESULT = 3
_POLL_SECONDS = 0.5
_DASK_WORKER_DEATH = "KilledWorker"  # by name, so that this module needs no Dask


class WorkerDiedError(NucleusNetError):
    """A task ended its worker process twice, the second time with nothing else running."""


@dataclass(frozen=True)
class Done(Generic[Task, Result]):
    """The end of one task: its result, or the exception that it raised."""

    task: Task
    result: Result | None
    error: BaseException | None

    def reason(self) -> str:
        """Say why the task failed; an error that is not ours keeps its type, and its traceback is logged."""
        if isinstance(self.error, NucleusNetError):
            return str(self.error)
        logging.getLogger("nucleusnet").error("unexpected error", exc_info=self.error)
        kind = type(self.error).__name__
        return f"unexpected {kind}: {self.error}; please report it with the traceback that was logged."


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    make_executor: Callable[[], Executor],
    workers: int,
) -> Generator[Done[Task, Result], None, None]:
    """Run every task and yield each as it ends, in no particular order.

    At most two tasks a worker are handed out at a time. When a worker dies, the pool is made anew and the tasks that
    were in it run again one by one; the one that ends its worker once more ends as `WorkerDiedError`. Closing the
    generator cancels what has not begun and waits for what has, but an interrupt ends it; a consumer that may raise
    closes it by `contextlib.closing`, as its traceback would keep it alive.

    Args:
        function: what to run; it and its argument are pickled.
        tasks: one argument each.
        make_executor: gives a fresh executor; called again after each break.
        workers: number of workers of that executor.

    Raises:
        WorkerDiedError: three tasks have ended their workers and none has ended in any other way.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    ended, died = 0, 0
    while waiting or suspects:
        with Pool(make_executor(), function) as pool:
            while suspects or waiting or pool.running:
                limit = 1 if suspects or pool.alone else WINDOW_PER_WORKER * workers
                pool.fill(suspects or waiting, limit, alone=bool(suspects))
                for done in pool.collect():
                    ended += 1
                    yield done
                if pool.broken:
                    if pool.alone and len(pool.lost) == 1:
                        died += 1
                        if died == DEATHS_WITHOUT_RESULT and not ended:
                            raise no_worker_lives()
                        yield Done(pool.lost[0], None, worker_died())
                    else:
                        suspects.extend(pool.lost)
                    break


def in_order(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    make_executor: Callable[[], Executor],
    workers: int,
) -> Generator[Result, None, None]:
    """Run every task and yield the results in the order of the tasks; the first error is raised."""
    numbered = list(enumerate(tasks))
    results: dict[int, Result] = {}
    following = 0
    call = functools.partial(_call_numbered, function)
    with contextlib.closing(run_tasks(call, numbered, make_executor=make_executor, workers=workers)) as ends:
        for done in ends:
            if done.error is not None:
                raise done.error
            results[done.task[0]] = done.result  # type: ignore[assignment]  # set where error is None
            while following in results:
                yield results.pop(following)
                following += 1


def _call_numbered(function: Callable[[Task], Result], numbered: tuple[int, Task]) -> Result:
    return function(numbered[1])


class Pool(Generic[Task, Result]):
    """The tasks that one executor is working on."""

    def __init__(self, executor: Executor, function: Callable[[Task], Result]) -> None:
        self.executor, self.function = executor, function
        self.running: dict[Future[Result], Task] = {}
        self.lost: list[Task] = []
        self.alone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for future in self.running:
            future.cancel()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            end_workers(self.executor)
        self.executor.shutdown(wait=True)

    @property
    def broken(self) -> bool:
        """Whether a worker died; its executor is of no further use."""
        return bool(self.lost)

    def fill(self, queue: deque[Task], limit: int, *, alone: bool) -> None:
        """Hand out tasks until `limit` are running; suspects start only when nothing else runs."""
        if alone and self.running:
            return
        while queue and len(self.running) < limit:
            task = queue.popleft()
            try:
                self.running[self.executor.submit(self.function, task)] = task
            except BrokenExecutor:
                self.lost.append(task)
                return
            self.alone = alone

    def collect(self) -> Iterator[Done[Task, Result]]:
        """Yield what has ended; after a break, move everything that was running to `lost`."""
        ended, _ = wait(self.running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            task = self.running.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if isinstance(error, BrokenExecutor | CancelledError):
                self.lost.append(task)
            elif type(error).__name__ == _DASK_WORKER_DEATH:
                yield Done(task, None, worker_died())
            else:
                yield Done(task, None if error else future.result(), error)
        if self.lost:
            self.lost.extend(self.running.values())
            self.running.clear()
        elif not self.running:
            self.alone = False


def end_workers(executor: Executor) -> None:
    """End the processes of a pool of this machine in the midst of their tasks, as who presses Ctrl-C wants it.

    What they write appears whole or not at all. A cluster's workers finish their tasks.
    """
    # Public as `terminate_workers` from Python 3.14 on.
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.terminate()


def worker_died() -> WorkerDiedError:
    """Return the error of a task that ends its worker."""
    return WorkerDiedError(
        "its worker process ended twice without an error message, the second time with nothing else running; most "
        "often the system stopped it for lack of memory: use fewer --workers, or look at the file."
    )


def no_worker_lives() -> WorkerDiedError:
    """Return the error of a build whose workers end whatever they are given."""
    return WorkerDiedError(
        "worker processes that finish a task expected, all ended without an error message; use fewer --workers if "
        'memory is short; a script that builds must do so below `if __name__ == "__main__":`, since workers import it.'
    )


@dataclass(frozen=True)
class Workers:
    """Those who run the tasks.

    Attributes:
        make_executor: gives an executor that hands tasks to them, a fresh one after each break.
        count: how many tasks they can run at once.
    """

    make_executor: Callable[[], Executor]
    count: int


def local_workers(count: int) -> Workers:
    """Return worker processes of this machine."""
    return Workers(functools.partial(process_pool, count), count)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of spawned worker processes that leave with their parent, however it ends."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)


def start_worker() -> None:
    """Prepare a worker process: Ctrl-C is the parent's business, and a killed parent ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=leave_with_parent, daemon=True).start()


def leave_with_parent() -> None:
    """Wait for the parent process to end, then end this one at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
