"""Options that several verbs have, each stated once."""

import os
from typing import Annotated

import typer

SEED = Annotated[int, typer.Option(help="Decides every random choice; the same seed gives the same bytes.")]


RECURSIVE = Annotated[bool, typer.Option("--recursive", help="Look for images in subfolders too.")]


SCHEDULER = Annotated[
    str | None, typer.Option(help="Dask scheduler that works instead: its address or file.", show_default=False)
]


QUIET = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


AS_JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to stdout.")]


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
