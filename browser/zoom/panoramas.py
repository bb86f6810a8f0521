"""Which stitched images become panoramas, and how those of one coverslip are joined."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nucleusnet_core.contract import POSITIONS, QUARTERS
from nucleusnet_core.errors import InputImageError, InputMaskError, SelectionError
from nucleusnet_core.pictures.label_colours import MAX_COLOURS

from .label_layers import labels_of
from .libvips import open_image, open_mask, white_of
from .stitched_files import StitchedFiles

LIST_NAME = "panoramas.json"
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
        white: grey value to show white.
        labels: of its mask, ascending.
        row: from the top, 0 for the first.
        column: from the left.
    """

    name: str
    image_path: Path
    mask_path: Path
    size_px: tuple[int, int]
    white: float
    labels: tuple[int, ...]
    row: int = 0
    column: int = 0


@dataclass(frozen=True)
class Panorama:
    """What becomes one picture to walk through."""

    name: str
    parts: tuple[Part, ...]


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


def with_neighbours(names: Sequence[str], rows: Sequence[Mapping[str, Any]], files: StitchedFiles) -> list[str]:
    """Return images with all others of their coverslips that are there.

    Args:
        names: of images.
        rows: of config stitched, with `name`, `run_name`, `quarter` and `position`.
        files: the stitched images and masks.
    """
    coverslips = {row["name"]: row["run_name"] for row in rows if names_run(row) and grid_place(row)}
    wanted = {coverslips[name] for name in names if name in coverslips}
    return list(dict.fromkeys([*names, *(name for name, run in coverslips.items() if run in wanted and name in files)]))


def read_part(files: StitchedFiles, name: str, built_px: tuple[int, int]) -> Part:
    """Find a stitched image and its mask, and read both to their ends, so that no later work stops at a damaged one.

    Args:
        files: the stitched images and masks.
        name: of the image.
        built_px: width and height of the image that the dataset was built from.

    Raises:
        SelectionError: the name could lead out of the folder, here or on another system.
        PairingError: the image or the mask is missing, or there are several.
        InputImageError: the image is damaged, or cannot be the one that the dataset was built from.
        InputMaskError: the mask is damaged, or of another size.
    """
    if not re.fullmatch(PLAIN_NAME, name):
        raise SelectionError(
            f"{name!r} is not a plain name: it contains / \\ or :, or begins with a dot; choose other images with "
            "--images."
        )
    image_path, mask_path = files.pair(name)
    image, mask = open_image(image_path), open_mask(mask_path)
    if (mask.width, mask.height) != (image.width, image.height):
        raise InputMaskError(
            f"{mask_path} is {mask.width} x {mask.height} px, and {image_path.name} is {image.width} x {image.height}; "
            "give the mask of this image."
        )
    if (image.width, image.height) != built_px:
        raise InputImageError(
            f"{image_path} is {image.width} x {image.height} px, and the dataset was built from {built_px[0]} x "
            f"{built_px[1]}; give the folder of its images, or the dataset of these."
        )
    return Part(name, image_path, mask_path, built_px, white_of(image_path), tuple(labels_of(mask_path)))


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
