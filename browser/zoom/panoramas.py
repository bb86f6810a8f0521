"""Which stitched images become panoramas, where their files lie, and how neighbours join."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import PairingError, SelectionError

IMAGE_SUFFIXES = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".png")
MASK_SUFFIXES = ("_cp_masks.png", "_cp_masks.tif", "_cp_masks.tiff", "_cp_masks.ome.tif", "_cp_masks.ome.tiff")
SEGMENTATION_SUFFIX = "_seg.npy"
PLAIN_NAME = r"(?!\.)[^/\\:]+"
"""What a panorama may be called: names that lead nowhere else, also on Windows. Pages encode the rest."""
_QUARTERS = {"TL": (0, 0), "TR": (0, 1), "BL": (1, 0), "BR": (1, 1)}
_POSITIONS = {"top_left": (0, 0), "top_right": (0, 1), "bottom_left": (1, 0), "bottom_right": (1, 1)}


@dataclass(frozen=True)
class Part:
    """One stitched image of a panorama, in row and column of its grid.

    Attributes:
        name: of the stitched image.
        image_path: the image.
        mask_path: its label image.
        row: from the top, 0 for the first.
        column: from the left.
    """

    name: str
    image_path: Path
    mask_path: Path
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
            f"--images: names of config stitched expected, {unknown[0]!r} found; see `nucleusnet stats`"
        )
    if names:
        return list(dict.fromkeys(names))
    ranked = sorted((row for row in rows if row["rank"] is not None), key=lambda row: (row["rank"], row["name"]))
    return [row["name"] for row in ranked[:top]]


class Files:
    """Where stitched images and masks lie.

    Names are compared as a build compares them: composed, since systems spell letters like ü in two ways, and without
    regard to case, by which alone no two images of a dataset differ.

    Args:
        images: folder of the images.
        masks: folder of the masks; None for that of the images.
    """

    def __init__(self, images: Path, masks: Path | None = None) -> None:
        self.images, self.masks = images, masks or images
        self._there = {folder: self._list(folder) for folder in {self.images, self.masks}}

    @staticmethod
    def _list(folder: Path) -> dict[str, Path]:
        if not folder.is_dir():
            raise PairingError(f"{folder}: a folder of stitched images or masks expected, none found; check the path")
        return {unicodedata.normalize("NFC", path.name).casefold(): path for path in sorted(folder.iterdir())}

    def image(self, name: str) -> Path | None:
        """Return the file of a stitched image, or None."""
        return self._find(self.images, name, IMAGE_SUFFIXES)

    def mask(self, name: str) -> Path | None:
        """Return the file of the mask of a stitched image, or None."""
        return self._find(self.masks, name, MASK_SUFFIXES)

    def segmentation(self, name: str) -> Path | None:
        """Return the file in which cellpose keeps the mask of a stitched image, or None."""
        return self._find(self.masks, name, (SEGMENTATION_SUFFIX,))

    def _find(self, folder: Path, name: str, suffixes: Sequence[str]) -> Path | None:
        there = self._there[folder]
        paths = (there.get(f"{name}{suffix}".casefold()) for suffix in suffixes)
        return next((path for path in paths if path is not None and path.is_file()), None)


def find_part(files: Files, name: str) -> Part:
    """Find the files of a stitched image.

    Raises:
        PairingError: the image or its mask is not there.
        SelectionError: the name could lead out of the folder, here or on another system.
    """
    if not re.fullmatch(PLAIN_NAME, name):
        raise SelectionError(
            f"a plain name of a stitched image expected, without / \\ : and not beginning with a dot, {name!r} found; "
            "name other images with --images"
        )
    image_path, mask_path = files.image(name), files.mask(name)
    if image_path is None:
        raise PairingError(f"{files.images}: an image {name}.tif expected, none found; give the folder that was built")
    if mask_path is None:
        remedy = "give the folder of the masks with --masks"
        if files.segmentation(name) is not None:
            remedy = f"zoom reads no {name}{SEGMENTATION_SUFFIX}, save its masks as PNG or TIFF"
        raise PairingError(f"{files.masks}: a mask {name}_cp_masks.png expected, none found; {remedy}")
    return Part(name, image_path, mask_path)


def single_panoramas(files: Files, names: Sequence[str]) -> list[Panorama]:
    """Return a panorama of every image.

    Raises:
        PairingError: a file is missing.
    """
    return [Panorama(name, (find_part(files, name),)) for name in names]


def joined_panoramas(files: Files, names: Collection[str], rows: Sequence[Mapping[str, Any]]) -> list[Panorama]:
    """Return a panorama of every coverslip that has one of the images, of all its images that are there.

    Images with no known place on a coverslip stay alone.

    Args:
        files: of the stitched images.
        names: images.
        rows: of config stitched, with `name`, `run`, `quarter` and `position`.

    Raises:
        PairingError: a file of one of `names` is missing.
    """
    places = {row["name"]: place for row in rows if (place := grid_place(row)) is not None}
    runs = {row["name"]: row["run"] for row in rows}
    joined: dict[int, Panorama] = {}
    alone = []
    for name in names:
        if name not in places or runs[name] is None:
            alone.append(Panorama(name, (find_part(files, name),)))
        elif runs[name] not in joined:
            mates = [mate for mate in places if runs[mate] == runs[name]]
            there = [mate for mate in mates if mate in names or _is_there(files, mate)]
            joined[runs[name]] = Panorama(f"Run{runs[name]}", _placed(files, there, places))
    return [*joined.values(), *alone]


def grid_place(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return row and column of an image among the sixteen of its coverslip, or None if its name does not say."""
    if row["quarter"] not in _QUARTERS or row["position"] not in _POSITIONS:
        return None
    (quarter_y, quarter_x), (y, x) = _QUARTERS[row["quarter"]], _POSITIONS[row["position"]]
    return 2 * quarter_y + y, 2 * quarter_x + x


def _is_there(files: Files, name: str) -> bool:
    return files.image(name) is not None and files.mask(name) is not None


def _placed(files: Files, names: Sequence[str], places: Mapping[str, tuple[int, int]]) -> tuple[Part, ...]:
    top, left = (min(places[name][axis] for name in names) for axis in (0, 1))
    parts = []
    for name in sorted(names, key=lambda one: places[one]):
        part = find_part(files, name)
        row, column = places[name]
        parts.append(Part(name, part.image_path, part.mask_path, row - top, column - left))
    return tuple(parts)


LIST_NAME = "panoramas.json"
