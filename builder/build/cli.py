"""The verb `build`: parse, call, report."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    DATASET,
    INPUT,
    MASKS,
    NUCLEI,
    OUTPUT,
    OVERWRITE,
    QUIET,
    RECURSIVE,
    RUNNING,
    SCHEDULER,
    SEED,
    WORKERS,
    available_cores,
)

from ..cutting.recipe import Outside, Recipe
from .options import BuildOptions

_STITCHED = Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif.")]
_PIXELS_PER_UM = Annotated[
    float, typer.Option(help="Scale of the images: pixels per micrometre.", rich_help_panel=INPUT)
]
_NAME_PATTERN = Annotated[
    str,
    typer.Option(
        help="Regular expression for the names of the images, with groups run, quarter and position; default: names "
        "like Run72TR_bottom_left.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
_RECIPE = Annotated[
    Recipe,
    typer.Option(
        help="How a nucleus is cut: as in the published data, or whole and always turned the same way (refined).",
        rich_help_panel=NUCLEI,
    ),
]
_OUTSIDE = Annotated[
    Outside,
    typer.Option(
        help="What a crop shows outside its nucleus: nothing (zero), or the surroundings (keep).",
        rich_help_panel=NUCLEI,
    ),
]
_SPLITS = Annotated[
    str, typer.Option(help="Splits and their fractions of the runs; a run is never divided.", rich_help_panel=DATASET)
]
_STUDY = Annotated[
    Path | None,
    typer.Option(
        help="Facts about the study for the dataset card, in a file like study.toml.",
        show_default=False,
        rich_help_panel=DATASET,
    ),
]
_TASK = Annotated[
    int | None,
    typer.Option(
        min=0, help="Work on this part of the images only, 0 to TASKS - 1.", show_default=False, rich_help_panel=RUNNING
    ),
]
_TASKS = Annotated[
    int | None,
    typer.Option(min=1, help="Number of parts, with --task.", show_default=False, rich_help_panel=RUNNING),
]
_FINISH = Annotated[
    bool,
    typer.Option("--finish", help="Put together what all tasks have made.", rich_help_panel=RUNNING),
]
_FRESH = Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.", rich_help_panel=RUNNING)]
_LOG = Annotated[
    Path | None,
    typer.Option(
        help="Log file, which is continued; default: in OUT.work, while that exists.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
_OUT = Annotated[Path, typer.Option(help="Where to write the dataset folder.", rich_help_panel=OUTPUT)]


def build(
    stitched: _STITCHED,
    *,
    masks: MASKS = BuildOptions.masks,
    pixels_per_um: _PIXELS_PER_UM = BuildOptions.pixels_per_um,
    name_pattern: _NAME_PATTERN = BuildOptions.name_pattern,
    recursive: RECURSIVE = BuildOptions.recursive,
    allow_pickle: ALLOW_PICKLE = BuildOptions.allow_pickle,
    recipe: _RECIPE = BuildOptions.recipe,
    outside: _OUTSIDE = BuildOptions.outside,
    splits: _SPLITS = BuildOptions.splits,
    study: _STUDY = BuildOptions.study,
    seed: SEED = BuildOptions.seed,
    workers: WORKERS = None,
    scheduler: SCHEDULER = BuildOptions.scheduler,
    task: _TASK = None,
    tasks: _TASKS = None,
    finish: _FINISH = False,
    fresh: _FRESH = BuildOptions.fresh,
    out: _OUT = Path(BARE_NAME),
    overwrite: OVERWRITE = BuildOptions.overwrite,
    log: _LOG = BuildOptions.log,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Turn stitched images and masks into a dataset folder.

    Everything is made in OUT.work and appears as OUT when it is complete; call again to resume. Images that fail are
    listed at the end and leave the others alone.

    To split a build into N jobs that share a folder, run each with --task 0 ... N-1 --tasks N, then once with --finish.

    Example: nucleusnet build stitched --out nucleusnet --pixels-per-um 8.0453
    """
    check_shares(task, tasks, finish=finish, fresh=fresh)
    from .build import build as build_all
    from .build import build_share, finish_build
    from .outcome import build_outcome, share_outcome
    from .shares import Share

    options = BuildOptions(
        stitched=stitched,
        out=out.absolute(),
        masks=masks,
        pixels_per_um=pixels_per_um,
        seed=seed,
        splits=splits,
        name_pattern=name_pattern,
        recipe=recipe,
        outside=outside,
        workers=workers or available_cores(),
        scheduler=scheduler,
        recursive=recursive,
        overwrite=overwrite,
        fresh=fresh,
        allow_pickle=allow_pickle,
        log=log,
        study=study,
    )
    with Bars(quiet=quiet) as bars:
        if task is not None and tasks is not None:
            share = Share(task, tasks)
            outcome = share_outcome(build_share(options, share, bars), share)
        else:
            result = finish_build(options, bars) if finish else build_all(options, bars)
            outcome = build_outcome(result, out, options.fractions)
    print(json.dumps(outcome.summary) if as_json else outcome.text)
    if outcome.failed:
        print(outcome.failed, file=sys.stderr)
        raise typer.Exit(1)


def check_shares(task: int | None, tasks: int | None, *, finish: bool, fresh: bool) -> None:
    """Refuse options about shares that contradict each other."""
    if (task is None) != (tasks is None):
        raise UsageError("--task and --tasks go together; give both, such as --task 3 --tasks 10.")
    if finish and task is not None:
        raise UsageError("--finish runs on its own after all tasks; leave out --task and --tasks.")
    if fresh and (finish or task is not None):
        raise UsageError("--fresh starts a build again that all tasks share; remove OUT.work instead.")
