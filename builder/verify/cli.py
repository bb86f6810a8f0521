"""The verb `verify`: parse, call, report."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.location import local_folder
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, QUIET, WORKERS, available_cores
from nucleusnet_core.terminal.wording import counted


def verify(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[SOURCE]",
            help="The dataset folder. Default: ./nucleusnet, else $NUCLEUSNET_DATA.",
            show_default=False,
        ),
    ] = BARE_NAME,
    *,
    workers: WORKERS = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Check every file, image and count of a dataset folder.

    Files are compared with their checksums, images are decoded, and found = kept + dropped is counted again. Everything
    that is wrong is listed, and the exit code is 1 then.

    Example: nucleusnet verify nucleusnet
    """
    from .verify import verify as run

    folder = local_folder(source)
    with Bars(quiet=quiet) as bars:
        result = run(folder, workers=workers or available_cores(), progress=bars)
    problems = [asdict(problem) for problem in result.problems]
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
