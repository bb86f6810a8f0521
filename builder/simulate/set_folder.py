"""The folder of a simulated set: its receipt, which of its images are complete, and how they are written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from nucleusnet_core.contract import POSITIONS, QUARTERS
from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import atomic_path, write_bytes_atomic
from nucleusnet_core.inputs.mask_file import mask_bytes, remove_leftovers
from nucleusnet_core.small_files import read_bytes, read_json
from nucleusnet_core.terminal.outputs import output_folder, writing

from .parameters import SimulateParameters
from .sample_sheet import SAMPLES_NAME
from .truth import ImageTruth

RECEIPT_NAME = ".simulate.json"
"""States the parameters of the set; hidden, so that no other verb takes it for an input."""

_OPTION = "FOLDER"
_RUNS_AT_A_TIME = 12


@dataclass(frozen=True)
class SimulatedImage:
    """A stitched image, its mask and its truth; `pixels` (H, W) uint8, `labels` (H, W) uint16, 0 = background."""

    stem: str
    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]
    truth: ImageTruth


@dataclass(frozen=True)
class SimulatedFiles:
    """The files of one simulated image.

    Attributes:
        stem: name of the image without its suffix.
        image_path: the image.
        mask_path: its mask.
        nuclei: number of labels in the mask.
        was_there: whether an earlier call had made them.
    """

    stem: str
    image_path: Path
    mask_path: Path
    nuclei: int
    was_there: bool = False


def place_of(index: int) -> tuple[int, str, str]:
    """Return run, quarter and position of an image: twelve runs get one image each in turn, all places in time.

    >>> place_of(0), place_of(12)
    ((1, 'TL', 'top_left'), (1, 'TR', 'top_right'))
    """
    block, within = divmod(index, _RUNS_AT_A_TIME * 16)
    turn, column = divmod(within, _RUNS_AT_A_TIME)
    quarter, position = divmod((turn * 5 + column * 7) % 16, 4)
    return block * _RUNS_AT_A_TIME + column + 1, QUARTERS[quarter], POSITIONS[position]


def stem_of_image(index: int) -> str:
    """Return the name of an image without its suffix.

    >>> stem_of_image(1)
    'Run02TR_bottom_right'
    """
    run, quarter, position = place_of(index)
    return f"Run{run:02d}{quarter}_{position}"


def prepare_folder(folder: Path, parameters: SimulateParameters, *, overwrite: bool) -> None:
    """Make a folder ready for a set: what it holds of its images was made with the parameters that its receipt states.

    Args:
        folder: made if missing.
        parameters: of the set.
        overwrite: remove the images that are there, of whatever parameters; else those of these parameters stay.

    Raises:
        UsageError: it holds images of other parameters or of another origin.
        OutputError: it cannot be written.
    """
    output_folder(folder, option=_OPTION)
    with writing(folder, _OPTION):
        folder.mkdir(exist_ok=True)
        before = _read_receipt(folder)
        if overwrite:
            for path in {*_set_files(folder, parameters), *_set_files(folder, before or parameters)}:
                path.unlink(missing_ok=True)
        elif before is None:
            _refuse_foreign(folder, parameters)
        elif before == parameters:
            return
        else:
            raise UsageError(
                f"{folder} holds images that were simulated in another way ({parameters.changed_from(before)}); choose "
                "another folder, or pass --overwrite to replace them."
            )
        remove_leftovers(folder / RECEIPT_NAME)
        write_bytes_atomic(folder / RECEIPT_NAME, parameters.to_json())


def finished_image(folder: Path, index: int) -> SimulatedFiles | None:
    """Return the files of an image that is complete in a prepared folder, None if one is missing."""
    stem = stem_of_image(index)
    image_path, mask_path, truth_path = _paths(folder, stem)
    try:
        nuclei = len(read_json(truth_path)["nuclei"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not image_path.is_file() or not mask_path.is_file():
        return None
    return SimulatedFiles(stem, image_path, mask_path, nuclei, was_there=True)


def write_simulated(image: SimulatedImage, folder: Path) -> SimulatedFiles:
    """Write one image with mask and truth, replacing what is there; the truth comes last.

    The mask is the 16-bit gray PNG that cellpose writes: `cv2.imwrite` with its default settings.

    Raises:
        OutputError: a file cannot be written.
    """
    paths = _paths(folder, image.stem)
    with writing(folder, _OPTION):
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            remove_leftovers(path)
        _write_tiff(paths[0], image)
        write_bytes_atomic(paths[1], mask_bytes(image.labels))
        write_bytes_atomic(paths[2], image.truth.to_json())
    return SimulatedFiles(image.stem, paths[0], paths[1], len(image.truth.nuclei))


def _read_receipt(folder: Path) -> SimulateParameters | None:
    """Return the parameters of the set in a folder, None where there is no set or its receipt is damaged."""
    try:
        return SimulateParameters.from_json(read_bytes(folder / RECEIPT_NAME))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _refuse_foreign(folder: Path, parameters: SimulateParameters) -> None:
    for path in _set_files(folder, parameters):
        if path.exists():
            raise UsageError(
                f"{folder} holds {path.name}, and nothing says that `simulate` made it; choose another folder, or pass "
                "--overwrite to replace it."
            )


def _set_files(folder: Path, parameters: SimulateParameters) -> Iterator[Path]:
    for index in range(parameters.images):
        yield from _paths(folder, stem_of_image(index))
    yield folder / SAMPLES_NAME


def _paths(folder: Path, stem: str) -> tuple[Path, Path, Path]:
    return folder / f"{stem}.tif", folder / f"{stem}_cp_masks.png", folder / f"{stem}_truth.json"


def _write_tiff(path: Path, image: SimulatedImage) -> None:
    """Write an uncompressed TIFF of one strip that states its scale."""
    per_cm = round(image.truth.pixels_per_um * 1e4)
    with atomic_path(path) as partial, partial.open("wb") as file:
        tifffile.imwrite(file, image.pixels, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", metadata=None)
