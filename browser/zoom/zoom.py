"""A folder of panoramas: pyramids of images, masks and outlines, what is known of the nuclei, and their list."""

import functools
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nucleusnet_core.contract import CROP_PX, NUCLEI_PER_RUN, TEN_K
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import InputImageError, InputMaskError, OutputError, SelectionError
from nucleusnet_core.files.whole_folder import whole_folder
from nucleusnet_core.pictures.label_colours import MAX_COLOURS, Colours, label_colours, packed
from nucleusnet_core.storage.threads import result_of

from .mosaic import mosaic_strips
from .panorama_nuclei import Nuclei, nuclei_of, page_nuclei, stitched_rows
from .panoramas import LIST_NAME, Files, Panorama, Part, choose_images, joined_panoramas, single_panoramas
from .pyramids import (
    Stopped,
    coloured,
    contours,
    grid,
    labels_of,
    open_image,
    open_mask,
    vips,
    write_pyramid,
    write_thumbnail,
)

FORMAT = 1
THUMBNAIL_NAME = "thumbnail.jpg"
Step = Callable[[str, int], None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class ZoomOptions:
    """What is made of which images.

    Attributes:
        stitched: folder of the stitched images and masks.
        masks: folder of the masks, if another.
        out: folder of the panoramas.
        top: how many of the most representative images.
        images: stitched images by name, instead of these.
        join: join what lies on one coverslip.
        mosaic: add the nuclei of config 10k as one picture.
        quality: of the image's tiles, 1 to 100.
        seed: of the colours.
        overwrite: replace an earlier folder of panoramas.
    """

    stitched: Path
    out: Path
    masks: Path | None = None
    top: int = 10
    images: tuple[str, ...] = ()
    join: bool = False
    mosaic: bool = False
    quality: int = 85
    seed: int = 0
    overwrite: bool = False


def make_panoramas(options: ZoomOptions, opened: OpenDataset, step: Step) -> dict[str, Any]:
    """Write the folder, whole or not at all.

    Args:
        options: what is made.
        opened: the dataset that was built of these images.
        step: called with what is made now and the percentage that is done of it.

    Returns:
        The list of the panoramas, as `panoramas.json` holds it.

    Raises:
        NucleusNetError: an image or a mask is missing or damaged, or the folder cannot be written.
    """
    vips()
    _check_free(options)
    rows = stitched_rows(opened)
    names = choose_images(rows, top=options.top, names=options.images)
    files = Files(options.stitched, options.masks)
    chosen = joined_panoramas(files, names, rows) if options.join else single_panoramas(files, names)
    if not chosen and not options.mosaic:
        raise SelectionError(f"{opened.store.name}: stitched images with nuclei expected, none found; name --images")
    built = {row["name"]: (row["width"], row["height"]) for row in rows}
    for part in (part for panorama in chosen for part in panorama.parts):
        _check_part(part, built[part.name])  # before hours of work, of which the last part may be refused
    nuclei = nuclei_of(opened, [part.name for panorama in chosen for part in panorama.parts])
    with whole_folder(options.out) as partial:

        def write(step: Step) -> list[dict[str, Any]]:
            entries = [_write(panorama, partial, options, nuclei=nuclei, step=step) for panorama in chosen]
            return entries + ([_write_mosaic(opened, partial, options, step)] if options.mosaic else [])

        entries = _interruptible(write, step)
        listed = {
            "format": FORMAT,
            "pixels_per_um": opened.manifest.parameters.get("pixels_per_um"),
            "panoramas": entries,
        }
        (partial / LIST_NAME).write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return listed


def _interruptible(write: Callable[[Step], Result], step: Step) -> Result:
    """Write in another thread: an interrupt comes to this one, and would be lost in a callback of libvips."""
    stop = threading.Event()

    def reported(what: str, percent: int) -> None:
        if stop.is_set():
            raise Stopped
        step(what, percent)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write, reported)
        try:
            return result_of(written)
        finally:
            stop.set()


def is_panorama_folder(folder: Path) -> bool:
    """Say whether a folder is one that `make_panoramas` wrote."""
    return (folder / LIST_NAME).is_file()


@dataclass(frozen=True)
class _Layer:
    """One pyramid: its name, format of its tiles, how they shrink, and what makes the picture and its corners anew."""

    name: str
    suffix: str
    shrink: str
    picture: Callable[[], tuple[Any, list[tuple[int, int]]]]


def _layers(panorama: Panorama, colours: Sequence[Colours], quality: int) -> list[_Layer]:
    parts = panorama.parts
    places = [(part.row, part.column) for part in parts]

    def image() -> Any:
        return grid([open_image(part.image_path) for part in parts], places)

    def masks(colour: Callable[[Any, Colours], Any]) -> Any:
        return grid([colour(open_mask(part.mask_path), c) for part, c in zip(parts, colours, strict=True)], places)

    return [
        _Layer("image", f".jpg[Q={quality}]", "mean", image),
        _Layer("fill", ".png", "nearest", lambda: masks(coloured)),
        _Layer("contours", ".png", "max", lambda: masks(contours)),
    ]


def _write(panorama: Panorama, out: Path, options: ZoomOptions, *, nuclei: Nuclei, step: Step) -> dict[str, Any]:
    folder = out / panorama.name
    folder.mkdir()
    parts = panorama.parts
    sizes = [_size(part) for part in parts]
    labels = [labels_of(part.mask_path) for part in parts]
    colours = _colours_of_parts(labels, options.seed)
    layers = _layers(panorama, colours, options.quality)
    for layer in layers:
        progress = functools.partial(step, f"{panorama.name} {layer.name}")
        path = folder / f"{layer.name}.szi"
        write_pyramid(layer.picture()[0], path, suffix=layer.suffix, shrink=layer.shrink, progress=progress)
    picture, corners = layers[0].picture()
    write_thumbnail(picture, folder / THUMBNAIL_NAME)
    masks = [(p.name, found, packed(c[found]).tolist()) for p, found, c in zip(parts, labels, colours, strict=True)]
    (folder / "nuclei.json").write_text(json.dumps(page_nuclei(masks, nuclei)), "utf-8")
    images = [
        {"name": part.name, "x": x, "y": y, "width": width, "height": height}
        for part, (x, y), (width, height) in zip(parts, corners, sizes, strict=True)
    ]
    return _entry("image", folder, picture) | {"masks": sum(map(len, labels)), "images": images}


def _entry(kind: str, folder: Path, picture: Any) -> dict[str, Any]:
    """What the list says of every panorama; readers of parts of files must know their sizes."""
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return {"kind": kind, "name": folder.name, "width": picture.width, "height": picture.height, "files": files}


def _colours_of_parts(labels: Sequence[Sequence[int]], seed: int) -> list[Colours]:
    """Colours by label of every part; no two labels of a panorama share one."""
    counts = [max(found, default=0) + 1 for found in labels]
    if sum(counts) > MAX_COLOURS:
        raise SelectionError(
            f"--join: images with at most {MAX_COLOURS} labels together expected, {sum(counts)} found; leave --join out"
        )
    return np.split(label_colours(sum(counts), seed=seed), np.cumsum(counts)[:-1])


def _check_part(part: Part, built: tuple[int, int]) -> None:
    """Refuse files that cannot be those that the dataset was built from."""
    found = _size(part)
    if found != built:
        raise InputImageError(
            f"{part.image_path}: {built[0]} x {built[1]} px expected, as the dataset was built from, {found[0]} x "
            f"{found[1]} found; give the folder of its images, or the --dataset of these"
        )


def _size(part: Part) -> tuple[int, int]:
    """Width and height of an image, which its mask must share."""
    image, mask = open_image(part.image_path), open_mask(part.mask_path)
    if (image.width, image.height) != (mask.width, mask.height):
        raise InputMaskError(
            f"{part.mask_path}: {image.width} x {image.height} px expected, as {part.image_path.name} has, "
            f"{mask.width} x {mask.height} found"
        )
    return image.width, image.height


def _write_mosaic(opened: OpenDataset, out: Path, options: ZoomOptions, step: Step) -> dict[str, Any]:
    folder = out / TEN_K
    folder.mkdir()
    raw = folder / "pixels.raw"
    runs: list[int | str] = []
    with raw.open("wb") as file:
        for run, strip in mosaic_strips(opened):
            strip.tofile(file)
            runs.append(run)
    if not runs:
        raise SelectionError(f"{opened.store.name}: nuclei in config 10k expected, none found; leave --mosaic out")
    # Runs come split by split; on the page they come by number, and those with a name after them.
    order = sorted(range(len(runs)), key=lambda place: (isinstance(runs[place], str), runs[place]))
    width = NUCLEI_PER_RUN * CROP_PX
    stored = vips().Image.rawload(str(raw), width, CROP_PX * len(runs), 1)
    strips = [stored.crop(0, place * CROP_PX, width, CROP_PX) for place in order]
    picture = vips().Image.arrayjoin(strips, across=1).copy(interpretation="b-w")
    progress = functools.partial(step, TEN_K)
    suffix = f".jpg[Q={options.quality}]"
    write_pyramid(picture, folder / "image.szi", suffix=suffix, shrink="mean", progress=progress)
    write_thumbnail(picture, folder / THUMBNAIL_NAME)
    entry = _entry("mosaic", folder, picture)
    del stored, strips, picture  # else Windows does not delete what they read
    raw.unlink()
    del entry["files"][raw.name]
    return entry | {"cell_px": CROP_PX, "runs": [runs[place] for place in order]}


def _check_free(options: ZoomOptions) -> None:
    out = options.out
    if not out.exists() or (out.is_dir() and not any(os.scandir(out))):
        return
    if options.overwrite and is_panorama_folder(out) and not out.is_symlink():
        return
    remedy = "pass --overwrite to replace the panoramas in it" if is_panorama_folder(out) else "choose another --out"
    raise OutputError(f"{out}: an empty folder or none expected, something found; {remedy}")
