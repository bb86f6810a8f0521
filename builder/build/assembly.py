"""Finished pieces -> the dataset folder, which appears whole."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.errors import BuildError, Failure
from nucleusnet_core.files.disk_space import check_space
from nucleusnet_core.inputs.pairs import FoundInputs
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from ..cutting.recipe import Recipe
from ..pieces.receipt import Receipt
from ..workers.engine import Workers
from ..workers.log import LOG
from .folder import all_warnings, write_folder
from .frame_use import FrameUse, read_frame_use
from .options import BuildOptions
from .sentences import drop_sentences
from .work_folder import WorkFolder


@dataclass(frozen=True)
class Made:
    """What became of the images: receipts of the pieces, and the inputs that cannot be used, in any order."""

    receipts: list[Receipt]
    failures: list[Failure]


@dataclass(frozen=True)
class BuildResult:
    """What came out.

    Attributes:
        manifest: of the finished folder.
        failures: inputs that are not in it.
        images: number of stitched images that are in it.
        found: the inputs, as names and sample sheet tell them.
        scales: number of these images by scale, px per um.
        warnings: of each image, by its name, as words of `checks.WARNING_TEXTS`.
        frame_use: how well the nuclei fill their frame.
        work: the work folder, if it is kept because something failed.
    """

    manifest: Manifest
    failures: list[Failure]
    images: int
    found: FoundInputs
    scales: dict[float, int]
    warnings: dict[str, list[str]]
    frame_use: FrameUse
    work: Path | None


def assemble_dataset(
    options: BuildOptions,
    found: FoundInputs,
    made: Made,
    work: WorkFolder,
    *,
    workers: Workers,
    progress: Progress,
) -> BuildResult:
    """Put all pieces together, and make the dataset folder appear.

    Raises:
        BuildError: there is no nucleus to put into it.
        OutputError: the disk is too small.
    """
    receipts = sorted(made.receipts, key=lambda receipt: receipt.stem)
    failures = sorted(made.failures, key=lambda failure: failure.name)
    for failure in failures:
        LOG.error("%s: %s", failure.name, failure.message)
    refuse_nothing(receipts, failures, work.path, options.recipe)
    needed = int(1.1 * sum(receipt.cells_bytes for receipt in receipts)) + (16 << 20)
    check_space(work.path, needed, "the files of the dataset")
    warnings = all_warnings(receipts)
    work.dataset.mkdir()
    try:
        manifest = write_folder(options, receipts, found, work, warnings, workers=workers, progress=progress)
    except OSError:
        shutil.rmtree(work.dataset, ignore_errors=True)  # makes room on a full disk
        raise
    use = read_frame_use(work.dataset, manifest)
    work.put_in_place()
    LOG.info("finished: %s", manifest.splits)
    scales = dict(Counter(receipt.pixels_per_um for receipt in receipts))
    return BuildResult(
        manifest,
        failures,
        len(receipts),
        found=found,
        scales=scales,
        warnings=warnings,
        frame_use=use,
        work=work.path if failures else None,
    )


def refuse_nothing(receipts: Sequence[Receipt], failures: Sequence[Failure], work: Path, recipe: Recipe) -> None:
    """Refuse to make a dataset without a single nucleus.

    Args:
        receipts: of the images that could be used.
        failures: of the others.
        work: the work folder, which stays.
        recipe: how nuclei are cut.

    Raises:
        BuildError: no image could be used, or no nucleus was kept; lists why.
    """
    if any(receipt.kept for receipt in receipts):
        return
    found = sum(receipt.num_rois for receipt in receipts)
    usable = counted(len(receipts), "usable image")
    again = f"Call again to go on with {work}, or remove it."
    if not receipts:
        said = f"none of the images could be used ({counted(len(failures), 'input')} failed). Fix what is listed."
    elif not found:
        said = f"there is no nucleus in the masks of {usable}. Check that the masks belong to the images."
    else:
        said = f"of {counted(found, 'nucleus', 'nuclei')} in {usable}, none could be kept."
        if recipe is not Recipe.refined:
            again = f"Call again with --recipe refined --fresh, or remove {work}."
    dropped = Counter[str]()
    for receipt in receipts:
        dropped.update(receipt.dropped)
    lines = drop_sentences(dropped, found, recipe)
    lines += [f"  {failure.name}: {failure.message}" for failure in failures]
    raise BuildError("\n".join([f"No dataset was made: {said} {again}", *lines]))
