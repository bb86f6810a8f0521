"""The verb `verify`: parse, call, report."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, QUIET, available_cores
from nucleusnet_core.terminal.wording import counted


def verify(
    folder: Annotated[Path, typer.Argument(help="The dataset folder.")] = Path("nucleusnet"),
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: the cores.", show_default=False)
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Check every file, cell and count of a dataset folder.

    Example: nucleusnet verify nucleusnet
    """
    from .verify import verify as run

    with Bars(quiet=quiet) as bars:
        result = run(folder, workers=workers or available_cores(), stage=bars.stage, step=bars.step)
    problems = [{"where": problem.where, "message": problem.message} for problem in result.problems]
    if as_json:
        print(json.dumps({"folder": str(folder), "files": result.files, "rows": result.rows, "problems": problems}))
    else:
        nuclei = counted(result.rows, "nucleus", "nuclei")
        found = counted(len(problems), "problem") if problems else "no problems"
        print(f"{folder}: {counted(result.files, 'file')}, {nuclei}, {found}")
    for problem in problems:
        print(f"{problem['where']}: {problem['message']}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
