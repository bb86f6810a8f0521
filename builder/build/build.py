"""The whole build: stitched images and masks -> pieces -> shards -> a dataset folder."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import nucleusnet_dataset
from nucleusnet_core.contract import DEFAULT
from nucleusnet_core.errors import Failure, UsageError
from nucleusnet_core.files.disk_space import check_space, disk_failures_reported, file_bytes, space_for_images
from nucleusnet_core.inputs.find import find_inputs
from nucleusnet_core.inputs.pairs import FoundInputs, Source
from nucleusnet_core.terminal.outputs import output_file
from nucleusnet_core.terminal.progress import NoProgress, Progress
from nucleusnet_core.terminal.wording import counted

from ..pieces.ensure import ensure_piece
from ..pieces.receipt import Receipt
from ..pieces.task import PieceTask, source_files
from ..workers.cluster import dask_workers
from ..workers.engine import Workers, in_order, local_workers, run_tasks
from ..workers.failure import collect
from ..workers.log import LOG, logging_to
from ..workers.watch import seconds_for
from .assembly import BuildResult, Made, assemble_dataset
from .options import BuildOptions
from .shares import Share, check_finished, record_failure, record_tasks, recorded_end, recorded_tasks
from .work_folder import WorkFolder, check_output, join_work, make_work_folder, open_work, work_folder


@dataclass(frozen=True)
class ShareResult:
    """What one of several jobs has done.

    Attributes:
        images: number of pieces that are finished.
        nuclei: kept in them.
        failures: images that cannot be used.
    """

    images: int
    nuclei: int
    failures: list[Failure]


def build(options: BuildOptions, progress: Progress | None = None, found: FoundInputs | None = None) -> BuildResult:
    """Build a dataset folder; what fails for one image is returned, the others are built.

    Args:
        options: what to build.
        progress: told of it.
        found: what `find` returns, where that is known.

    Raises:
        UsageError: options that cannot work, an output that exists, or a work folder of another build.
        OutputError: the output cannot be written, or the disk is full.
        PairingError: there are no images, or no masks.
        BuildError: nothing could be built; lists why.
    """
    progress = progress or NoProgress()
    found = found or find(options)
    with (
        disk_failures_reported(work_folder(options.out).path),
        open_work(options.out, recorded_parameters(options, found), fresh=options.fresh) as work,
    ):
        with logging_to(options.log or work.log), workers_of(options) as workers:
            check_space_for(found.sources, work)
            receipts, failed = make_pieces(piece_tasks(options, found, found.sources, work), workers, progress)
            made = Made(receipts, [*found.failures, *failed])
            result = assemble_dataset(options, found, made, work, workers=workers, progress=progress)
        return cleared(result, work)


def build_share(options: BuildOptions, share: Share, progress: Progress | None = None) -> ShareResult:
    """Make the pieces of one share of the images; `finish_build` puts the pieces of all shares together.

    Raises:
        As `build`.
    """
    progress = progress or NoProgress()
    found = find(options)
    own = found.sources[share.task :: share.tasks]
    with disk_failures_reported(work_folder(options.out).path):
        work = make_work_folder(options.out)
        join_work(work, recorded_parameters(options, found))
        record_tasks(work.path, share.tasks)
        log_path = options.log or work.path / f"task-{share.task}.log"
        with logging_to(log_path), workers_of(options) as workers:
            check_space_for(own, work)
            tasks = piece_tasks(options, found, own, work)
            receipts, failures = make_pieces(tasks, workers, progress)
            messages = {failure.name: failure.message for failure in failures}
            for task in tasks:
                if task.source.stem in messages:
                    record_failure(task, messages[task.source.stem])
                    LOG.error("%s: %s", task.source.stem, messages[task.source.stem])
    return ShareResult(len(receipts), sum(receipt.kept for receipt in receipts), failures)


def finish_build(
    options: BuildOptions, progress: Progress | None = None, found: FoundInputs | None = None
) -> BuildResult:
    """Put the pieces of all shares together.

    Args:
        options: what to build.
        progress: told of it.
        found: what `find` returns, where that is known.

    Raises:
        BuildError: some shares have not finished; names them.
        And as `build`.
    """
    progress = progress or NoProgress()
    found = found or find(options)
    tasks = recorded_tasks(work_folder(options.out).path)
    if tasks is None:
        raise UsageError(
            f"--finish: no task has begun in {work_folder(options.out).path}; first run all tasks: "
            "nucleusnet build ... --task 0 --tasks N."
        )
    with (
        disk_failures_reported(work_folder(options.out).path),
        open_work(options.out, recorded_parameters(options, found), fresh=False) as work,
    ):
        with logging_to(options.log or work.log), workers_of(options) as workers:
            ordered = piece_tasks(options, found, found.sources, work)
            ends = gather_ends(ordered, workers, progress)
            check_finished([task for task, end in zip(ordered, ends, strict=True) if end is None], ordered, tasks)
            receipts = [end for end in ends if isinstance(end, Receipt)]
            made = Made(receipts, [*found.failures, *(end for end in ends if isinstance(end, Failure))])
            result = assemble_dataset(options, found, made, work, workers=workers, progress=progress)
        return cleared(result, work)


def cleared(result: BuildResult, work: WorkFolder) -> BuildResult:
    """Remove the work folder unless something failed; its log is closed by now, else Windows would keep it."""
    if result.work is None:
        work.remove()
    return result


def gather_ends(tasks: Sequence[PieceTask], workers: Workers, progress: Progress) -> list[Receipt | Failure | None]:
    """Return what other jobs have made of each image, checked; see `recorded_end`."""
    progress.begin("images", len(tasks))
    ends: list[Receipt | Failure | None] = []
    found = in_order(recorded_end, tasks, make_executor=workers.make_executor, workers=workers.count)
    with contextlib.closing(found):
        for end in found:
            ends.append(end)
            progress.step(nuclei=end.kept if isinstance(end, Receipt) else 0)
    return ends


def find(options: BuildOptions) -> FoundInputs:
    """Return the pairs of images and masks that the options name, where the output may be made.

    Raises:
        UsageError: the output exists, or lies in a dataset or among the images; the log is an input.
        OutputError: the output cannot be written there.
        PairingError: there are no images, or no masks.
    """
    check_output(options.out, images=options.stitched, overwrite=options.overwrite)
    found = find_inputs(options.stitched, options.find_options())
    if options.log is not None and options.log.exists():  # it is continued, so it must not be what is read
        read = [path for source in found.sources for path in source_files(source)]
        read += [options.study] if options.study is not None else []
        output_file(options.log, suffixes=("",), overwrite=True, inputs=read, option="--log")
    return found


def recorded_parameters(options: BuildOptions, found: FoundInputs) -> dict[str, Any]:
    """Return what a work folder is begun with; it is not resumed with another."""
    return options.recorded_parameters() | {"channels": list(found.channels.names)}


def workers_of(options: BuildOptions) -> contextlib.AbstractContextManager[Workers]:
    """Return a context with the workers that the options name."""
    if options.scheduler is None:
        return contextlib.nullcontext(local_workers(options.workers))
    return dask_workers(options.scheduler)


def check_space_for(sources: Sequence[Source], work: WorkFolder) -> None:
    """Refuse to start when the disk is too small for what these images still need.

    Raises:
        OutputError: less is free than needed.
    """
    needed = space_for_images(
        file_bytes(path for source in sources for path in (source.image_path, *source.further_paths)),
        file_bytes(work.pieces.iterdir()),
    )
    check_space(work.path, needed, counted(len(sources), "image"))


def piece_tasks(
    options: BuildOptions, found: FoundInputs, sources: Sequence[Source], work: WorkFolder
) -> list[PieceTask]:
    """Return one task for each image."""
    columns = nucleusnet_dataset.features(DEFAULT, extra=found.columns, channels=found.channels.names).arrow_schema
    parameters = replace(options.piece_parameters(), channels=found.channels)
    return [PieceTask(source, parameters, columns, work.pieces, options.allow_pickle) for source in sources]


def make_pieces(
    tasks: Sequence[PieceTask], workers: Workers, progress: Progress
) -> tuple[list[Receipt], list[Failure]]:
    """Make the pieces that are not there yet, and return receipts and failures, in any order."""
    LOG.info("%d images, up to %d at once", len(tasks), workers.count)
    progress.begin("images", len(tasks))
    return collect(
        run_tasks(
            ensure_piece,
            tasks,
            make_executor=workers.make_executor,
            workers=workers.count,
            seconds=lambda task: seconds_for(*source_files(task.source)),
        ),
        name=lambda task: task.source.stem,
        nuclei=lambda receipt: receipt.kept,
        progress=progress,
        on_result=lambda receipt: LOG.info("%s: kept %d of %d", receipt.stem, receipt.kept, receipt.num_rois),
    )
