"""What a build is asked for, and which part of that decides the bytes of its output."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nucleusnet_core.contract import CROP_PX, CROP_PX_LIMITS, CROP_PX_STEP, FRAME_UM_LIMITS, WARNING_THRESHOLDS
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.channels import ALL_CHANNELS, ChannelOptions
from nucleusnet_core.inputs.pairs import FindOptions
from nucleusnet_core.orders import check_seed
from nucleusnet_core.stitched_names import DEFAULT_NAME_PATTERN, Prefer

from ..card.study import NO_STUDY, Study, read_study
from ..cutting.recipe import USUAL_FRAME, Frame, Outside, Recipe
from ..pieces.task import PieceParameters
from ..shards.splits import parse_splits

# What decides pixels, measurements or compressed bytes; a piece made with another version is made again.
_DECIDING_LIBRARIES = ("nucleusnet", "numpy", "opencv-python-headless", "pyarrow", "tifffile", "imagecodecs")


@dataclass(frozen=True)
class BuildOptions:
    """What to build, from what, and how; see `nucleusnet build --help`.

    Attributes:
        stitched: folder of the stitched images.
        out: where to write the dataset folder.
        masks: folder of the masks, None for that of the images.
        pixels_per_um: scale of the images that state none, and whose sample sheet gives none; None for no such scale.
        ignore_file_scale: a scale that was given wins over another one that a file states.
        seed: of row order, splits and samples.
        splits: fractions of the runs as text, "train=0.8,validation=0.1,test=0.1".
        name_pattern: regular expression for the names of the images; None for names as published.
        mask_suffixes: further endings of the names of masks.
        samples: sample sheet, None for none.
        samples_missing_null: images without a row of the sample sheet get empty values instead of an error.
        group_by: the column whose values splits keep together.
        channels: which channels of the images are taken, and what they are called.
        prefer: which of two masks counts where a `_seg.npy` is newer than the other: "seg-npy", "image", or "".
        recipe: how a nucleus is cut.
        outside: what a crop shows outside its nucleus.
        crop_px: side of a crop, px.
        frame_um: side of what a crop shows unless its nucleus is larger, um; None for `crop_px` pixels of the image.
        workers: number of worker processes on this machine.
        scheduler: address or scheduler file of a Dask cluster that works instead.
        recursive: look for images in subfolders too.
        overwrite: replace an existing dataset folder.
        fresh: do not resume.
        allow_pickle: read masks from `_seg.npy`, which are pickles, with a restricted unpickler.
        log: log file, None for one in the work folder.
        study: file with facts about the study for the card, None if nothing is to be stated.
    """

    stitched: Path
    out: Path
    masks: Path | None = None
    pixels_per_um: float | None = None
    ignore_file_scale: bool = False
    seed: int = 0
    splits: str = "train=0.8,validation=0.1,test=0.1"
    name_pattern: str | None = None
    mask_suffixes: tuple[str, ...] = ()
    samples: Path | None = None
    samples_missing_null: bool = False
    group_by: str = "run_name"
    channels: ChannelOptions = ALL_CHANNELS
    prefer: str = ""
    recipe: Recipe = Recipe.published
    outside: Outside = Outside.zero
    crop_px: int = CROP_PX
    frame_um: float | None = None
    workers: int = 1
    scheduler: str | None = None
    recursive: bool = False
    overwrite: bool = False
    fresh: bool = False
    allow_pickle: bool = False
    log: Path | None = None
    study: Path | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot work, before anything is read."""
        check_seed(self.seed)
        parse_splits(self.splits)
        if self.pixels_per_um is not None and not 0.01 <= self.pixels_per_um <= 1000:
            raise UsageError(f"--pixels-per-um is {self.pixels_per_um}; it must be from 0.01 to 1000.")
        if self.ignore_file_scale and self.pixels_per_um is None and self.samples is None:
            raise UsageError(
                "--ignore-file-scale needs a scale to use instead; give --pixels-per-um, or --samples with a column "
                "pixels_per_um."
            )
        if self.samples_missing_null and self.samples is None:
            raise UsageError("--samples-missing is about a sample sheet; give one with --samples.")
        if self.prefer not in ("", *Prefer):
            raise UsageError(f"--prefer is {self.prefer!r}; it must be {' or '.join(Prefer)}.")
        check_frame(self.frame, self.recipe)
        if self.workers < 1:
            raise UsageError(f"--workers is {self.workers}; it must be at least 1.")
        if self.log is not None:
            check_log(self.log)
        self.read_study()

    @property
    def fractions(self) -> dict[str, float]:
        """Fractions of the runs, by split."""
        return parse_splits(self.splits)

    @property
    def frame(self) -> Frame:
        """What a crop shows, and in how many pixels."""
        return Frame(self.crop_px, None if self.frame_um is None else float(self.frame_um))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of this tool and of the libraries that decide the bytes of the output, by name."""
        return {name: version(name) for name in _DECIDING_LIBRARIES}

    def read_study(self) -> Study:
        """Return the facts about the study.

        Raises:
            UsageError: the file is incomplete or cannot be read.
        """
        return NO_STUDY if self.study is None else read_study(self.study, pixels_per_um=self.pixels_per_um)

    def find_options(self) -> FindOptions:
        """Return how images and masks are found."""
        return FindOptions(
            masks=self.masks,
            mask_suffixes=self.mask_suffixes,
            name_pattern=self.name_pattern,
            recursive=self.recursive,
            samples=self.samples,
            samples_missing_null=self.samples_missing_null,
            group_by=self.group_by,
            pixels_per_um=self.pixels_per_um,
            prefer=self.prefer,
            allow_pickle=self.allow_pickle,
            channels=self.channels,
        )

    def manifest_parameters(self) -> dict[str, Any]:
        """Return what decides the bytes of the dataset, besides seed, recipe and images; it goes into the manifest."""
        parameters: dict[str, Any] = {
            "pixels_per_um_given": self.pixels_per_um,
            "ignore_file_scale": self.ignore_file_scale,
            "splits": self.fractions,
            "name_pattern": self.name_pattern or DEFAULT_NAME_PATTERN,
            "outside": self.outside.value,
            "warning_thresholds": dict(WARNING_THRESHOLDS),
        }
        if self.recipe is Recipe.refined:
            from ..cutting.refined import refined_parameters  # noqa: PLC0415 - brings numba and OpenCV, which only workers need

            parameters["refined"] = refined_parameters(self.frame)
        return parameters

    def recorded_parameters(self) -> dict[str, Any]:
        """Return what of these a work folder is begun with; it is not resumed with another."""
        own = {"seed": self.seed, "recipe": self.recipe.value, **asdict(self.frame)}
        return self.manifest_parameters() | own

    def piece_parameters(self) -> PieceParameters:
        """Return what decides the bytes of a piece."""
        versions = tuple(f"{name} {number}" for name, number in self.versions.items())
        return PieceParameters(self.recipe, self.frame, self.outside, self.ignore_file_scale, self.seed, versions)


def check_frame(frame: Frame, recipe: Recipe) -> None:
    """Refuse a frame that cannot be, or that the recipe does not have.

    Raises:
        UsageError: it is such a one.
    """
    least_px, most_px = CROP_PX_LIMITS
    if not least_px <= frame.crop_px <= most_px or frame.crop_px % CROP_PX_STEP:
        raise UsageError(
            f"--crop-px is {frame.crop_px}; it must be a multiple of {CROP_PX_STEP} from {least_px} to {most_px}."
        )
    least_um, most_um = FRAME_UM_LIMITS
    if frame.frame_um is not None and not least_um <= frame.frame_um <= most_um:
        raise UsageError(f"--frame-um is {frame.frame_um:g}; it must be from {least_um:g} to {most_um:g}.")
    if recipe is not Recipe.refined and frame != USUAL_FRAME:
        option = "--crop-px" if frame.crop_px != CROP_PX else "--frame-um"
        raise UsageError(
            f"{option}: recipe {recipe} always cuts {CROP_PX} px of the image; pass --recipe refined to choose "
            "another frame."
        )


def check_log(log: Path) -> None:
    """Refuse a place where no log file can be.

    Raises:
        UsageError: it is a folder, or in a folder that does not exist.
    """
    if log.is_dir():
        raise UsageError(f"--log: {log} is a folder; give the name of a file.")
    if not log.absolute().parent.is_dir():
        raise UsageError(f"--log: the folder of {log} does not exist; make it first.")
