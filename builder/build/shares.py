"""A build in several jobs that share a folder: each makes the pieces of some images, the last one puts them together.

Jobs need not know of each other. A piece appears whole or not at all, is the same whichever job makes it, and its
receipt says that it is finished; an image that cannot be used leaves a record that says why.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.errors import BuildError, Failure, OutputError, UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.small_files import read_json
from nucleusnet_core.terminal.wording import counted

from ..pieces.receipt import Receipt, failure_path
from ..pieces.task import PieceTask, known_fingerprint, valid_receipt
from .work_folder import TASKS_NAME

_NAMED_IMAGES = 3


@dataclass(frozen=True)
class Share:
    """The part of the images that one job works on: image i of all, sorted by name, where i mod `tasks` is `task`."""

    task: int
    tasks: int

    def __post_init__(self) -> None:
        """Refuse numbers that do not name a part."""
        if not 0 <= self.task < self.tasks:
            raise UsageError(
                f"--task is {self.task} and --tasks is {self.tasks}; tasks are numbered from 0 to the number of tasks "
                "minus 1."
            )


def record_tasks(work: Path, tasks: int) -> None:
    """Record the number of jobs in a work folder.

    Raises:
        UsageError: it was begun with another number.
    """
    path = work / TASKS_NAME
    recorded = recorded_tasks(work)
    if recorded not in (None, tasks):
        raise UsageError(
            f"--tasks is {tasks}, but {path} says that the first job had --tasks {recorded}; give all jobs the same "
            "number."
        )
    write_bytes_atomic(path, json.dumps({"tasks": tasks}).encode())


def recorded_tasks(work: Path) -> int | None:
    """Return the number of jobs, or None where none has begun."""
    path = work / TASKS_NAME
    try:
        return int(read_json(path)["tasks"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} does not state the number of jobs, it is damaged ({error}); remove it.") from error


def record_failure(task: PieceTask, message: str) -> None:
    """Record that an image cannot be used, as it is now; it may be missing."""
    key, fingerprint = task.parameters.key(task.source), known_fingerprint(task.source)
    content = {"key": key, "fingerprint": fingerprint, "message": message}
    write_bytes_atomic(failure_path(task.pieces_dir, task.source.stem), json.dumps(content).encode())


def recorded_failure(task: PieceTask) -> Failure | None:
    """Return the failure of an image, if one is recorded and neither files nor parameters have changed since."""
    try:
        content = read_json(failure_path(task.pieces_dir, task.source.stem))
        holds = content["key"] == task.parameters.key(task.source)
        holds = holds and content["fingerprint"] == known_fingerprint(task.source)
        return Failure(task.source.stem, str(content["message"])) if holds else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded_end(task: PieceTask) -> Receipt | Failure | None:
    """Return what became of an image, or None if its job has not finished it."""
    return valid_receipt(task) or recorded_failure(task)


def check_finished(unfinished: Iterable[PieceTask], ordered: Sequence[PieceTask], tasks: int) -> None:
    """Refuse to put together what is not complete.

    Args:
        unfinished: images that no job has finished.
        ordered: all images, sorted by name.
        tasks: number of jobs.

    Raises:
        BuildError: some jobs have not finished; names them.
    """
    missing = {task.source.stem for task in unfinished}
    by_task: dict[int, list[str]] = {}
    for number, task in enumerate(ordered):
        if task.source.stem in missing:
            by_task.setdefault(number % tasks, []).append(task.source.stem)
    if by_task:
        lines = [
            f"  task {number}: {counted(len(stems), 'image')}, {', '.join(stems[:_NAMED_IMAGES])}"
            f"{', ...' if len(stems) > _NAMED_IMAGES else ''}"
            for number, stems in sorted(by_task.items())
        ]
        raise BuildError("\n".join([f"Not all of the {tasks} tasks have finished; run these again:", *lines]))
