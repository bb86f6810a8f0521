"""Reads side by side, in threads that never keep a process from ending, however slow the network is."""

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_Task = tuple["Future[Any]", Callable[[], Any]]

READ_THREADS = 8
_INTERRUPTIBLE_SECONDS = 0.5


class ReadThreads:
    """A few threads that do reads in order.

    `concurrent.futures` would wait at the end of the process for what is still under way, minutes if a server hangs.
    These are daemon threads, so a read must not run code that cannot stop anywhere: sockets and files, but not pyarrow.

    Args:
        count: number of threads; they start with the first read.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._unfinished: set[Future[Any]] = set()
        self._started = self._closed = False

    def submit(self, read: Callable[[], Result]) -> "Future[Result]":
        """Have `read` called in one of the threads."""
        future: Future[Result] = Future()
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._tasks.put((future, read))
        if self._closed:
            self._abandon()
        elif not self._started:
            self._started = True
            for number in range(self._count):
                name = f"nucleusnet-read-{number}"
                threading.Thread(target=_work, args=(self._tasks,), name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Give up all reads; whoever waits for one gets a CancelledError at once, and the threads end."""
        self._closed = True
        self._abandon()
        for _ in range(self._count):
            self._tasks.put(None)

    def _abandon(self) -> None:
        for future in list(self._unfinished):
            if not future.cancel():
                with contextlib.suppress(InvalidStateError):
                    future.set_exception(CancelledError())


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int = READ_THREADS
) -> Generator[Result, None, None]:
    """Yield `function(item)` of every item, in order, with some items worked on ahead.

    The first error is raised when its turn comes. After it, or when the iterator is closed, no further item is begun.

    Args:
        function: called in other threads; a read (see `ReadThreads`).
        items: what it is called with.
        threads: how many are worked on at a time, at most; twice as many results are kept waiting.
    """
    if len(items) <= 1:
        yield from map(function, items)
        return
    reads = ReadThreads(min(threads, len(items)))
    ahead: deque[Future[Result]] = deque()
    try:
        for item in items:
            ahead.append(reads.submit(functools.partial(function, item)))
            if len(ahead) > 2 * threads:
                yield result_of(ahead.popleft())
        while ahead:
            yield result_of(ahead.popleft())
    finally:
        reads.close()


def result_of(future: "Future[Result]") -> Result:
    """Return the result of a read, after waiting for it.

    Windows delivers an interrupt from the keyboard only between waits, so this one is cut into short ones.
    """
    while not future.done():
        wait([future], timeout=_INTERRUPTIBLE_SECONDS)
    return future.result()


def _work(tasks: "SimpleQueue[_Task | None]") -> None:
    while _run(tasks.get()):
        pass


def _run(task: _Task | None) -> bool:
    """Do one task and forget its result before the next is waited for; return False where there is none: the end."""
    if task is None:
        return False
    future, read = task
    if future.set_running_or_notify_cancel():
        try:
            result = read()
        except BaseException as error:  # for whoever waits for the result, as concurrent.futures does
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)
        else:
            with contextlib.suppress(InvalidStateError):
                future.set_result(result)
    return True
