"""A folder of panoramas with its list, written whole or not at all; one bad image never costs the others."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import InputImageError, InputMaskError, NucleusNetError, PairingError, SelectionError
from nucleusnet_core.files.whole_folder import whole_folder
from nucleusnet_core.inputs.channels import ALL_CHANNELS, ChannelOptions
from nucleusnet_core.inputs.find import find_inputs
from nucleusnet_core.inputs.names import CHANNEL
from nucleusnet_core.inputs.pairs import USUAL, FindOptions, FoundInputs
from nucleusnet_core.terminal.progress import NoProgress, Progress

from .free_folder import check_free
from .libvips import vips
from .mosaic import write_mosaic
from .panorama_folder import Look, write_panorama
from .panorama_nuclei import nuclei_of, stitched_rows
from .panoramas import (
    LIST_NAME,
    Panorama,
    Part,
    check_label_count,
    choose_images,
    joined_panoramas,
    read_part,
    single_panoramas,
    source_of,
    with_neighbours,
)

FORMAT = 1
_OF_ONE_IMAGE = (PairingError, SelectionError, InputImageError, InputMaskError)
_INTERRUPTIBLE_SECONDS = 0.5
Result = TypeVar("Result")


@dataclass(frozen=True)
class ZoomOptions:
    """What is made of which images.

    Attributes:
        stitched: folder of the stitched images and masks.
        out: folder of the panoramas.
        find: where images and masks are looked for.
        top: how many of the most representative images.
        images: stitched images by name, instead of these.
        join: join what lies on one coverslip.
        mosaic: add the nuclei of config 10k as one picture.
        quality: of the JPEG tiles of images, 1 to 100.
        seed: of the colours of masks.
        overwrite: replace an earlier folder of panoramas.
    """

    stitched: Path
    out: Path
    find: FindOptions = USUAL
    top: int = 10
    images: tuple[str, ...] = ()
    join: bool = False
    mosaic: bool = False
    quality: int = 85
    seed: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class ZoomResult:
    """What was made, and what was not.

    Attributes:
        panoramas: those that were made, as `panoramas.json` lists them.
        failures: by image, or by panorama, why it could not be shown.
    """

    panoramas: list[dict[str, Any]]
    failures: dict[str, str]


def make_panoramas(options: ZoomOptions, opened: OpenDataset, progress: Progress | None = None) -> ZoomResult:
    """Write the folder, whole or not at all. Images that cannot be shown are left out and listed.

    Args:
        options: what is made.
        opened: the dataset that was built of these images.
        progress: told of each step.

    Raises:
        NucleusNetError: none of the images can be shown, or the folder cannot be written.
    """
    vips()
    progress = progress or NoProgress()
    check_free(options.out, mark=LIST_NAME, overwrite=options.overwrite, option="--out")
    rows = stitched_rows(opened)
    chosen, errors = _chosen(options, opened, rows, progress)
    scales = {row["name"]: row["pixels_per_um"] for row in rows}
    if not chosen and not options.mosaic:
        raise _nothing_made(errors)
    nuclei = nuclei_of(opened, [part.name for panorama in chosen for part in panorama.parts])
    look = Look(options.quality, options.seed)
    with whole_folder(options.out) as partial:

        def write(stop: threading.Event) -> list[dict[str, Any]]:
            entries = [
                write_panorama(one, partial, look, nuclei=nuclei, progress=progress, stop=stop)
                | {"pixels_per_um": _scale_of(one, scales)}
                for one in chosen
            ]
            if options.mosaic:
                entries.append(write_mosaic(opened, partial, options.quality, progress=progress, stop=stop))
            return entries

        entries = _interruptible(write)
        _write_list(partial, entries)
    return ZoomResult(entries, {name: str(error) for name, error in errors.items()})


def _scale_of(panorama: Panorama, scales: Mapping[str, float]) -> float | None:
    """Return the scale of a panorama, or None where its images have several."""
    found = {scales[part.name] for part in panorama.parts}
    return found.pop() if len(found) == 1 else None


def _chosen(
    options: ZoomOptions, opened: OpenDataset, rows: Sequence[Mapping[str, Any]], progress: Progress
) -> tuple[list[Panorama], dict[str, NucleusNetError]]:
    """Return the panoramas to make, and the errors of images that cannot be shown."""
    names = choose_images(rows, top=options.top, names=options.images)
    if not names and not options.mosaic:
        raise SelectionError(f"{opened.store.name} has no stitched images with nuclei; name some with --images.")
    found = find_inputs(options.stitched, _as_built(options.find, opened))
    wanted = with_neighbours(names, rows, found) if options.join else names
    built_px = {row["name"]: (row["width"], row["height"]) for row in rows}
    sizes_px = {name: built_px[name] for name in wanted}
    parts, errors = _interruptible(lambda stop: _read_parts(options, found, sizes_px, progress, stop))
    panoramas = joined_panoramas(parts, rows) if options.join else single_panoramas(parts)
    return _colourable(panoramas, errors), errors


def _as_built(find: FindOptions, opened: OpenDataset) -> FindOptions:
    """Return where images lie; those whose channels are files of their own are told apart as when they were built."""
    pattern = opened.manifest.parameters.get("name_pattern") or ""
    if f"?P<{CHANNEL}>" not in pattern:
        return find
    if opened.manifest.channels and find.channels == ALL_CHANNELS:
        find = replace(find, channels=ChannelOptions(mask=opened.manifest.channels[0]))
    return replace(find, name_pattern=pattern)


def _read_parts(
    options: ZoomOptions,
    found: FoundInputs,
    wanted: dict[str, tuple[int, int]],
    progress: Progress,
    stop: threading.Event,
) -> tuple[list[Part], dict[str, NucleusNetError]]:
    """Read the images of these names and sizes; return those that can be shown, and the errors of the others."""
    parts: list[Part] = []
    errors: dict[str, NucleusNetError] = {}
    progress.begin("reading images and masks", len(wanted))
    for name, built_px in wanted.items():
        if stop.is_set():
            break
        try:
            source = source_of(found, name, options.stitched)
            parts.append(read_part(source, built_px, allow_pickle=options.find.allow_pickle, channels=found.channels))
        except _OF_ONE_IMAGE as error:
            errors[name] = error
        progress.step()
    return parts, errors


def _colourable(panoramas: Sequence[Panorama], errors: dict[str, NucleusNetError]) -> list[Panorama]:
    """Return the panoramas that can be coloured; the errors of the others are added to `errors`."""
    chosen = []
    for panorama in panoramas:
        try:
            check_label_count(panorama)
            chosen.append(panorama)
        except SelectionError as error:
            errors[panorama.name] = error
    return chosen


def _nothing_made(errors: dict[str, NucleusNetError]) -> NucleusNetError:
    """Return the one error of all of them."""
    first, *others = errors.values()
    if not others:
        return first
    listed = "\n  ".join(str(error) for error in errors.values())
    return InputImageError(f"no panorama was made: none of the {len(errors)} images can be shown:\n  {listed}")


def _interruptible(work: Callable[[threading.Event], Result]) -> Result:
    """Work in another thread: an interrupt comes to this one, and would be lost in a callback of libvips."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work, stop)
        try:
            while not working.done():  # Windows delivers an interrupt only between waits
                wait([working], timeout=_INTERRUPTIBLE_SECONDS)
            return working.result()
        finally:
            stop.set()


def _write_list(folder: Path, entries: list[dict[str, Any]]) -> None:
    listed = {"format": FORMAT, "panoramas": entries}
    (folder / LIST_NAME).write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", "utf-8")
