"""Worker processes of this machine: they say which task they begin, log to the file of the run, and can be killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Generic, TypeVar

from .log import log_files, log_in_worker

Task = TypeVar("Task")
Result = TypeVar("Result")
Begun = tuple[int, int]
"""Number of a task, and of the process that begins it."""

_begins: "SimpleQueue[Begun] | None" = None  # of this worker process


@dataclass(frozen=True)
class Announced(Generic[Task, Result]):
    """A function that says that its worker begins a task, then runs it.

    Attributes:
        function: what runs.
        number: of the task.
    """

    function: Callable[[Task], Result]
    number: int

    def __call__(self, task: Task) -> Result:
        """Run the task."""
        if _begins is not None:
            _begins.put((self.number, os.getpid()))
        return self.function(task)


class WorkerProcesses(ProcessPoolExecutor):
    """Spawned worker processes that end with their parent, however it ends.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._begins: SimpleQueue[Begun] = context.SimpleQueue()
        super().__init__(count, mp_context=context, initializer=start_worker, initargs=(self._begins, log_files()))

    def begun(self) -> Iterator[Begun]:
        """Yield which tasks have begun since this was last asked."""
        while not self._begins.empty():
            yield self._begins.get()

    def kill(self, process_id: int) -> None:
        """End a worker process that may be hanging, which breaks this executor."""
        # Public as `kill_workers`, of all of them, from Python 3.14 on.
        process = (getattr(self, "_processes", None) or {}).get(process_id)
        if process is not None:
            process.kill()


def start_worker(begins: "SimpleQueue[Begun]", logs: list[Path]) -> None:
    """Prepare a worker process: Ctrl-C is left to the parent, and a parent that ends ends the worker."""
    global _begins  # noqa: PLW0603 - a process has one
    _begins = begins
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows; elsewhere interrupts are blocked from the start
    threading.Thread(target=leave_with_parent, daemon=True).start()
    log_in_worker(logs)


def leave_with_parent() -> None:
    """Wait for the parent process to end, then end this one at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
