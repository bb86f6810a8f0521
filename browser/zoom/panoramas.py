"""Which stitched images become panoramas, and how those of one coverslip are joined."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.contract import POSITIONS, QUARTERS
from nucleusnet_core.errors import InputImageError, InputMaskError, PairingError, SelectionError
from nucleusnet_core.inputs.channels import ONE_PLANE, Channels
from nucleusnet_core.inputs.pairs import FoundInputs, Source
from nucleusnet_core.inputs.read_pair import read_pair
from nucleusnet_core.pictures.label_colours import MAX_COLOURS

from .channel_planes import Tones, further_planes, tones_of

LIST_NAME = "panoramas.json"
MAX_LABEL = (1 << 18) - 1
PLAIN_NAME = r"(?!\.)[^/\\:]+"
"""What a panorama may be called: names that lead nowhere else, also on Windows. Pages encode the rest."""


@dataclass(frozen=True)
class Part:
    """One stitched image of a panorama, in row and column of its grid.

    Attributes:
        name: of the stitched image.
        image_path: the image.
        mask_path: its label image.
        size_px: width and height.
        tones: how each channel is shown.
        labels: of its mask, ascending.
        allow_pickle: its mask may be a `_seg.npy`.
        row: from the top, 0 for the first.
        column: from the left.
        channels: that are taken of the image.
        further_paths: files of the further channels, none where they lie in the image.
    """

    name: str
    image_path: Path
    mask_path: Path
    size_px: tuple[int, int]
    tones: tuple[Tones, ...]
    labels: tuple[int, ...]
    allow_pickle: bool = False
    row: int = 0
    column: int = 0
    channels: Channels = ONE_PLANE
    further_paths: tuple[Path, ...] = ()

    def further_planes(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the pixels of the channels behind the first."""
        return further_planes(self.image_path, self.channels, self.further_paths, self.size_px)


@dataclass(frozen=True)
class Panorama:
    """What becomes one picture to walk through."""

    name: str
    parts: tuple[Part, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels, of which all parts have the same; one without a name is empty."""
        return self.parts[0].channels.names or ("",)


def choose_images(rows: Sequence[Mapping[str, Any]], *, top: int, names: Sequence[str]) -> list[str]:
    """Return the images that are asked for, or else the `top` most representative ones.

    Args:
        rows: of config stitched, with `name` and `rank`.
        top: how many.
        names: stitched images by name; none for the most representative ones.

    Raises:
        SelectionError: the dataset has no such image.
    """
    known = {row["name"] for row in rows}
    if unknown := [name for name in names if name not in known]:
        raise SelectionError(
            f"--images: the dataset has no stitched image {unknown[0]!r}; `nucleusnet stats` lists their names."
        )
    if names:
        return list(dict.fromkeys(names))
    ranked = sorted((row for row in rows if row["rank"] is not None), key=lambda row: (row["rank"], row["name"]))
    return [row["name"] for row in ranked[:top]]


def with_neighbours(names: Sequence[str], rows: Sequence[Mapping[str, Any]], found: FoundInputs) -> list[str]:
    """Return images with all others of their coverslips that are there.

    Args:
        names: of images.
        rows: of config stitched, with `name`, `run_name`, `quarter` and `position`.
        found: the stitched images and masks.
    """
    there = {source.stem for source in found.sources}
    coverslips = {row["name"]: row["run_name"] for row in rows if names_run(row) and grid_place(row)}
    wanted = {coverslips[name] for name in names if name in coverslips}
    return list(dict.fromkeys([*names, *(name for name, run in coverslips.items() if run in wanted and name in there)]))


def source_of(found: FoundInputs, name: str, folder: Path) -> Source:
    """Return the image and the mask of a name.

    Args:
        found: the stitched images and masks.
        name: of the image.
        folder: of the images, for messages.

    Raises:
        SelectionError: the name could lead out of the folder, here or on another system.
        PairingError: the image or the mask is missing, or there are several.
    """
    if not re.fullmatch(PLAIN_NAME, name):
        raise SelectionError(
            f"{name!r} is not a plain name: it contains / \\ or :, or begins with a dot; choose other images with "
            "--images."
        )
    source = next((source for source in found.sources if source.stem == name), None)
    if source is None:
        refused = next((failure.message for failure in found.failures if failure.name == name), None)
        raise PairingError(refused or f"{folder} has no image {name}.tif; give the folder that was built.")
    return source


def read_part(
    source: Source, built_px: tuple[int, int], *, allow_pickle: bool = False, channels: Channels = ONE_PLANE
) -> Part:
    """Read an image and its mask to their ends, so that no later work stops at a damaged one.

    Args:
        source: image and mask.
        built_px: width and height of the image that the dataset was built from.
        allow_pickle: the mask may be a `_seg.npy`.
        channels: that are taken.

    Raises:
        InputImageError: the image is damaged, or cannot be the one that the dataset was built from.
        InputMaskError: the mask is damaged, of another size, or has labels above `MAX_LABEL`.
    """
    pair = read_pair(
        source.image_path,
        source.mask_path,
        allow_pickle=allow_pickle,
        hashes=False,
        file_scale=False,
        channels=channels.first_alone(),
    )
    height, width = pair.runs.shape
    if (width, height) != built_px:
        raise InputImageError(
            f"{source.image_path} is {width} x {height} px, and the dataset was built from {built_px[0]} x "
            f"{built_px[1]}; give the folder of its images, or the dataset of these."
        )
    if (largest := int(pair.runs.label.max(initial=0))) > MAX_LABEL:
        raise InputMaskError(
            f"{source.mask_path} has the label {largest}; panoramas show labels up to {MAX_LABEL}. Number the labels "
            "from 1 on, and build again."
        )
    labels = np.unique(pair.runs.label).tolist()
    part = Part(
        source.stem,
        source.image_path,
        source.mask_path,
        built_px,
        (tones_of(pair.image.pixels),),
        tuple(labels),
        allow_pickle,
        channels=channels,
        further_paths=source.further_paths,
    )
    del pair  # else its image is in memory with each of the further channels
    return replace(part, tones=(*part.tones, *map(tones_of, part.further_planes())))


def single_panoramas(parts: Sequence[Part]) -> list[Panorama]:
    """Return a panorama of every image."""
    return [Panorama(part.name, (part,)) for part in parts]


def joined_panoramas(parts: Sequence[Part], rows: Sequence[Mapping[str, Any]]) -> list[Panorama]:
    """Return a panorama of every coverslip, and one of every image with no known place on a coverslip.

    Args:
        parts: the images.
        rows: of config stitched, with `name`, `run_name`, `quarter` and `position`.
    """
    places = {row["name"]: place for row in rows if names_run(row) and (place := grid_place(row))}
    runs = {row["name"]: row["run_name"] for row in rows}
    coverslips: dict[str, list[Part]] = {}
    for part in parts:
        if part.name in places:
            row, column = places[part.name]
            coverslips.setdefault(runs[part.name], []).append(replace(part, row=row, column=column))
    joined = [Panorama(f"Run{run}", _moved_to_corner(own)) for run, own in coverslips.items()]
    return joined + single_panoramas([part for part in parts if part.name not in places])


def check_label_count(panorama: Panorama) -> None:
    """Refuse a panorama whose labels are too many for colours of their own.

    Raises:
        SelectionError: they are.
    """
    if (count := sum(label_counts(panorama))) > MAX_COLOURS:
        raise SelectionError(
            f"{panorama.name}: its images have labels up to {count} together, and a panorama can colour {MAX_COLOURS}; "
            "leave --join out."
        )


def label_counts(panorama: Panorama) -> list[int]:
    """Return for each image of a panorama the number of its colours: its largest label, and one for the background."""
    return [max(part.labels, default=0) + 1 for part in panorama.parts]


def names_run(row: Mapping[str, Any]) -> bool:
    """Return whether the name of an image says its run; else the image is a run of its own."""
    return bool(row["run_name"] != row["name"])


def grid_place(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return row and column of an image among the sixteen of its coverslip, or None if its name does not say."""
    if row["quarter"] not in QUARTERS or row["position"] not in POSITIONS:
        return None
    quarter_y, quarter_x = divmod(QUARTERS.index(row["quarter"]), 2)
    y, x = divmod(POSITIONS.index(row["position"]), 2)
    return 2 * quarter_y + y, 2 * quarter_x + x


def _moved_to_corner(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts in the order of the grid, which begins with the first row and column that hold one."""
    top, left = min(part.row for part in parts), min(part.column for part in parts)
    moved = [replace(part, row=part.row - top, column=part.column - left) for part in parts]
    return tuple(sorted(moved, key=lambda part: (part.row, part.column)))
