"""Runs independent tasks on any `concurrent.futures.Executor`, and survives workers that die."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from nucleusnet_core.terminal.interrupts import interrupts_held

from .pool import Done, Pool, WorkerDiedError, worker_died

Task = TypeVar("Task")
Result = TypeVar("Result")

WINDOW_PER_WORKER = 2
DEATHS_WITHOUT_RESULT = 3


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    make_executor: Callable[[], Executor],
    workers: int,
) -> Generator[Done[Task, Result], None, None]:
    """Run every task and yield each as it ends, in no particular order.

    At most two tasks for each worker are handed out at a time. When a worker dies, a new executor is made and the tasks
    of the old one run again one by one; the one that ends its worker once more ends as `WorkerDiedError`. Closing the
    generator hands out nothing more and waits for what was handed out, but an interrupt ends the workers. A consumer
    that may raise closes it by `contextlib.closing`, as its traceback would keep the generator alive.

    Args:
        function: what to run; it and its argument are pickled.
        tasks: one argument each.
        make_executor: returns a new executor; called again after each break.
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
    """Run every task and yield the results in the order of the tasks; the first error of a task is raised."""
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


def no_worker_lives() -> WorkerDiedError:
    """Return the error of a build whose workers end whatever they are given."""
    return WorkerDiedError(
        "the worker processes all ended without an error message; use fewer --workers if memory is short; a script "
        'that builds must do so below `if __name__ == "__main__":`, since workers import it.'
    )


@dataclass(frozen=True)
class Workers:
    """The workers that run the tasks.

    Attributes:
        make_executor: returns an executor that hands tasks to them, a new one after each break.
        count: how many tasks they can run at once.
    """

    make_executor: Callable[[], Executor]
    count: int


def local_workers(count: int) -> Workers:
    """Return worker processes of this machine."""
    return Workers(functools.partial(process_pool, count), count)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of spawned worker processes that end with their parent, however it ends."""
    context = multiprocessing.get_context("spawn")
    with interrupts_held():  # a queue that is half made would be reported as leaked
        return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)


def start_worker() -> None:
    """Prepare a worker process: Ctrl-C is left to the parent, and a parent that ends ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows; elsewhere interrupts are blocked from the start
    threading.Thread(target=leave_with_parent, daemon=True).start()


def leave_with_parent() -> None:
    """Wait for the parent process to end, then end this one at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
