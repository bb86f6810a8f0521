"""One stitched image to one mask with its receipt, in a worker process."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nucleusnet_core.errors import InputImageError, NucleusNetError, SegmentationError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.files.hashing import file_fingerprint, file_sha256, is_unchanged
from nucleusnet_core.inputs.header import read_header
from nucleusnet_core.inputs.mask_file import mask_bytes, mask_name, mask_paths, remove_leftovers
from nucleusnet_core.stitched_names import stem_of
from nucleusnet_core.terminal.outputs import writing

from .device import claim_slot, device_of_slot, share_cores
from .doubts import doubt_of
from .memory import REMEDY, available_memory, block_size, is_out_of_memory
from .network.weights import WeightsFile
from .receipts import (
    RECEIPT_FORMAT,
    SegmentParameters,
    SegmentReceipt,
    described_weights,
    read_receipt,
    receipt_path,
)

_LEAST_SECONDS = 3600.0
_SECONDS_PER_MEGAPIXEL = 300.0  # the largest network takes some 60 on two cores


@dataclass(frozen=True)
class ComputePlace:
    """Where the workers of a run compute.

    Attributes:
        device: "cpu", "cuda", "cuda:1" or "mps".
        workers: processes on this machine.
        gpus: that "cuda" stands for.
        slots: folder in which the processes take turns; None where each has a machine, or GPU, of its own.
        memory_bytes: for each process; None to look when the image is there.
    """

    device: str
    workers: int = 1
    gpus: int = 1
    slots: Path | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class SegmentTask:
    """What a worker needs to segment one image; small, and all of it can be pickled."""

    stem: str
    image_path: Path
    out: Path
    weights: WeightsFile
    parameters: SegmentParameters
    place: ComputePlace
    batch_size: int

    @property
    def mask_stem(self) -> str:
        """What the mask is called: beside its image as this, elsewhere with the folders of the image in front."""
        return stem_of(self.image_path.name) if self.out == self.image_path.parent else self.stem


def seconds_for_image(path: Path) -> float:
    """Return how long an image may take: an hour, and five minutes for each megapixel, on the slowest of processors."""
    try:
        height, width = read_header(path, file_scale=False).shape
    except InputImageError:
        return _LEAST_SECONDS
    return _LEAST_SECONDS + height * width / 1e6 * _SECONDS_PER_MEGAPIXEL


def finished(task: SegmentTask) -> SegmentReceipt | None:
    """Return the receipt of an image whose mask is there as these parameters made it, else None."""
    receipt = read_receipt(task.out, task.mask_stem)
    if receipt is None or receipt.key != task.parameters.key() or receipt.image_file != task.image_path.name:
        return None
    try:
        same = is_unchanged(task.image_path, receipt.image_fingerprint, receipt.image_sha256)
        found = [path for path in mask_paths(task.out, task.mask_stem) if path.name == receipt.mask_file]
        return receipt if same and found and file_sha256(found[0]) == receipt.mask_sha256 else None
    except OSError:
        return None


def segment_image(task: SegmentTask) -> SegmentReceipt:
    """Segment an image and write mask and receipt, both whole or not at all.

    Raises:
        InputImageError: the image cannot be used.
        WeightsError: the weights do not fit their network.
        SegmentationError: memory does not suffice.
        OutputError: the mask cannot be written.
        OutputDiskError: the disk of the masks is full or fails; no further mask can be written.
    """
    started = time.monotonic()
    with _memory_errors(task):
        from nucleusnet_core.inputs.kinds import reading  # noqa: PLC0415
        from nucleusnet_core.inputs.read_channels import read_channel  # noqa: PLC0415 - brings codecs

        with reading(task.image_path, InputImageError):
            stamp = file_fingerprint(task.image_path)  # before the pixels: a change while reading is noticed later
        device = _device(task.place)
        image = read_channel(task.image_path, task.parameters.channels, file_scale=False)
        labels, labelled = label_image(image.pixels, task, device)
        data, name = mask_bytes(labels), mask_name(task.mask_stem, labels)
        doubt = doubt_of(image.pixels, labels)
    receipt = SegmentReceipt(
        format=RECEIPT_FORMAT,
        image_file=task.image_path.name,
        image_sha256=image.sha256,
        image_fingerprint=stamp,
        mask_file=name,
        mask_sha256=hashlib.sha256(data).hexdigest(),
        height=labels.shape[0],
        width=labels.shape[1],
        rois=int(labels.max(initial=0)),
        weights=described_weights(task.weights),
        parameters=asdict(task.parameters),
        key=task.parameters.key(),
        labelled=labelled,
        device=str(device),
        seconds=round(time.monotonic() - started, 3),
        doubt=doubt,
    )
    _write(task, receipt, data)
    return receipt


def label_image(pixels: npt.NDArray[Any], task: SegmentTask, device: Any) -> tuple[npt.NDArray[Any], str]:
    """Return the labels of an image (H, W), uint16 or uint32 (H, W), and how they were made.

    Raises:
        UsageError: the diameter does not fit the image.
        SegmentationError: memory does not suffice.
    """
    from .flows.cleaning import clean_labels  # noqa: PLC0415 - brings numba
    from .flows.labels import Thresholds, label_blocks, label_fast, label_whole  # noqa: PLC0415
    from .network.network import load_network, run_network  # noqa: PLC0415

    wanted, shape = task.parameters, (pixels.shape[0], pixels.shape[1])
    memory = available_memory() if task.place.memory_bytes is None else task.place.memory_bytes
    block_px = block_size(shape, wanted.block_px, memory, task.weights.kind, fast=wanted.fast)
    network = load_network(task.weights, device)
    flows = run_network(network, pixels, wanted.diameter_px, task.batch_size)
    thresholds = Thresholds(wanted.flow_threshold, wanted.cellprob_threshold)
    if wanted.fast:
        labels, labelled = label_fast(flows, thresholds, device), "network scale"
    elif block_px:
        labels = label_blocks(flows, thresholds, device, block_px=block_px, diameter_px=wanted.diameter_px)
        labelled = f"blocks of {block_px} px"
    else:
        labels, labelled = label_whole(flows, thresholds, device), "whole image"
    return clean_labels(labels, wanted.min_size_px), labelled


def _device(place: ComputePlace) -> Any:
    slot = 0 if place.slots is None else claim_slot(place.slots, place.workers)
    share_cores(place.workers)
    return device_of_slot(place.device, slot, place.gpus)


def _write(task: SegmentTask, receipt: SegmentReceipt, data: bytes) -> None:
    """Write receipt and mask, in this order: a mask without a receipt is taken for somebody else's.

    Raises:
        OutputError: they cannot be written.
        OutputDiskError: the disk of the masks is full or fails; no further mask can be written.
    """
    mask, paper = task.out / receipt.mask_file, receipt_path(task.out, task.mask_stem)
    with writing(mask), disk_failures_reported(task.out):
        for path in (mask, paper):
            remove_leftovers(path)
        write_bytes_atomic(paper, receipt.to_json())
        write_bytes_atomic(mask, data)
        for other in mask_paths(task.out, task.mask_stem):
            if other.name != mask.name:
                other.unlink()


@contextlib.contextmanager
def _memory_errors(task: SegmentTask) -> Iterator[None]:
    """Turn each library's way of saying that memory is out into one error."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ if isinstance(error, NucleusNetError) else error
        if cause is None or not is_out_of_memory(cause):
            raise
        said = str(cause).strip().splitlines()[0][:300] if str(cause).strip() else type(cause).__name__
        raise SegmentationError(f"{task.image_path.name} needs more memory than is free ({said}); {REMEDY}.") from error
