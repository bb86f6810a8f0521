"""The verb `build`: parse, call, report."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    DATASET,
    INPUT,
    MASK_SUFFIX,
    MASKS,
    NUCLEI,
    OUTPUT,
    OVERWRITE,
    PREFER,
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

if TYPE_CHECKING:
    from .outcome import Outcome
    from .shares import Share


class SamplesMissing(StrEnum):
    """What images get that have no row in the sample sheet."""

    null = "null"


_STITCHED = Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif or .png.")]
_NAME_PATTERN = Annotated[
    str | None,
    typer.Option(
        help="Regular expression for the whole names of the images, with groups such as run, quarter and position; "
        "every other group becomes a column. Default: names like Run72TR_bottom_left.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
_SAMPLES = Annotated[
    Path | None,
    typer.Option(
        help="Sample sheet (.csv, .tsv or .parquet): a row for each image, run or well; its other columns become "
        "columns of the dataset.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
_SAMPLES_MISSING = Annotated[
    SamplesMissing | None,
    typer.Option(
        help="Leave the columns of the sample sheet empty for images that have no row in it.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
_PIXELS_PER_UM = Annotated[
    float | None,
    typer.Option(
        help="Scale of the images in pixels per micrometre; default: what each image states.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
_IGNORE_FILE_SCALE = Annotated[
    bool,
    typer.Option(
        "--ignore-file-scale",
        help="Use the scale that you give even where an image states another one.",
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
_CROP_PX = Annotated[
    int, typer.Option(help="Side of a crop in pixels, with --recipe refined: 32, 40, ... 1024.", rich_help_panel=NUCLEI)
]
_FRAME_UM = Annotated[
    float | None,
    typer.Option(
        help="Side of what a crop shows in micrometres, with --recipe refined; default: the pixels of the image.",
        show_default=False,
        rich_help_panel=NUCLEI,
    ),
]
_SPLITS = Annotated[
    str, typer.Option(help="Splits and their fractions of the runs; a run is never divided.", rich_help_panel=DATASET)
]
_GROUP_BY = Annotated[
    str,
    typer.Option(
        help="Column whose values are never divided between splits, such as well or patient.", rich_help_panel=DATASET
    ),
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
_DRY_RUN = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what the build would do, from a look at a few images, and write nothing.",
        rich_help_panel=RUNNING,
    ),
]
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
    mask_suffix: MASK_SUFFIX = None,
    recursive: RECURSIVE = BuildOptions.recursive,
    name_pattern: _NAME_PATTERN = BuildOptions.name_pattern,
    samples: _SAMPLES = BuildOptions.samples,
    samples_missing: _SAMPLES_MISSING = None,
    pixels_per_um: _PIXELS_PER_UM = BuildOptions.pixels_per_um,
    ignore_file_scale: _IGNORE_FILE_SCALE = BuildOptions.ignore_file_scale,
    allow_pickle: ALLOW_PICKLE = BuildOptions.allow_pickle,
    prefer: PREFER = None,
    recipe: _RECIPE = BuildOptions.recipe,
    outside: _OUTSIDE = BuildOptions.outside,
    crop_px: _CROP_PX = BuildOptions.crop_px,
    frame_um: _FRAME_UM = BuildOptions.frame_um,
    splits: _SPLITS = BuildOptions.splits,
    group_by: _GROUP_BY = BuildOptions.group_by,
    study: _STUDY = BuildOptions.study,
    seed: SEED = BuildOptions.seed,
    workers: WORKERS = None,
    scheduler: SCHEDULER = BuildOptions.scheduler,
    task: _TASK = None,
    tasks: _TASKS = None,
    finish: _FINISH = False,
    fresh: _FRESH = BuildOptions.fresh,
    dry_run: _DRY_RUN = False,
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
    check_shares(task, tasks, finish=finish, fresh=fresh, dry_run=dry_run)
    from .shares import Share

    options = BuildOptions(
        stitched=stitched,
        out=out.absolute(),
        masks=masks,
        mask_suffixes=tuple(mask_suffix or ()),
        name_pattern=name_pattern,
        samples=samples,
        samples_missing_null=samples_missing is not None,
        pixels_per_um=pixels_per_um,
        ignore_file_scale=ignore_file_scale,
        prefer=prefer or BuildOptions.prefer,
        seed=seed,
        splits=splits,
        group_by=group_by,
        recipe=recipe,
        outside=outside,
        crop_px=crop_px,
        frame_um=frame_um,
        workers=workers or available_cores(),
        scheduler=scheduler,
        recursive=recursive,
        overwrite=overwrite,
        fresh=fresh,
        allow_pickle=allow_pickle,
        log=log,
        study=study,
    )
    if dry_run:
        outcome = what_would_be(options)
    elif task is not None and tasks is not None:
        outcome = built_share(options, Share(task, tasks), quiet=quiet)
    else:
        outcome = built(options, out, finish=finish, quiet=quiet)
    print(json.dumps(outcome.summary) if as_json else outcome.text)
    if outcome.failed:
        print(outcome.failed, file=sys.stderr)
        raise typer.Exit(1)


def what_would_be(options: BuildOptions) -> "Outcome":
    """Return what a build would do; nothing is written."""
    from nucleusnet_core.inputs.pairs import find_sources

    from .outcome import dry_run_outcome
    from .understanding import understood

    return dry_run_outcome(understood(find_sources(options.stitched, options.find_options()), options))


def built_share(options: BuildOptions, share: "Share", *, quiet: bool) -> "Outcome":
    """Do the part of one job."""
    from .build import build_share
    from .outcome import share_outcome

    with Bars(quiet=quiet) as bars:
        return share_outcome(build_share(options, share, bars), share)


def built(options: BuildOptions, out: Path, *, finish: bool, quiet: bool) -> "Outcome":
    """Build all, or put together what all jobs have made."""
    from .build import build as build_all
    from .build import find, finish_build
    from .outcome import build_outcome
    from .understanding import first_lines
    from .work_folder import make_work_folder

    found = find(options)
    if not quiet and not finish:
        make_work_folder(options.out)  # where it cannot be made, that is said alone
        print("\n".join(first_lines(found, options)), file=sys.stderr)
    with Bars(quiet=quiet) as bars:
        result = finish_build(options, bars, found) if finish else build_all(options, bars, found)
    return build_outcome(result, out, options)


def check_shares(task: int | None, tasks: int | None, *, finish: bool, fresh: bool, dry_run: bool) -> None:
    """Refuse options about shares that contradict each other."""
    if dry_run and (finish or task is not None or tasks is not None):
        raise UsageError("--dry-run looks at the whole build; leave out --task, --tasks and --finish.")
    if (task is None) != (tasks is None):
        raise UsageError("--task and --tasks go together; give both, such as --task 3 --tasks 10.")
    if finish and task is not None:
        raise UsageError("--finish runs on its own after all tasks; leave out --task and --tasks.")
    if fresh and (finish or task is not None):
        raise UsageError("--fresh starts a build again that all tasks share; remove OUT.work instead.")
