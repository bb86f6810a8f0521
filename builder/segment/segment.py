"""A folder of stitched images to masks beside them: resumed, one bad image never ends it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path

from nucleusnet_core.errors import OutputError, PairingError, UsageError, WeightsError
from nucleusnet_core.files.disk_space import disk_full_reported, is_disk_full
from nucleusnet_core.stitched_names import by_stem, is_image, is_text, list_files
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from ..inputs.mask_file import mask_paths
from ..inputs.pairs import case_clashes, duplicates, unreadable_names
from ..workers.cluster import dask_workers
from ..workers.engine import Workers, local_workers, run_tasks
from ..workers.failure import Failure
from .device import choose_device, describe, gpu_count, new_slots
from .flows.blocks import plan_blocks
from .image_task import ImageTask, Place, finished, segment_image
from .memory import available_memory
from .network.cellpose_modules import check_version, installed_version
from .network.network import check_weights
from .network.weights import WeightsFile, WeightsKind, find_weights, read_weights_file
from .receipts import Labelling, SegmentParameters, SegmentReceipt

_PUBLISHED_MODELS = {
    **dict.fromkeys(("cpsam", "cpsam_v2"), WeightsKind.cellpose_sam),
    **dict.fromkeys(("cpdino", "cpdino-vitb"), WeightsKind.cellpose_dino),
    **dict.fromkeys(("cyto", "cyto2", "cyto3", "nuclei"), WeightsKind.cellpose_3),
}
_VERSIONS = ("nucleusnet", "cellpose", "torch", "numpy")


@dataclass(frozen=True)
class SegmentOptions(Labelling):
    """What the user asked for, besides how labels are found.

    Attributes:
        stitched: folder of the images.
        model: path of a weights file, or a name that cellpose knows.
        out: folder of the masks, None for beside the images.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        batch_size: tiles of the network at a time.
        download: fetch a named model that is not on this machine.
        recursive: look for images in subfolders too.
        overwrite: replace masks that were made in another way.
        workers: processes, None for one for each GPU, or one.
        scheduler: Dask scheduler that works instead.
    """

    stitched: Path
    model: str
    out: Path | None = None
    device: str = "auto"
    batch_size: int = 8
    download: bool = False
    recursive: bool = False
    overwrite: bool = False
    workers: int | None = None
    scheduler: str | None = None


@dataclass
class SegmentResult:
    """What became of the images: receipts of the masks, how many of them were there before, and failures."""

    receipts: list[SegmentReceipt] = field(default_factory=list)
    resumed: int = 0
    failures: list[Failure] = field(default_factory=list)


def find_images(folder: Path, *, recursive: bool) -> tuple[dict[str, Path], list[Failure]]:
    """Find the stitched images of a folder, with or without masks, by stem.

    Raises:
        PairingError: there is no such folder, or no image in it.
    """
    files = list_files(folder, recursive=recursive)
    images = by_stem(path for path in files if is_image(path.name) and is_text(path.name))
    if not images:
        raise PairingError(
            f"{folder}: stitched images <name>.tif expected, none found among {counted(len(files), 'file')}; give the "
            "folder that holds them, or --recursive to look in its subfolders."
        )
    failures = [*duplicates(images, "images"), *case_clashes(images), *unreadable_names(files)]
    refused = {failure.name for failure in failures}
    return {stem: paths[0] for stem, paths in sorted(images.items()) if stem not in refused}, failures


def segment_folder(
    options: SegmentOptions, progress: Progress, say: Callable[[str], None] = lambda _message: None
) -> SegmentResult:
    """Segment every image of a folder that has no mask of these parameters yet.

    Args:
        options: what the user asked for.
        progress: told of images and nuclei.
        say: told which device and which weights are used.

    Raises:
        UsageError: a value cannot work, cellpose is not installed, or the device or the model is not there.
        WeightsError: the weights cannot be used.
        PairingError: there are no images.
        OutputError: the disk is full.
    """
    check_version(installed_version())
    for name, number in (("--batch-size", options.batch_size), ("--workers", options.workers)):
        if number is not None and number < 1:
            raise UsageError(f"{name}: 1 or more expected, {number} found.")
    device = choose_device(options.device)
    weights = read_weights_file(find_weights(options.model, download=options.download))
    check_name(weights)
    check_weights(weights)
    parameters = segment_parameters(options, weights)
    images, failures = find_images(options.stitched, recursive=options.recursive)
    result = SegmentResult(failures=failures)
    _make_folder(options.out)
    say(f"{weights.path.name}: {weights.kind} weights, nuclei of {weights.diam_mean_px:g} px in the network")
    with _workers(options, device, say) as (place, workers):
        tasks = [
            ImageTask(stem, path, options.out or path.parent, weights, parameters, place, options.batch_size)
            for stem, path in images.items()
        ]
        waiting = [task for task in tasks if not _settled(task, options.overwrite, result)]
        progress.stage("images", len(waiting))
        with disk_full_reported(options.out or options.stitched):
            _run(waiting, workers, progress, result)
    result.receipts.sort(key=lambda receipt: receipt.image_file)
    result.failures.sort(key=lambda failure: failure.name)
    return result


def check_name(weights: WeightsFile) -> None:
    """Refuse a file under the name of a published model that holds weights of another network.

    Raises:
        WeightsError: it does.
    """
    expected = _PUBLISHED_MODELS.get(weights.path.name, weights.kind)
    if expected is not weights.kind:
        raise WeightsError(
            f"{weights.path}: {expected} weights expected under this name, {weights.kind} weights found; copy the "
            "right file there, or give these another name."
        )


def segment_parameters(options: SegmentOptions, weights: WeightsFile) -> SegmentParameters:
    """Return what decides the labels.

    Raises:
        UsageError: a value cannot work.
    """
    parameters = SegmentParameters(
        **{one.name: getattr(options, one.name) for one in fields(Labelling)},
        weights_sha256=weights.sha256,
        weights_kind=weights.kind.value,
        versions=tuple(f"{name} {version(name)}" for name in _VERSIONS),
    )
    if options.block_px:
        plan_blocks((1, 1), options.block_px, options.diameter_px)
    return parameters


@contextlib.contextmanager
def _workers(options: SegmentOptions, device: str, say: Callable[[str], None]) -> Iterator[tuple[Place, Workers]]:
    """Give those who work, and where they compute."""
    if options.scheduler is not None:
        with dask_workers(options.scheduler) as workers:
            say(f"device of the workers at {options.scheduler}: {device}")
            yield Place(device), workers
        return
    gpus = gpu_count(device)
    count = options.workers or gpus
    slots = new_slots()
    try:
        say(f"device: {describe(device, count)}")
        yield Place(device, count, gpus, slots, available_memory() // count), local_workers(count)
    finally:
        shutil.rmtree(slots, ignore_errors=True)


def _settled(task: ImageTask, overwrite: bool, result: SegmentResult) -> bool:
    """Note an image that is finished, or whose mask must not be replaced; say whether it is one."""
    receipt = finished(task)
    if receipt is not None:
        result.receipts.append(receipt)
        result.resumed += 1
        return True
    there = mask_paths(task.out, task.stem)
    if there and not overwrite:
        result.failures.append(
            Failure(
                task.stem,
                f"no mask, or one that this image, model and parameters gave, expected, another found: {there[0]}; "
                "give another --out, or --overwrite to replace it.",
            )
        )
        return True
    return False


def _run(waiting: list[ImageTask], workers: Workers, progress: Progress, result: SegmentResult) -> None:
    ends = run_tasks(segment_image, waiting, make_executor=workers.make_executor, workers=workers.count)
    with contextlib.closing(ends):
        for done in ends:
            if done.error is not None and is_disk_full(done.error):
                raise done.error
            if done.result is None:
                result.failures.append(Failure(done.task.stem, done.reason()))
            else:
                result.receipts.append(done.result)
            progress.step(1, done.result.rois if done.result else 0)


def _make_folder(out: Path | None) -> None:
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out: a folder expected, found {out}: {error.strerror}; choose another.") from error
