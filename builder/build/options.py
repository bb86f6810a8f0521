"""What a build is asked for, and which part of that decides the bytes of its output."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from nucleusnet_core.contract import PUBLISHED_PIXELS_PER_UM
from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import check_seed
from nucleusnet_core.stitched_names import DEFAULT_NAME_PATTERN

from ..card.study import NO_STUDY, Study, read_study
from ..pieces.task import PieceParameters
from ..shards.splits import parse_splits

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
        recipe: "published" or "refined".
        outside: "zero" or "keep".
        workers: number of worker processes on this machine.
        scheduler: address or scheduler file of a Dask cluster that works instead.
        recursive: look for images in subfolders.
        overwrite: replace an existing dataset folder.
        fresh: do not resume.
        allow_pickle: read masks from `_seg.npy`, which are pickles, with a restricted unpickler.
        log: log file, None for one in the work folder.
        study: file with facts about the study for the card, None if nothing is to be stated.
    """

    stitched: Path
    out: Path
    masks: Path | None = None
    pixels_per_um: float = PUBLISHED_PIXELS_PER_UM
    seed: int = 0
    splits: str = DEFAULT_SPLITS
    name_pattern: str = DEFAULT_NAME_PATTERN
    recipe: Literal["published", "refined"] = "published"
    outside: Literal["zero", "keep"] = "zero"
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
        if not 0.01 <= self.pixels_per_um <= 1000:
            raise UsageError(f"--pixels-per-um: 0.01 to 1000 expected, {self.pixels_per_um} found.")
        if self.workers < 1:
            raise UsageError(f"--workers: at least 1 expected, {self.workers} found.")
        if self.log is not None and (self.log.is_dir() or not self.log.absolute().parent.is_dir()):
            raise UsageError(f"--log: a file in an existing folder expected, {self.log} found.")
        self.read_study()

    @property
    def fractions(self) -> dict[str, float]:
        """Fractions of the runs, by split."""
        return parse_splits(self.splits)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of this tool and of the libraries that decide the bytes of the output, by name."""
        return {name: version(name) for name in _DECIDING_LIBRARIES}

    def read_study(self) -> Study:
        """Read the facts about the study.

        Raises:
            UsageError: the file is incomplete or cannot be read.
        """
        return NO_STUDY if self.study is None else read_study(self.study, pixels_per_um=self.pixels_per_um)

    def published_parameters(self) -> dict[str, Any]:
        """What of the options decides the bytes of the dataset, besides seed and recipe; goes into the manifest."""
        parameters: dict[str, Any] = {
            "pixels_per_um": self.pixels_per_um,
            "splits": self.fractions,
            "name_pattern": self.name_pattern,
            "outside": self.outside,
        }
        if self.recipe == "refined":
            from ..cutting.refined import REFINED_PARAMETERS  # noqa: PLC0415 - brings numba and OpenCV, which only workers need

            parameters["refined"] = dict(REFINED_PARAMETERS)
        return parameters

    def recorded_parameters(self) -> dict[str, Any]:
        """What a work folder is begun with; it is not resumed with another."""
        return self.published_parameters() | {"seed": self.seed, "recipe": self.recipe}

    def piece_parameters(self) -> PieceParameters:
        """What of the options decides the bytes of a piece."""
        versions = tuple(f"{name} {number}" for name, number in self.versions.items())
        return PieceParameters(self.recipe, self.outside, self.pixels_per_um, self.seed, versions)
