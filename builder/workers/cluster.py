"""Workers of a Dask cluster that is running already: on SLURM, in a cloud, or on the machines of a lab."""

import contextlib
import functools
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import BuildError, UsageError

from .engine import Workers

WAIT_FOR_WORKERS_SECONDS = 60
_ADDRESS = re.compile(r"([a-z]+://)?[^/]+:\d+")
# Workers may join at any time, and tasks are small: the scheduler gets many at once and shares them out.
TASKS_AT_SCHEDULER = 500


@contextlib.contextmanager
def dask_workers(scheduler: str) -> Iterator[Workers]:
    """Yield the workers of a Dask scheduler; afterwards it and its workers go on running.

    The workers need the same version of this package, and the same folders under the same paths.

    Args:
        scheduler: address such as "tcp://10.0.0.1:8786", or the path of a scheduler file.

    Raises:
        UsageError: distributed is not installed, or there is no scheduler or no worker.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            '--scheduler: Dask is not installed; run: python -m pip install "nucleusnet[cluster]".'
        ) from error
    place = _place(scheduler)
    try:
        client: Any = Client(**place, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--scheduler: no Dask scheduler answers at {scheduler!r} ({error}); start one with `dask scheduler`, and "
            "give its address or its file."
        ) from error
    with client:
        wait_for_workers(client, scheduler)
        yield Workers(functools.partial(make_executor, client, scheduler), TASKS_AT_SCHEDULER)


def _place(scheduler: str) -> dict[str, str]:
    """Return whether a scheduler is named by file or address; Dask itself would wait a minute for any other text."""
    if Path(scheduler).is_file():
        return {"scheduler_file": scheduler}
    if not _ADDRESS.fullmatch(scheduler):
        raise UsageError(
            f"--scheduler: {scheduler!r} is neither the address (tcp://HOST:PORT) nor the file of a running Dask "
            "scheduler; check the spelling."
        )
    return {"address": scheduler}


def wait_for_workers(client: Any, scheduler: str) -> None:
    """Wait until a cluster has a worker.

    Raises:
        UsageError: none has come.
    """
    try:
        client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS_SECONDS)
    except TimeoutError as error:
        raise UsageError(
            f"--scheduler: {scheduler} has no worker, and none came in {WAIT_FOR_WORKERS_SECONDS} s; start some with "
            "`dask worker`."
        ) from error


def make_executor(client: Any, scheduler: str) -> Executor:
    """Return an executor; `pure=False` since a task writes files and must run each time it is asked for.

    Raises:
        BuildError: the scheduler has gone.
    """
    if client.status != "running":
        raise BuildError(f"The Dask scheduler {scheduler} has gone; call again: what is finished is kept.")
    executor: Executor = client.get_executor(pure=False)
    return executor
