"""Simulated stitched images with masks and truth, to try everything on before there is data of one's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucleusnet_core.contract import POSITIONS, PUBLISHED_PIXELS_PER_UM, QUARTERS
from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.files.atomic import atomic_path, write_bytes_atomic

from ..inputs.mask_file import mask_bytes
from .look import OPTICS_STREAM, SCENE_STREAM, generator, run_look
from .optics import expose
from .scene import lay_out
from .truth import ImageTruth, number_labels

# Four times the published density, so that a handful of small images holds enough nuclei to train on.
NUCLEI_PER_MM2 = 1100.0
MIN_SIZE_PX, MAX_SIZE_PX = 512, 30_000

# The image with this index shows no nuclei, so that every set of more than three holds an empty mask.
EMPTY_INDEX = 3

_RUNS_AT_A_TIME = 12


@dataclass(frozen=True)
class SimulatedImage:
    """A stitched image, its mask and its truth; `pixels` (H, W) uint8, `labels` (H, W) uint16, 0 = background."""

    stem: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    truth: ImageTruth


@dataclass(frozen=True)
class SimulatedFiles:
    """Image and mask of one simulated image, and how many labels the mask has."""

    stem: str
    image_path: Path
    mask_path: Path
    nuclei: int


def place_of(index: int) -> tuple[int, str, str]:
    """Give run, quarter and position of an image: twelve runs get one image each in turn, all places in time.

    >>> place_of(0), place_of(12)
    ((1, 'TL', 'top_left'), (1, 'TR', 'top_right'))
    """
    block, within = divmod(index, _RUNS_AT_A_TIME * 16)
    turn, column = divmod(within, _RUNS_AT_A_TIME)
    quarter, position = divmod((turn * 5 + column * 7) % 16, 4)
    return block * _RUNS_AT_A_TIME + column + 1, QUARTERS[quarter], POSITIONS[position]


def simulate_image(
    index: int,
    *,
    size_px: int = 3000,
    seed: int = 0,
    pixels_per_um: float = PUBLISHED_PIXELS_PER_UM,
    nuclei_per_mm2: float = NUCLEI_PER_MM2,
) -> SimulatedImage:
    """Draw one stitched image with its mask; the same arguments give the same pixels.

    Args:
        index: Number of the image, >= 0. Number 3 (`EMPTY_INDEX`) shows no nuclei.
        size_px: Height and width.
        seed: Seed of the set, >= 0.
        pixels_per_um: Scale.
        nuclei_per_mm2: Mean number of nuclei on a square millimetre (published: about 275).

    Raises:
        UsageError: A value cannot work.
    """
    _check(index + 1, size_px, seed, pixels_per_um, nuclei_per_mm2)
    run, quarter, position = place_of(index)
    look = run_look(seed, run)
    rng = generator(seed, SCENE_STREAM, index)
    wanted = 0 if index == EMPTY_INDEX else round(nuclei_per_mm2 * look.density * (size_px / pixels_per_um / 1000) ** 2)
    debris = 1 if index % 3 == 0 else int(rng.poisson(0.4))
    scene = lay_out(size_px, wanted, look, rng, pixels_per_um=pixels_per_um, debris=debris)
    labels, nuclei = number_labels(scene, rng, pixels_per_um=pixels_per_um)
    pixels = expose(scene.light, look, generator(seed, OPTICS_STREAM, index), pixels_per_um=pixels_per_um)
    stem = f"Run{run:02d}{quarter}_{position}"
    truth = ImageTruth(stem, index, seed, run, quarter, position, size_px, pixels_per_um, nuclei, scene.debris)
    return SimulatedImage(stem, pixels, labels, truth)


def simulate(
    folder: Path,
    *,
    images: int = 24,
    size_px: int = 3000,
    seed: int = 0,
    pixels_per_um: float = PUBLISHED_PIXELS_PER_UM,
    nuclei_per_mm2: float = NUCLEI_PER_MM2,
    overwrite: bool = False,
    on_image: Callable[[SimulatedFiles], None] | None = None,
) -> list[SimulatedFiles]:
    """Write stitched images, cellpose masks and truth files.

    Args:
        folder: Where to; made if missing.
        images: How many, over twelve runs (fewer runs where there are fewer images).
        size_px: Height and width of an image.
        seed: The same seed gives the same images, whatever `images` is.
        pixels_per_um: Scale.
        nuclei_per_mm2: Mean number of nuclei on a square millimetre.
        overwrite: Replace files of the same name.
        on_image: Called after each image.

    Returns:
        What was written, in the order of the images.

    Raises:
        UsageError: A value cannot work.
        OutputError: A file is there already or cannot be written.
    """
    _check(images, size_px, seed, pixels_per_um, nuclei_per_mm2)
    planned = [_paths(folder, "Run{:02d}{}_{}".format(*place_of(index))) for index in range(images)]
    if not overwrite:
        _refuse_existing(planned)
    _make_folder(folder)
    done = []
    for index in range(images):
        image = simulate_image(
            index, size_px=size_px, seed=seed, pixels_per_um=pixels_per_um, nuclei_per_mm2=nuclei_per_mm2
        )
        done.append(write_simulated(image, folder))
        if on_image is not None:
            on_image(done[-1])
    return done


def write_simulated(image: SimulatedImage, folder: Path) -> SimulatedFiles:
    """Write one image with mask and truth, replacing what is there.

    The mask is the 16-bit gray PNG that cellpose writes: `cv2.imwrite` with its default settings.

    Raises:
        OutputError: A file cannot be written.
    """
    paths = _paths(folder, image.stem)
    _make_folder(folder)
    try:
        _write_tiff(paths[0], image)
        write_bytes_atomic(paths[1], mask_bytes(image.labels))
        write_bytes_atomic(paths[2], image.truth.to_json())
    except OSError as error:
        raise _not_writable(folder, error) from error
    return SimulatedFiles(image.stem, paths[0], paths[1], len(image.truth.nuclei))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def _not_writable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"expected to write simulated images into {str(folder)!r}, found: {error}; "
        "name a folder that you may write to, on a disk with room"
    )


def _paths(folder: Path, stem: str) -> tuple[Path, Path, Path]:
    return folder / f"{stem}.tif", folder / f"{stem}_cp_masks.png", folder / f"{stem}_truth.json"


def _write_tiff(path: Path, image: SimulatedImage) -> None:
    """An uncompressed TIFF of one strip that states its scale."""
    per_cm = round(image.truth.pixels_per_um * 1e4)
    with atomic_path(path) as partial, partial.open("wb") as file:
        tifffile.imwrite(file, image.pixels, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", metadata=None)


def _refuse_existing(planned: list[tuple[Path, Path, Path]]) -> None:
    for path in (path for paths in planned for path in paths):
        if path.exists():
            raise OutputError(
                f"expected a folder without simulated images, found {path.name!r} in {str(path.parent)!r}; "
                "name another folder, or pass --overwrite"
            )


def _check(images: int, size_px: int, seed: int, pixels_per_um: float, nuclei_per_mm2: float) -> None:
    limits = (
        ("images", images, 1, 100_000),
        ("size_px (--size)", size_px, MIN_SIZE_PX, MAX_SIZE_PX),
        ("seed", seed, 0, 2**63 - 1),
        ("pixels_per_um", pixels_per_um, 1.0, 40.0),
        ("nuclei_per_mm2 (--density)", nuclei_per_mm2, 0.0, 3000.0),
    )
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise UsageError(f"expected {name} between {low} and {high}, found {value}; choose a value inside")
