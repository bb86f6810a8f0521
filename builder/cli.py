"""The verbs of the builder: parse, call, report."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_source.errors import UsageError
from nucleusnet_source.wording import counted

from .bars import Bars, bar
from .sources import DEFAULT_NAME_PATTERN

SEED = Annotated[int, typer.Option(help="Decides every random choice; the same seed gives the same bytes.")]
RECURSIVE = Annotated[bool, typer.Option("--recursive", help="Look for images in subfolders too.")]
SCHEDULER = Annotated[
    str | None, typer.Option(help="Dask scheduler that works instead: its address or file.", show_default=False)
]
QUIET = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to stdout.")]


class Outside(StrEnum):
    """What a crop shows outside the nucleus."""

    zero = "zero"
    keep = "keep"


class Recipe(StrEnum):
    """How a nucleus is cut."""

    published = "published"
    refined = "refined"


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the images go; made if missing.")],
    *,
    images: Annotated[int, typer.Option(help="Number of stitched images.")] = 24,
    size: Annotated[int, typer.Option(help="Height and width of an image, px.")] = 3000,
    density: Annotated[float, typer.Option(help="Nuclei on a square millimetre; real images show 275.")] = 1100.0,
    seed: SEED = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    quiet: QUIET = False,
) -> None:
    """Make stitched images with masks and truth, to try everything on.

    The images show DAPI-like nuclei at 8.0453 px/um: touching neighbours, nuclei cut by the border, anaphase pairs,
    micronuclei, debris, an empty image.

    Example: nucleusnet simulate stitched --images 24 --size 3000 --seed 0
    """
    from .simulate.simulate import simulate as run  # noqa: PLC0415 - `--help` stays fast

    with bar("simulate", images, "image", quiet=quiet, delay=0.2) as shown:
        made = run(
            folder,
            images=images,
            size_px=size,
            seed=seed,
            nuclei_per_mm2=density,
            overwrite=overwrite,
            on_image=lambda _files: shown.update(1),
        )
    nuclei = counted(sum(files.nuclei for files in made), "nucleus", "nuclei")
    print(f"{folder}: {counted(len(made), 'image')} of {size} x {size} px, {nuclei}")


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
    from .array_tasks import Share  # noqa: PLC0415 - `--help` stays fast
    from .build import build as build_all  # noqa: PLC0415
    from .build import build_share, finish_build  # noqa: PLC0415
    from .options import BuildOptions  # noqa: PLC0415
    from .outcome import report_build, report_share  # noqa: PLC0415
    from .reporting import Progress  # noqa: PLC0415

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
    from .verify.verify import verify as run  # noqa: PLC0415 - `--help` stays fast

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


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
