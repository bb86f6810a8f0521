"""Reads ahead in threads that never keep a process from ending, however slow the network is."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Task = tuple["Future[Any]", Callable[[], Any]]


class FetchThreads:
    """A few threads that work off reads in order.

    `concurrent.futures` waits at exit for all that its threads still have to do. These are daemon threads, and they
    may be: a read runs Python code only, which can stop anywhere.

    Args:
        count: Number of threads; they start with the first read.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._unfinished: set[Future[Any]] = set()
        self._started = self._closed = False

    def submit(self, read: Callable[[], T]) -> "Future[T]":
        """Have `read` called in one of the threads."""
        future: Future[T] = Future()
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._tasks.put((future, read))
        if self._closed:
            self._abandon()
        elif not self._started:
            self._started = True
            for number in range(self._count):
                name = f"nucleusnet-fetch-{number}"
                threading.Thread(target=_work, args=(self._tasks,), name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Give up all reads; who waits for one gets a CancelledError at once, and the threads end."""
        self._closed = True
        self._abandon()
        for _ in range(self._count):
            self._tasks.put(None)

    def _abandon(self) -> None:
        for future in list(self._unfinished):
            if not future.cancel():
                with contextlib.suppress(InvalidStateError):
                    future.set_exception(CancelledError())


def _work(tasks: "SimpleQueue[_Task | None]") -> None:
    while _run(tasks.get()):
        pass


def _run(task: _Task | None) -> bool:
    """Do one task and forget its result before waiting for the next; without one, say that it is time to end."""
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
