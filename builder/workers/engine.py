"""Runs independent tasks on any `concurrent.futures.Executor`, and survives workers that die."""

import contextlib
import functools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from nucleusnet_core.terminal.interrupts import interrupts_held

from .pool import Done, Pool, WorkerDiedError, worker_died
from .processes import WorkerProcesses

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
    seconds: Callable[[Task], float] = lambda _task: math.inf,
) -> Generator[Done[Task, Result], None, None]:
    """Run every task and yield each as it ends, in no particular order.

    At most two tasks for each worker are handed out at a time. When a worker dies, a new executor is made and the tasks
    of the old one run again one by one; the one that ends its worker once more ends as `WorkerDiedError`. One that
    takes too long ends as `OverdueError`, with its worker; those that ran beside it run again. Closing the generator
    hands out nothing more and waits for what was handed out, but an interrupt ends the workers. A consumer that may
    raise closes it by `contextlib.closing`, as its traceback would keep the generator alive.

    Args:
        function: what to run; it and its argument are pickled.
        tasks: one argument each.
        make_executor: returns a new executor; called again after each break.
        workers: number of workers of that executor.
        seconds: how long a task may run in a process of this machine; a cluster's workers are not watched.

    Raises:
        WorkerDiedError: three tasks have ended their workers and none has ended in any other way.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    ended, died = 0, 0
    while waiting or suspects:
        with Pool(make_executor(), function, seconds) as pool:
            while suspects or waiting or pool.running:
                limit = 1 if suspects or pool.alone else WINDOW_PER_WORKER * workers
                pool.fill(suspects or waiting, limit, alone=bool(suspects))
                for done in pool.collect():
                    ended += 1
                    yield done
                if pool.broken:
                    if pool.has_overdue:
                        waiting.extendleft(reversed(pool.lost))
                    elif pool.alone and len(pool.lost) == 1:
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


def process_pool(workers: int) -> WorkerProcesses:
    """Return a pool of spawned worker processes that end with their parent, however it ends."""
    with interrupts_held():  # a queue that is half made would be reported as leaked
        return WorkerProcesses(workers)
