"""Finished pieces -> the dataset folder, which appears whole."""

import functools
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nucleusnet_dataset
from nucleusnet_core.contract import CONFIGS, VERSION
from nucleusnet_core.errors import BuildError
from nucleusnet_core.files.disk_space import check_space
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from ..pieces.receipt import Receipt
from ..shards.write import SHARD_BYTES
from ..workers.engine import Workers, in_order
from ..workers.failure import Failure
from .folder import FolderPlan, Mapper, write_folder
from .options import BuildOptions
from .work_folder import WorkFolder


@dataclass(frozen=True)
class BuildResult:
    """What came out.

    Attributes:
        manifest: of the finished folder.
        failures: inputs that are not in it.
        images: number of stitched images that are in it.
        work: the work folder, if it is to be kept because something failed.
    """

    manifest: Manifest
    failures: list[Failure]
    images: int
    work: Path | None


def publish(
    options: BuildOptions,
    receipts: list[Receipt],
    failures: list[Failure],
    work: WorkFolder,
    *,
    workers: Workers,
    progress: Progress,
) -> BuildResult:
    """Put all pieces together, and make the dataset folder appear."""
    log = logging.getLogger("nucleusnet")
    receipts, odd = same_bit_depth(sorted(receipts, key=lambda receipt: receipt.stem))
    failures = sorted([*failures, *odd], key=lambda failure: failure.name)
    for failure in failures:
        log.error("%s: %s", failure.name, failure.message)
    refuse_nothing(receipts, failures, work.path)
    manifest = assemble(options, receipts, work, workers, progress)
    work.publish()
    log.info("published %s", manifest.splits)
    return BuildResult(manifest, failures, len(receipts), work.path if failures else None)


def mapper_for(receipts: Sequence[Receipt], workers: Workers) -> Mapper:
    """Choose who writes the shards: this process where all of them are small, since starting others takes longer."""
    if sum(receipt.cells_bytes for receipt in receipts) <= SHARD_BYTES:
        return map
    return functools.partial(in_order, make_executor=workers.make_executor, workers=workers.count)


def same_bit_depth(receipts: list[Receipt]) -> tuple[list[Receipt], list[Failure]]:
    """Keep the images that have the bit depth of most, or else of the first; a dataset has one."""
    if not receipts:
        return [], []
    wanted = Counter(receipt.bit_depth for receipt in receipts).most_common(1)[0][0]
    like = next(receipt.image_file for receipt in receipts if receipt.bit_depth == wanted)
    odd = [
        Failure(
            receipt.stem,
            f"{receipt.image_file}: {wanted} bits a pixel expected like {like}, {receipt.bit_depth} "
            "found; a dataset has one bit depth: build images of another in a folder of their own.",
        )
        for receipt in receipts
        if receipt.bit_depth != wanted
    ]
    return [receipt for receipt in receipts if receipt.bit_depth == wanted], odd


def refuse_nothing(receipts: Sequence[Receipt], failures: Sequence[Failure], work: Path) -> None:
    """Refuse to make a dataset without a single nucleus.

    Args:
        receipts: of the images that could be used.
        failures: of the others.
        work: the work folder, which stays.

    Raises:
        BuildError: no image could be used, or no nucleus was kept; lists why.
    """
    if any(receipt.kept for receipt in receipts):
        return
    found = sum(receipt.num_rois for receipt in receipts)
    usable = counted(len(receipts), "usable image")
    reason = (
        f"none kept of {found:,} found in {usable}; check that the masks belong to the images and that nuclei lie away "
        "from the border"
        if receipts
        else f"no image could be used, {counted(len(failures), 'input')} failed; mend what is listed"
    )
    again = f"No dataset was made. Call again to go on with {work}, or remove it."
    lines = [f"  {failure.name}: {failure.message}" for failure in failures]
    raise BuildError("\n".join([f"at least one nucleus expected, {reason}. {again}", *lines]))


def assemble(
    options: BuildOptions, receipts: list[Receipt], work: WorkFolder, workers: Workers, progress: Progress
) -> Manifest:
    """Write the dataset folder in the work folder."""
    needed = int(1.1 * sum(receipt.cells_bytes for receipt in receipts)) + (16 << 20)
    check_space(work.path, needed, "the shards")
    bit_depth = receipts[0].bit_depth
    schemas = {config: nucleusnet_dataset.features(config, bit_depth=bit_depth).arrow_schema for config in CONFIGS}
    work.dataset.mkdir()
    progress.stage("shards", 0)
    plan = FolderPlan(
        folder=work.dataset,
        pieces_dir=work.pieces,
        parts=work.path / "parts",
        seed=options.seed,
        recipe=options.recipe,
        parameters=options.published_parameters(),
        fractions=options.fractions,
        schemas=schemas,
        version=VERSION,
        versions=options.versions,
        study=options.read_study(),
    )
    try:
        return write_folder(
            plan, receipts, mapper=mapper_for(receipts, workers), on_shard=lambda rows: progress.step(1, rows)
        )
    except OSError:
        shutil.rmtree(work.dataset, ignore_errors=True)  # makes room on a full disk
        raise
