"""Inputs that could not be used, and why: collected, so that one bad image never costs the others."""

import contextlib
from collections.abc import Callable, Generator
from typing import TypeVar

from nucleusnet_core.errors import Failure, OutputDiskError
from nucleusnet_core.files.disk_space import is_disk_failure
from nucleusnet_core.terminal.progress import Progress

from .pool import Done

Task = TypeVar("Task")
Result = TypeVar("Result")


def collect(
    ends: Generator[Done[Task, Result], None, None],
    *,
    name: Callable[[Task], str],
    nuclei: Callable[[Result], int],
    progress: Progress,
    on_result: Callable[[Result], None] = lambda _result: None,
) -> tuple[list[Result], list[Failure]]:
    """Return what became of tasks, and move the progress; a disk that takes no output ends all of them.

    Args:
        ends: of the tasks, as `run_tasks` yields them.
        name: of the input of a task, for the list of failures.
        nuclei: in a result, for the progress.
        progress: moved by one for each task.
        on_result: told of each result.

    Returns:
        Results and failures, both in the order in which the tasks ended.

    Raises:
        OutputDiskError: the disk of the output is full or fails.
        OSError: that of a cache does; what an input's disk refuses is an error of ours by now.
    """
    results: list[Result] = []
    failures: list[Failure] = []
    with contextlib.closing(ends):
        for done in ends:
            if done.error is not None and (isinstance(done.error, OutputDiskError) or is_disk_failure(done.error)):
                raise done.error
            if done.result is None:
                failures.append(Failure(name(done.task), done.reason()))
            else:
                results.append(done.result)
                on_result(done.result)
            progress.step(1, nuclei=0 if done.result is None else nuclei(done.result))
    return results, failures
