"""A folder of stitched images to masks beside them: resumed, one bad image never ends it."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path

from nucleusnet_core.errors import Failure, PairingError, WeightsError
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.inputs.channel_files import of_channel
from nucleusnet_core.inputs.channels import ONE_PLANE, Channels, find_one_channel
from nucleusnet_core.inputs.mask_file import mask_paths
from nucleusnet_core.inputs.names import compile_name_pattern
from nucleusnet_core.inputs.pairs import case_clashes, duplicates, unreadable_names
from nucleusnet_core.stitched_names import find_files
from nucleusnet_core.terminal.outputs import output_folder, writing
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from ..workers.cluster import dask_workers
from ..workers.engine import Workers, local_workers, run_tasks
from ..workers.failure import collect
from ..workers.log import logging_to
from .device import choose_device, device_in_words, gpu_count, new_slots
from .estimate import doubted_diameter
from .memory import available_memory
from .network.cellpose_modules import check_version, installed_version
from .network.network import check_weights
from .network.weights import WeightsFile, WeightsKind, find_weights, read_weights_file
from .options import Labelling, SegmentOptions
from .receipts import SegmentParameters, SegmentReceipt
from .segment_task import ComputePlace, SegmentTask, finished, seconds_for_image, segment_image

LOG_NAME = ".nucleusnet-segment.log"
"""In the folder of the masks, where an error that is not ours has left its traceback."""

_TRACEBACK = b"Traceback (most recent call last):"

_PUBLISHED_MODELS = {
    **dict.fromkeys(("cpsam", "cpsam_v2"), WeightsKind.cellpose_sam),
    **dict.fromkeys(("cpdino", "cpdino-vitb"), WeightsKind.cellpose_dino),
    **dict.fromkeys(("cyto", "cyto2", "cyto3", "nuclei"), WeightsKind.cellpose_3),
}
_VERSIONS = ("nucleusnet", "cellpose", "torch", "numpy")


@dataclass
class SegmentResult:
    """What became of the images.

    Attributes:
        receipts: of the masks.
        resumed: how many of the masks were there before.
        failures: images without a mask, and why.
        log: file with the tracebacks of errors that are not ours; None where there was none.
    """

    receipts: list[SegmentReceipt] = field(default_factory=list)
    resumed: int = 0
    failures: list[Failure] = field(default_factory=list)
    log: Path | None = None


def find_images(
    folder: Path, *, recursive: bool, pattern: re.Pattern[str] | None = None, channel: str = ""
) -> tuple[dict[str, Path], list[Failure]]:
    """Find the stitched images of a folder, with or without masks, by stem.

    Args:
        folder: of the images.
        recursive: look for images in subfolders too.
        pattern: for the names of the images, with a group `channel`; None where each file shows the nuclei.
        channel: that is wanted, with a pattern.

    Raises:
        UsageError: there is no such folder.
        PairingError: it holds no image.
    """
    found = find_files(folder, recursive=recursive)
    images, files = found.images, found.files
    if not images:
        raise PairingError(
            f"{folder} holds no stitched image <name>.tif or .png among its {counted(len(files), 'file')}; give the "
            "folder that holds them, or --recursive to look in its subfolders."
        )
    failures = [*duplicates(images, "images"), *case_clashes(images), *unreadable_names(files)]
    refused = {failure.name for failure in failures}
    usable = {stem: paths[0] for stem, paths in sorted(images.items()) if stem not in refused}
    return (usable if pattern is None else of_channel(usable, folder, pattern, channel)), failures


def segment_folder(options: SegmentOptions, progress: Progress) -> SegmentResult:
    """Segment every image of a folder that has no mask of these parameters yet.

    Args:
        options: what the user asked for.
        progress: told of images and nuclei, and which device and which weights are used.

    Raises:
        UsageError: cellpose is not installed, or the folder, the device or the model is not there.
        WeightsError: the weights cannot be used.
        PairingError: there are no images.
        OutputError: the masks cannot be written, or the disk is full.
    """
    pattern = None if options.name_pattern is None else compile_name_pattern(options.name_pattern)
    only = options.channels.only
    images, failures = find_images(options.stitched, recursive=options.recursive, pattern=pattern, channel=only)
    paths = list(images.values())
    channels = find_one_channel(paths, options.channels) if pattern is None else ONE_PLANE
    check_version(installed_version())
    device = choose_device(options.device)
    weights = read_weights_file(find_weights(options.model, download=options.download))
    check_name(weights)
    check_weights(weights)
    parameters = segment_parameters(options, weights, channels)
    result = SegmentResult(failures=failures)
    _make_folder(options.out)
    progress.say(
        f"weights: {weights.path.name} from {weights.path.absolute().parent}, {weights.kind}, nuclei of "
        f"{weights.diam_mean_px:g} px in the network."
    )
    with _workers(options, device, progress) as (place, workers):
        tasks = [
            SegmentTask(stem, path, options.out or path.parent, weights, parameters, place, options.batch_size)
            for stem, path in images.items()
        ]
        waiting = [task for task in tasks if not _settled(task, options.overwrite, result)]
        if waiting:
            if doubted := doubted_diameter([task.image_path for task in waiting], options.diameter_px, channels):
                progress.say(doubted)
            _run(waiting, workers, options.out or options.stitched, progress, result)
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
            f"{weights.path} has the name of a published {expected} model, but holds {weights.kind} weights; copy the "
            "right file there, or give these another name."
        )


def segment_parameters(
    options: SegmentOptions, weights: WeightsFile, channels: Channels = ONE_PLANE
) -> SegmentParameters:
    """Return what decides the labels."""
    return SegmentParameters(
        **{one.name: getattr(options, one.name) for one in fields(Labelling)},
        weights_sha256=weights.sha256,
        weights_kind=weights.kind.value,
        versions=tuple(f"{name} {version(name)}" for name in _VERSIONS),
        channels=channels,
    )


@contextlib.contextmanager
def _workers(options: SegmentOptions, device: str, progress: Progress) -> Iterator[tuple[ComputePlace, Workers]]:
    """Yield the workers, and where they compute."""
    if options.scheduler is not None:
        with dask_workers(options.scheduler) as workers:
            progress.say(f"device of the workers at {options.scheduler}: {device}.")
            yield ComputePlace(device), workers
        return
    gpus = gpu_count(device)
    count = options.workers or gpus
    slots = new_slots()
    try:
        progress.say(f"device: {device_in_words(device, count)}.")
        yield ComputePlace(device, count, gpus, slots, available_memory() // count), local_workers(count)
    finally:
        shutil.rmtree(slots, ignore_errors=True)


def _settled(task: SegmentTask, overwrite: bool, result: SegmentResult) -> bool:
    """Return whether an image is finished, or its mask must not be replaced; either is noted in the result."""
    receipt = finished(task)
    if receipt is not None:
        result.receipts.append(receipt)
        result.resumed += 1
        return True
    there = mask_paths(task.out, task.mask_stem)
    if there and not overwrite:
        message = (
            f"{there[0]} is a mask of another origin: made by hand, or of another image, model or other parameters; "
            "give another --out, or --overwrite to replace it."
        )
        result.failures.append(Failure(task.stem, message))
        return True
    return False


def _run(waiting: list[SegmentTask], workers: Workers, folder: Path, progress: Progress, result: SegmentResult) -> None:
    """Segment the images that are left, and add to the result what became of them."""
    progress.begin("images", len(waiting))
    with disk_failures_reported(folder), _tracebacks_in(folder / LOG_NAME, result):
        receipts, failures = collect(
            run_tasks(
                segment_image,
                waiting,
                make_executor=workers.make_executor,
                workers=workers.count,
                seconds=lambda task: seconds_for_image(task.image_path),
            ),
            name=lambda task: task.stem,
            nuclei=lambda receipt: receipt.rois,
            progress=progress,
        )
    result.receipts += receipts
    result.failures += failures


@contextlib.contextmanager
def _tracebacks_in(path: Path, result: SegmentResult) -> Iterator[None]:
    """Let tracebacks go to a log file, which replaces that of an earlier call and stays only if there are any."""
    with writing(path):
        path.write_bytes(b"")
    try:
        with logging_to(path):
            yield
    finally:
        if _TRACEBACK in path.read_bytes():  # libraries may have warned of something, too
            result.log = path
        else:
            path.unlink()


def _make_folder(out: Path | None) -> None:
    if out is not None:
        output_folder(out)
        with writing(out):
            out.mkdir(exist_ok=True)
