"""The folder of one panorama: pyramids of image, masks and outlines, a thumbnail, and facts about the nuclei."""

import functools
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nucleusnet_core.contract import image_columns
from nucleusnet_core.pictures.label_colours import Colours, label_colours, packed
from nucleusnet_core.terminal.progress import Progress

from .label_layers import coloured, contours
from .libvips import shown_image
from .panorama_nuclei import Nuclei, page_nuclei
from .panoramas import Panorama, label_counts
from .plain_copies import PlainCopy, plain_copies
from .pyramids import THUMBNAIL_NAME, grid, write_pyramid, write_thumbnail

COPIES_NAME = ".copies"
"""Folder of what is needed while a panorama is made; no panorama has such a name."""


@dataclass(frozen=True)
class _Layer:
    """One pyramid: its name, format of its tiles, how they shrink, and what makes the picture and its corners anew."""

    name: str
    suffix: str
    shrink: str
    picture: Callable[[], tuple[Any, list[tuple[int, int]]]]


@dataclass(frozen=True)
class Look:
    """How panoramas look.

    Attributes:
        quality: of the JPEG tiles of images, 1 to 100.
        seed: of the colours of masks.
    """

    quality: int
    seed: int


def write_panorama(
    panorama: Panorama, out: Path, look: Look, *, nuclei: Nuclei, progress: Progress, stop: threading.Event
) -> dict[str, Any]:
    """Write a panorama into a folder of its own.

    Args:
        panorama: what is written.
        out: the folder of all panoramas.
        look: how it looks.
        nuclei: what is known about nuclei.
        progress: moved by rows of pixels.
        stop: ends the work when it is set.

    Returns:
        What the list of panoramas says about it.

    Raises:
        InputImageError: it was stopped, or a file has changed since it was read.
        OutputError: it cannot be written.
    """
    folder = out / panorama.name
    folder.mkdir()
    counts = label_counts(panorama)
    colours = np.split(label_colours(sum(counts), seed=look.seed), np.cumsum(counts)[:-1])
    with plain_copies(panorama.parts, out / COPIES_NAME) as copies:
        layers = _layers(panorama, copies, colours, look.quality)
        picture, corners = layers[0].picture()
        size_px = picture.width, picture.height
        progress.begin(panorama.name, len(layers) * picture.height, unit="row")
        for layer in layers:
            path, own = folder / f"{layer.name}.szi", layer.picture()[0]
            write_pyramid(own, path, suffix=layer.suffix, shrink=layer.shrink, progress=progress, stop=stop)
        write_thumbnail(picture, folder / THUMBNAIL_NAME)
        del layers, picture, own  # else Windows does not delete what they read
    masks = [
        (p.name, p.labels, packed(c[list(p.labels)]).tolist()) for p, c in zip(panorama.parts, colours, strict=True)
    ]
    (folder / "nuclei.json").write_text(json.dumps(page_nuclei(masks, nuclei)), "utf-8")
    images = [
        {"name": part.name, "x": x, "y": y, "width": part.size_px[0], "height": part.size_px[1]}
        for part, (x, y) in zip(panorama.parts, corners, strict=True)
    ]
    labels = sum(len(part.labels) for part in panorama.parts)
    return folder_entry("image", folder, size_px) | {"masks": labels, "images": images} | _channel_entry(panorama)


def _channel_entry(panorama: Panorama) -> dict[str, Any]:
    """Return what the list says about channels: nothing where there is one."""
    if len(panorama.channels) == 1:
        return {}
    named = zip(panorama.channels, image_columns(panorama.channels), strict=True)
    return {
        "channels": [
            {"name": name, "layer": layer, "bright": max(part.tones[number].bright for part in panorama.parts)}
            for number, (name, layer) in enumerate(named)
        ]
    }


def folder_entry(kind: str, folder: Path, size_px: tuple[int, int]) -> dict[str, Any]:
    """Return what the list says about every panorama; readers of parts of files must know their sizes."""
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return {"kind": kind, "name": folder.name, "width": size_px[0], "height": size_px[1], "files": files}


def _layers(panorama: Panorama, copies: Sequence[PlainCopy], colours: Sequence[Colours], quality: int) -> list[_Layer]:
    parts = panorama.parts
    places = [(part.row, part.column) for part in parts]

    def image(channel: int) -> Any:
        shown = [
            shown_image(copy.image(channel), part.tones[channel].white)
            for copy, part in zip(copies, parts, strict=True)
        ]
        return grid(shown, places)

    def masks(colour: Callable[[Any, Colours], Any]) -> Any:
        return grid([colour(copy.mask(), c) for copy, c in zip(copies, colours, strict=True)], places)

    return [
        *(
            _Layer(name, f".jpg[Q={quality}]", "mean", functools.partial(image, channel))
            for channel, name in enumerate(image_columns(panorama.channels))
        ),
        _Layer("fill", ".png", "nearest", lambda: masks(coloured)),
        _Layer("contours", ".png", "max", lambda: masks(contours)),
    ]
