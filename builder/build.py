"""The whole build: stitched images and masks -> pieces -> shards -> a dataset folder."""

import functools
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import nucleusnet_dataset
from nucleusnet_source.errors import BuildError, InputImageError, OutputError, UsageError
from nucleusnet_source.manifest import Manifest
from nucleusnet_source.ordering import check_seed

from .engine import in_order, process_pool, run_tasks
from .folder import FolderPlan, write_folder
from .pieces import PieceParameters, PieceTask, ensure_piece
from .receipts import Receipt
from .sources import DEFAULT_NAME_PATTERN, Failure, Source, find_sources
from .splits import parse_splits
from .workfolder import WorkFolder, check_output, check_space, is_disk_full, open_work, space_for_images

PUBLISHED_PIXELS_PER_UM = 8.0453
DEFAULT_SPLITS = "train=0.8,validation=0.1,test=0.1"
# What decides pixels, measurements or compressed bytes; a piece made with another version is made again.
_DECIDING_LIBRARIES = ("nucleusnet", "numpy", "opencv-python-headless", "pyarrow", "tifffile", "imagecodecs")


@dataclass(frozen=True)
class BuildOptions:
    """What to build, from what, and how; see `nucleusnet build --help`.

    Attributes:
        stitched: folder of the stitched images.
        out: the dataset folder to be.
        masks: folder of the masks, None for that of the images.
        pixels_per_um: scale of the images.
        seed: of row order, splits and samples.
        splits: fractions as text, "train=0.8,validation=0.1,test=0.1".
        name_pattern: regular expression for stems.
        recipe: "published".
        outside: "zero" or "keep".
        workers: number of worker processes.
        recursive: look for images in subfolders.
        overwrite: replace an existing dataset folder.
        fresh: do not resume.
    """

    stitched: Path
    out: Path
    masks: Path | None = None
    pixels_per_um: float = PUBLISHED_PIXELS_PER_UM
    seed: int = 0
    splits: str = DEFAULT_SPLITS
    name_pattern: str = DEFAULT_NAME_PATTERN
    recipe: Literal["published"] = "published"
    outside: Literal["zero", "keep"] = "zero"
    workers: int = 1
    recursive: bool = False
    overwrite: bool = False
    fresh: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot work, before anything is read."""
        check_seed(self.seed)
        if not 0.01 <= self.pixels_per_um <= 1000:
            raise UsageError(f"--pixels-per-um: 0.01 to 1000 expected, {self.pixels_per_um} found.")
        if self.workers < 1:
            raise UsageError(f"--workers: at least 1 expected, {self.workers} found.")

    def published_parameters(self) -> dict[str, Any]:
        """What of the options decides the bytes of the dataset, besides seed and recipe; goes into the manifest."""
        return {
            "pixels_per_um": self.pixels_per_um,
            "splits": parse_splits(self.splits),
            "name_pattern": self.name_pattern,
            "outside": self.outside,
        }

    def piece_parameters(self) -> PieceParameters:
        """What of the options decides the bytes of a piece."""
        versions = tuple(f"{name} {version(name)}" for name in _DECIDING_LIBRARIES)
        return PieceParameters(self.recipe, self.outside, self.pixels_per_um, self.seed, versions)


@dataclass(frozen=True)
class Progress:
    """Callbacks of a running build; each may be called often.

    Attributes:
        stage: a stage begins: its name and the number of its steps.
        step: steps and nuclei that were just finished.
    """

    stage: Callable[[str, int], None] = lambda _name, _steps: None
    step: Callable[[int, int], None] = lambda _steps, _nuclei: None


@dataclass(frozen=True)
class BuildResult:
    """What came out.

    Attributes:
        manifest: of the finished folder.
        failures: inputs that are not in it.
        images: number of stitched images that are in it.
        work: the work folder, if it was kept because something failed.
    """

    manifest: Manifest
    failures: list[Failure]
    images: int
    work: Path | None


def build(options: BuildOptions, progress: Progress | None = None) -> BuildResult:
    """Build a dataset folder; what fails for one image is returned, the others are built.

    Raises:
        UsageError: options that cannot work, or a work folder of another build.
        OutputError: the output exists, cannot be written, or the disk is full.
        PairingError: no images or masks there.
        BuildError: nothing could be built; lists why.
    """
    progress = progress or Progress()
    fractions = parse_splits(options.splits)
    check_output(options.out, overwrite=options.overwrite)
    sources, failures = find_sources(
        options.stitched, masks=options.masks, name_pattern=options.name_pattern, recursive=options.recursive
    )
    recorded = options.published_parameters() | {"seed": options.seed, "recipe": options.recipe}
    with open_work(options.out, recorded, fresh=options.fresh) as work, logging_to(work.log) as log:
        images_bytes = sum(source.image_path.stat().st_size for source in sources)
        check_space(options.out.parent, space_for_images(images_bytes), f"{len(sources)} images")
        receipts, failed = make_pieces(options, sources, work, progress)
        receipts, odd = same_bit_depth(receipts)
        failures = sorted([*failures, *failed, *odd], key=lambda failure: failure.name)
        for failure in failures:
            log.error("%s: %s", failure.name, failure.message)
        refuse_nothing(receipts, failures)
        manifest = assemble(options, receipts, work, fractions, progress)
        work.publish()
        log.info("published %s", manifest.splits)
    if not failures:
        work.remove()
    return BuildResult(manifest, failures, len(receipts), work.path if failures else None)


def make_pieces(
    options: BuildOptions, sources: Sequence[Source], work: WorkFolder, progress: Progress
) -> tuple[list[Receipt], list[Failure]]:
    """Make the pieces that are not there yet; returns the receipts in the order of stems, and the failures."""
    columns = nucleusnet_dataset.features("default").arrow_schema
    parameters = options.piece_parameters()
    tasks = [PieceTask(source, parameters, columns, work.pieces) for source in sources]
    receipts: list[Receipt] = []
    failures: list[Failure] = []
    progress.stage("images", len(tasks))
    pool = functools.partial(process_pool, options.workers)
    for done in run_tasks(ensure_piece, tasks, make_executor=pool, workers=options.workers):
        if is_disk_full(done.error):
            raise OutputError(f"{work.path}: the disk is full; make room and call again: what is finished is kept.")
        if done.result is not None:
            receipts.append(done.result)
        else:
            failures.append(Failure(done.task.source.stem, reason(done.error)))
        progress.step(1, done.result.kept if done.result else 0)
    return sorted(receipts, key=lambda receipt: receipt.stem), failures


def reason(error: BaseException | None) -> str:
    """Say why a piece failed; an error that is not ours keeps its type, and its traceback goes to the log."""
    if isinstance(error, BuildError | InputImageError) or type(error).__module__.startswith("nucleusnet_source"):
        return str(error)
    logging.getLogger(__name__).error("unexpected error", exc_info=error)
    return f"unexpected {type(error).__name__}: {error}; the log has the details, please report it."


def same_bit_depth(receipts: list[Receipt]) -> tuple[list[Receipt], list[Failure]]:
    """Keep the images that have the bit depth of the first; a dataset has one."""
    if not receipts:
        return [], []
    wanted = receipts[0].bit_depth
    odd = [
        Failure(
            receipt.stem,
            f"{receipt.image_file}: {wanted} bits a pixel expected like {receipts[0].image_file}, {receipt.bit_depth} "
            "found; a dataset has one bit depth: build images of another in a folder of their own.",
        )
        for receipt in receipts
        if receipt.bit_depth != wanted
    ]
    return [receipt for receipt in receipts if receipt.bit_depth == wanted], odd


def refuse_nothing(receipts: Sequence[Receipt], failures: Sequence[Failure]) -> None:
    """Refuse to make a dataset without a single nucleus.

    Raises:
        BuildError: no image could be used, or no nucleus was kept; lists why.
    """
    if any(receipt.kept for receipt in receipts):
        return
    found = sum(receipt.num_rois for receipt in receipts)
    lines = [f"  {failure.name}: {failure.message}" for failure in failures]
    raise BuildError(
        "\n".join(
            [
                f"at least one nucleus expected, none kept of {found} found in {len(receipts)} usable images; "
                "check that the masks belong to the images and that nuclei lie away from the border.",
                *lines,
            ]
        )
    )


def assemble(
    options: BuildOptions, receipts: list[Receipt], work: WorkFolder, fractions: dict[str, float], progress: Progress
) -> Manifest:
    """Write the dataset folder in the work folder."""
    needed = int(1.1 * sum(receipt.cells_bytes for receipt in receipts)) + (16 << 20)
    check_space(work.path, needed, "the shards")
    bit_depth = receipts[0].bit_depth
    schemas = {
        config: nucleusnet_dataset.features(config, bit_depth=bit_depth).arrow_schema
        for config in nucleusnet_dataset.CONFIGS
    }
    work.dataset.mkdir()
    progress.stage("shards", 0)
    plan = FolderPlan(
        folder=work.dataset,
        pieces_dir=work.pieces,
        parts=work.path / "parts",
        seed=options.seed,
        recipe=options.recipe,
        parameters=options.published_parameters(),
        fractions=fractions,
        schemas=schemas,
        version=nucleusnet_dataset.VERSION,
    )
    pool = functools.partial(process_pool, options.workers)
    mapper = functools.partial(in_order, make_executor=pool, workers=options.workers)
    try:
        return write_folder(plan, receipts, mapper=mapper, on_shard=lambda rows: progress.step(1, rows))
    except OSError as error:
        if not is_disk_full(error):
            raise
        shutil.rmtree(work.dataset, ignore_errors=True)
        raise OutputError(f"{work.path}: the disk is full; make room and call again: the pieces are kept.") from error


class logging_to:  # noqa: N801 - used like a function
    """Context in which messages of the builder go to a log file, with times."""

    def __init__(self, path: Path) -> None:
        self.handler = logging.FileHandler(path, encoding="utf-8")
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.log = logging.getLogger(__package__)

    def __enter__(self) -> logging.Logger:
        self.log.addHandler(self.handler)
        self.log.setLevel(logging.INFO)
        self.log.propagate = False
        return self.log

    def __exit__(self, *_: object) -> None:
        self.log.removeHandler(self.handler)
        self.handler.close()
