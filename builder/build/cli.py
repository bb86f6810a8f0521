"""The verbs of the builder: parse, call, report."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.errors import UsageError
from nucleusnet_core.stitched_names import DEFAULT_NAME_PATTERN
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, QUIET, RECURSIVE, SCHEDULER, SEED, available_cores


class Outside(StrEnum):
    """What a crop shows outside the nucleus."""

    zero = "zero"
    keep = "keep"


class Recipe(StrEnum):
    """How a nucleus is cut."""

    published = "published"
    refined = "refined"


def build(
    stitched: Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif.")],
    *,
    out: Annotated[Path, typer.Option(help="The dataset folder to be.")] = Path("nucleusnet"),
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if another.")] = None,
    pixels_per_um: Annotated[float, typer.Option(help="Scale of the images.")] = 8.0453,
    seed: SEED = 0,
    splits: Annotated[str, typer.Option(help="Fractions of the runs.")] = "train=0.8,validation=0.1,test=0.1",
    name_pattern: Annotated[
        str, typer.Option(help="Regular expression with groups run, quarter, position.", show_default=False)
    ] = DEFAULT_NAME_PATTERN,
    recipe: Annotated[
        Recipe, typer.Option(help="How a nucleus is cut: as published, or whole and always turned the same way.")
    ] = Recipe.published,
    outside: Annotated[Outside, typer.Option(help="What a crop shows outside the nucleus.")] = Outside.zero,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: the cores.", show_default=False)
    ] = None,
    scheduler: SCHEDULER = None,
    task: Annotated[
        int | None, typer.Option(help="Make only this share of the pieces, 0 to TASKS - 1.", show_default=False)
    ] = None,
    tasks: Annotated[int | None, typer.Option(help="Number of shares, with --task.", show_default=False)] = None,
    finish: Annotated[bool, typer.Option("--finish", help="Put the pieces of all shares together.")] = False,
    recursive: RECURSIVE = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing dataset folder.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.")] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Read masks <name>_seg.npy of images that have no other.")
    ] = False,
    log: Annotated[
        Path | None, typer.Option(help="Log file; default: in OUT.work, while it exists.", show_default=False)
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Facts about the study for the dataset card, TOML.", show_default=False)
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Turn stitched images and masks into a dataset folder.

    Everything is made in OUT.work and appears as OUT when it is complete; call again to resume. Images that fail are
    listed at the end and leave the others alone.

    In jobs that share a folder: run all of --task 0 to N - 1 with --tasks N, then once --finish.

    Example: nucleusnet build stitched --out nucleusnet --pixels-per-um 8.0453 --workers 8
    """
    check_shares(task, tasks, finish=finish, fresh=fresh)
    from nucleusnet_core.terminal.progress import Progress

    from .build import build as build_all
    from .build import build_share, finish_build
    from .options import BuildOptions
    from .outcome import report_build, report_share
    from .shares import Share

    options = BuildOptions(
        stitched=stitched,
        out=out.absolute(),
        masks=masks,
        pixels_per_um=pixels_per_um,
        seed=seed,
        splits=splits,
        name_pattern=name_pattern,
        recipe=recipe.value,
        outside=outside.value,
        workers=available_cores() if workers is None else workers,
        scheduler=scheduler,
        recursive=recursive,
        overwrite=overwrite,
        fresh=fresh,
        allow_pickle=allow_pickle,
        log=log,
        study=study,
    )
    with Bars(quiet=quiet) as bars:
        progress = Progress(bars.stage, bars.step)
        if task is not None and tasks is not None:
            report_share(build_share(options, Share(task, tasks), progress), f"task {task} of {tasks}", as_json=as_json)
            return
        result = finish_build(options, progress) if finish else build_all(options, progress)
    report_build(result, out, options.fractions, as_json=as_json)


def check_shares(task: int | None, tasks: int | None, *, finish: bool, fresh: bool) -> None:
    """Refuse options about shares that contradict each other."""
    if (task is None) != (tasks is None):
        raise UsageError("--task and --tasks: both expected, one found; such as --task 3 --tasks 10.")
    if finish and task is not None:
        raise UsageError("--finish: expected on its own after all tasks, found together with --task.")
    if fresh and (finish or task is not None):
        raise UsageError("--fresh: expected without --task and --finish, which share a folder; remove OUT.work.")
