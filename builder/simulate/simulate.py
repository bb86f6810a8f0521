"""Simulated stitched images with masks and truth, to try everything on before there is data of one's own."""

from dataclasses import replace
from pathlib import Path

from nucleusnet_core.contract import PUBLISHED_PIXELS_PER_UM
from nucleusnet_core.terminal.progress import NoProgress, Progress

from .faults import blank_out, plant_faults, with_cut
from .look import FAULT_STREAM, OPTICS_STREAM, SCENE_STREAM, generator, run_look
from .optics import expose
from .parameters import SimulateParameters
from .sample_sheet import write_sample_sheet
from .scene import lay_out
from .set_folder import (
    SimulatedFiles,
    SimulatedImage,
    finished_image,
    place_of,
    prepare_folder,
    stem_of_image,
    write_simulated,
)
from .truth import ImageTruth, number_labels

EMPTY_INDEX = 3
"""The image with this index shows no nuclei, so that every set of more than three holds an empty mask."""

_DEFAULT = SimulateParameters()


def simulate(
    folder: Path,
    *,
    images: int = _DEFAULT.images,
    size_px: int = _DEFAULT.size_px,
    seed: int = _DEFAULT.seed,
    nuclei_per_mm2: float = _DEFAULT.nuclei_per_mm2,
    pixels_per_um: float = _DEFAULT.pixels_per_um,
    mask_margin_um: float = _DEFAULT.mask_margin_um,
    faults: float = _DEFAULT.faults,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[SimulatedFiles]:
    """Write stitched images, cellpose masks, truth files and a sample sheet; the next call resumes an interrupted one.

    Args:
        folder: where to; made if missing. Complete images of the same parameters that are there stay.
        images: how many; see `SimulateParameters` for this and the next six.
        size_px: height and width of an image.
        seed: of the set.
        nuclei_per_mm2: mean number of nuclei on a square millimetre.
        pixels_per_um: scale.
        mask_margin_um: mean distance from the visible edge of a nucleus to the rim of its mask.
        faults: share of the nuclei in which a fault is planted.
        overwrite: make all anew, and remove what is there of another set.
        progress: told of each image that is made.

    Returns:
        The files of every image, in the order of the images.

    Raises:
        UsageError: a value cannot work, or the folder holds images of other parameters or of another origin.
        OutputError: a file cannot be written.
    """
    parameters = SimulateParameters(images, size_px, seed, nuclei_per_mm2, pixels_per_um, mask_margin_um, faults)
    progress = progress or NoProgress()
    prepare_folder(folder, parameters, overwrite=overwrite)
    write_sample_sheet(folder, (place_of(index)[0] for index in range(images)))
    files = [finished_image(folder, index) for index in range(images)]
    if missing := files.count(None):
        progress.begin("images", missing)
    done = []
    for index, found in enumerate(files):
        if found is None:
            done.append(write_simulated(_drawn(index, parameters), folder))
            progress.step(nuclei=done[-1].nuclei)
        else:
            done.append(found)
    return done


def simulate_image(
    index: int,
    *,
    size_px: int = _DEFAULT.size_px,
    seed: int = _DEFAULT.seed,
    nuclei_per_mm2: float = _DEFAULT.nuclei_per_mm2,
    pixels_per_um: float = _DEFAULT.pixels_per_um,
    mask_margin_um: float = _DEFAULT.mask_margin_um,
    faults: float = _DEFAULT.faults,
) -> SimulatedImage:
    """Draw one stitched image with its mask; the same arguments give the same pixels.

    Args:
        index: number of the image, >= 0. Number 3 (`EMPTY_INDEX`) shows no nuclei.
        size_px: height and width.
        seed: of the set, >= 0.
        nuclei_per_mm2: mean number of nuclei on a square millimetre (published: about 275).
        pixels_per_um: scale.
        mask_margin_um: mean distance from the visible edge of a nucleus to the rim of its mask.
        faults: share of the nuclei in which a fault is planted.

    Raises:
        UsageError: a value cannot work.
    """
    parameters = SimulateParameters(index + 1, size_px, seed, nuclei_per_mm2, pixels_per_um, mask_margin_um, faults)
    return _drawn(index, parameters)


def _drawn(index: int, parameters: SimulateParameters) -> SimulatedImage:
    size_px, seed, pixels_per_um = parameters.size_px, parameters.seed, parameters.pixels_per_um
    run, quarter, position = place_of(index)
    look = run_look(seed, run)
    field_um = look.tile_um * (PUBLISHED_PIXELS_PER_UM / pixels_per_um)  # a field has as many px at every scale
    look = replace(look, tile_um=field_um, mask_margin_um=parameters.mask_margin_um)
    rng = generator(seed, SCENE_STREAM, index)
    mean = parameters.nuclei_per_mm2 * look.density * (size_px / pixels_per_um / 1000) ** 2
    debris = 1 if index % 3 == 0 else int(rng.poisson(0.4))
    wanted = 0 if index == EMPTY_INDEX else round(mean)
    scene = lay_out(size_px, wanted, look, rng, pixels_per_um=pixels_per_um, debris=debris)
    if parameters.faults:
        fault_rng = generator(seed, FAULT_STREAM, index)
        scene = plant_faults(scene, parameters.faults, fault_rng, pixels_per_um=pixels_per_um)
    labels, nuclei = number_labels(scene, rng, pixels_per_um=pixels_per_um)
    pixels = expose(scene.light, look, generator(seed, OPTICS_STREAM, index), pixels_per_um=pixels_per_um)
    if parameters.faults:
        nuclei = with_cut(nuclei)
        blank_out(pixels, labels, nuclei, fault_rng)
    stem, planted = stem_of_image(index), bool(parameters.faults)
    truth = ImageTruth(stem, index, seed, run, quarter, position, size_px, pixels_per_um, nuclei, scene.debris, planted)
    return SimulatedImage(stem, pixels, labels, truth)
