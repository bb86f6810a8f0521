"""The verb `build`: parse, call, report."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.channels import ChannelOptions
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    CHANNEL,
    CHANNELS,
    MASK_CHANNEL,
    MASK_SUFFIX,
    MASKS,
    OVERWRITE,
    PREFER,
    QUIET,
    RECURSIVE,
    SCHEDULER,
    SEED,
    WORKERS,
    available_cores,
)

from .arguments import (
    CROP_PX,
    DRY_RUN,
    FINISH,
    FRAME_UM,
    FRESH,
    GROUP_BY,
    IGNORE_FILE_SCALE,
    LOG,
    NAME_PATTERN,
    OUT,
    OUTSIDE,
    PIXELS_PER_UM,
    RECIPE,
    SAMPLES,
    SAMPLES_MISSING,
    SPLITS,
    STITCHED,
    STUDY,
    TASK,
    TASKS,
)
from .options import BuildOptions

if TYPE_CHECKING:
    from .outcome import Outcome
    from .shares import Share


def build(
    stitched: STITCHED,
    *,
    masks: MASKS = BuildOptions.masks,
    mask_suffix: MASK_SUFFIX = None,
    recursive: RECURSIVE = BuildOptions.recursive,
    name_pattern: NAME_PATTERN = BuildOptions.name_pattern,
    samples: SAMPLES = BuildOptions.samples,
    samples_missing: SAMPLES_MISSING = None,
    pixels_per_um: PIXELS_PER_UM = BuildOptions.pixels_per_um,
    ignore_file_scale: IGNORE_FILE_SCALE = BuildOptions.ignore_file_scale,
    allow_pickle: ALLOW_PICKLE = BuildOptions.allow_pickle,
    prefer: PREFER = None,
    channels: CHANNELS = None,
    channel: CHANNEL = None,
    mask_channel: MASK_CHANNEL = None,
    recipe: RECIPE = BuildOptions.recipe,
    outside: OUTSIDE = BuildOptions.outside,
    crop_px: CROP_PX = BuildOptions.crop_px,
    frame_um: FRAME_UM = BuildOptions.frame_um,
    splits: SPLITS = BuildOptions.splits,
    group_by: GROUP_BY = BuildOptions.group_by,
    study: STUDY = BuildOptions.study,
    seed: SEED = BuildOptions.seed,
    workers: WORKERS = None,
    scheduler: SCHEDULER = BuildOptions.scheduler,
    task: TASK = None,
    tasks: TASKS = None,
    finish: FINISH = False,
    fresh: FRESH = BuildOptions.fresh,
    dry_run: DRY_RUN = False,
    out: OUT = Path(BARE_NAME),
    overwrite: OVERWRITE = BuildOptions.overwrite,
    log: LOG = BuildOptions.log,
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
        channels=ChannelOptions.of_text(channels, channel, mask_channel),
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
    from nucleusnet_core.inputs.find import find_inputs

    from .outcome import dry_run_outcome
    from .understanding import understood

    return dry_run_outcome(understood(find_inputs(options.stitched, options.find_options()), options))


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
