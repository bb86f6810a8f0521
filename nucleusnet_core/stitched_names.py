"""File names of stitched images and masks, and what they say: `build`, `segment` and `zoom` agree on them."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .errors import UsageError

DEFAULT_NAME_PATTERN = (
    r"Run(?P<run>\d+)(?P<quarter>TL|TR|BL|BR)_(?P<position>top_left|top_right|bottom_left|bottom_right)"
)

PNG_SUFFIX = ".png"
TIFF_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")
IMAGE_SUFFIXES = (*TIFF_SUFFIXES, PNG_SUFFIX)
"""Of stitched images; an image in PNG counts only where there is no TIFF of this name."""
SEGMENTATION_SUFFIX = "_seg.npy"
MASK_SUFFIXES = (*(f"_cp_masks{ending}" for ending in (PNG_SUFFIX, *TIFF_SUFFIXES)), SEGMENTATION_SUFFIX)
"""Of masks that cellpose and `segment` write; `segment` replaces no others."""
_MASK_ENDINGS = (PNG_SUFFIX, *TIFF_SUFFIXES)
_MASK_WORDS = ("_cp_masks", "_masks", "_mask", "_labels", "_label")
ALL_MASK_SUFFIXES = (*(word + ending for word in _MASK_WORDS for ending in _MASK_ENDINGS), SEGMENTATION_SUFFIX)
"""Of masks that are found, a longer one before a shorter one that it ends with."""
SAME_NAME = "the same name in --masks"
"""The rule by which a mask is found that is called as its image."""
_OME = ".ome"


class Prefer(StrEnum):
    """Which of two masks of an image counts."""

    seg_npy = "seg-npy"
    image = "image"


@dataclass(frozen=True)
class FoundFiles:
    """The images and masks of one or two folders.

    Attributes:
        files: in the folder of the images.
        mask_files: in the folder of the masks.
        images: images by stem.
        masks: masks by stem, `_seg.npy` files among them.
        suffixes: of masks, the longest first.
    """

    files: list[Path]
    mask_files: list[Path]
    images: dict[str, list[Path]]
    masks: dict[str, list[Path]]
    suffixes: tuple[str, ...]


def find_files(
    folder: Path, *, masks: Path | None = None, recursive: bool = False, mask_suffixes: Sequence[str] = ()
) -> FoundFiles:
    """Find images and masks; a stem is the path below the folder, with __ between its parts.

    Args:
        folder: of the images.
        masks: folder of the masks, None for that of the images. A file there that has the name of an image is its mask.
        recursive: walk subfolders too.
        mask_suffixes: further endings of mask names, such as "_nuclei.tif" or "_nuclei".

    Raises:
        UsageError: a folder does not exist, or no mask name can have such an ending.
    """
    suffixes = all_mask_suffixes(mask_suffixes)
    files = list_files(folder, recursive=recursive)
    mask_files = files if masks is None else list_files(masks, recursive=recursive)
    if masks is None or masks.resolve() == folder.resolve():
        found = group_masks(files, suffixes=suffixes, folder=folder)
        return FoundFiles(files, files, _group_images(files, suffixes, folder), found, suffixes)
    files, mask_files = _outside(files, masks, of=folder), _outside(mask_files, folder, of=masks)
    images = _group_images(files, suffixes, folder)
    named = group_masks(mask_files, suffixes=suffixes, folder=masks)
    same = _grouped(mask_files, IMAGE_SUFFIXES, masks, lambda name: not name.lower().endswith(suffixes))
    if named:  # then masks have other names than images, and what else lies there is none without an image
        same = {stem: paths for stem, paths in same.items() if stem in images}
    return FoundFiles(files, mask_files, images, same | named, suffixes)


def _outside(files: list[Path], other: Path, *, of: Path) -> list[Path]:
    """Return the files of the folder `of` that do not lie in another one, which may lie inside it."""
    inside = other.resolve()
    folders = {path.parent for path in files} - {of}
    left_out = {folder for folder in folders if folder.resolve().is_relative_to(inside)}
    whole = of.resolve().is_relative_to(inside)  # then it is the folder itself that lies in the other one
    return [path for path in files if whole or path.parent not in left_out]


def all_mask_suffixes(given: Sequence[str] = ()) -> tuple[str, ...]:
    """Return given and usual endings of mask names in small letters, the longest first.

    Raises:
        UsageError: no mask name can have such an ending.
    """
    return tuple(sorted({*given_mask_suffixes(given), *ALL_MASK_SUFFIXES}, key=lambda suffix: (-len(suffix), suffix)))


def given_mask_suffixes(given: Sequence[str]) -> tuple[str, ...]:
    """Return given endings of mask names in small letters; one without .png or .tif stands for both.

    Raises:
        UsageError: no mask name can have such an ending.
    """
    found: list[str] = []
    for suffix in given:
        small = unicodedata.normalize("NFC", suffix).lower()
        ending = next((ending for ending in IMAGE_SUFFIXES if small.endswith(ending)), "")
        word = small.removesuffix(ending)
        if not word.strip() or "/" in word or "\\" in word or (not ending and "." in word):
            raise UsageError(
                f"--mask-suffix {suffix!r} is not the ending of a mask's name; give what follows the image's name, "
                "such as _nuclei.tif, or _nuclei for .png and .tif."
            )
        found += [small] if ending else [word + ending for ending in _MASK_ENDINGS]
    return tuple(found)


def list_files(folder: Path, *, recursive: bool) -> list[Path]:
    """List the files of a folder in the order of their names; hidden files are left out, links are followed.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} {_what_else(folder)}; give a folder of this machine.")
    found: list[Path] = []
    visited: set[tuple[int, int]] = set()
    pending = [folder]
    while pending:
        here = pending.pop()
        facts = here.stat()
        if (facts.st_dev, facts.st_ino) in visited and facts.st_ino:
            continue
        visited.add((facts.st_dev, facts.st_ino))
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    pending.extend([Path(entry.path)] if recursive else [])
                else:
                    found.append(Path(entry.path))
    return sorted(found)


def _what_else(path: Path) -> str:
    """Return what a path is that is not a folder; it has no double slash, so that of a URL is gone."""
    url = str(path).replace("\\", "/").startswith(("http:/", "https:/"))
    return "is a URL, not a folder" if url else "is a file, not a folder" if path.exists() else "does not exist"


def _group_images(files: Iterable[Path], mask_suffixes: tuple[str, ...], folder: Path) -> dict[str, list[Path]]:
    """Group the stitched images among some files by stem; masks, and names that are no text, are left out.

    An image in PNG is left out where there is a TIFF of this stem.
    """
    groups = _grouped(files, IMAGE_SUFFIXES, folder, lambda name: not name.lower().endswith(mask_suffixes))
    return {stem: [path for path in images if not _is_png(path)] or images for stem, images in groups.items()}


def _is_png(path: Path) -> bool:
    return path.name.lower().endswith(PNG_SUFFIX)


def find_mask_files(paths: Iterable[Path], folder: Path | None = None) -> dict[str, list[Path]]:
    """Group the masks among some files by stem; names that are no text are left out.

    A `_seg.npy` is left out where a label image lies beside it: cellpose writes the same masks to both.

    Args:
        paths: files, as `list_files` returns them.
        folder: stems are paths below it; None for names without folders.
    """
    groups = group_masks(paths, folder=folder)
    return {stem: [path for path in masks if not is_segmentation(path.name)] or masks for stem, masks in groups.items()}


def group_masks(
    paths: Iterable[Path], *, suffixes: tuple[str, ...] = ALL_MASK_SUFFIXES, folder: Path | None = None
) -> dict[str, list[Path]]:
    """Group all masks among some files by stem; names that are no text are left out.

    Args:
        paths: files, as `list_files` returns them.
        suffixes: of masks, a longer one before a shorter one that it ends with.
        folder: stems are paths below it; None for names without folders.
    """
    return _grouped(paths, suffixes, folder, lambda _: True)


def _grouped(
    paths: Iterable[Path], suffixes: Sequence[str], folder: Path | None, wanted: Callable[[str], bool]
) -> dict[str, list[Path]]:
    """Group files by stem, in the order given."""
    groups: dict[str, list[Path]] = defaultdict(list)
    endings = tuple(suffixes)
    for path in paths:
        if path.name.lower().endswith(endings) and wanted(path.name) and is_text(shown_name(path, folder)):
            stem = _without(path.name, suffixes)
            groups["__".join((*_folders(path, folder), stem))].append(path)
    return dict(groups)


def shown_name(path: Path, folder: Path | None = None) -> str:
    """Return the path of a file below a folder with forward slashes, or its name."""
    return "/".join((*_folders(path, folder), path.name))


def name_below(path: Path, folder: Path) -> str:
    """Return the path of an image below a folder without its suffix, with forward slashes, NFC: control/field01."""
    return "/".join((*_folders(path, folder), _without(path.name, IMAGE_SUFFIXES)))


def _folders(path: Path, folder: Path | None) -> tuple[str, ...]:
    """Return the names, NFC, of the folders between a folder and a file."""
    if folder is None or path.parent == folder:
        return ()
    return tuple(unicodedata.normalize("NFC", part) for part in path.parent.relative_to(folder).parts)


def mask_rule(name: str, suffixes: Sequence[str]) -> str:
    """Return the rule by which a mask of this file name is found, such as "<name>_cp_masks.png"."""
    suffix = mask_suffix(name, suffixes)
    ome = _OME if name.lower().removesuffix(suffix).endswith(_OME) else ""
    return f"<name>{ome}{suffix}" if suffix else SAME_NAME


def mask_suffix(name: str, suffixes: Sequence[str]) -> str:
    """Return the suffix of the file name of a mask in small letters; empty for a mask called as its image."""
    return next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")


def say_several(kind: str, stem: str, paths: Sequence[Path]) -> str:
    """Return the message about several files that share a stem.

    Args:
        kind: of the files, in the plural.
        stem: that they share.
        paths: of the files.
    """
    listed = ", ".join(map(str, paths))
    return f"{stem!r} is the name of {len(paths)} {kind}: {listed}; rename or remove all but one."


def is_mask(name: str) -> bool:
    """Return whether a file name is that of a mask."""
    return name.lower().endswith(ALL_MASK_SUFFIXES)


def is_segmentation(name: str) -> bool:
    """Return whether a file name is that of a `_seg.npy`, in which cellpose keeps a mask with much else."""
    return name.lower().endswith(SEGMENTATION_SUFFIX)


def is_image(name: str) -> bool:
    """Return whether a file name is that of a stitched image."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_mask(name)


def is_text(name: str) -> bool:
    """Return whether a file name is Unicode text; on Linux it can be any bytes."""
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in name)


def stem_of(name: str) -> str:
    """Return a file name without the suffix of an image or mask, NFC.

    >>> stem_of("Run72TR_bottom_left_cp_masks.png"), stem_of("Run72TR_bottom_left.ome.tif")
    ('Run72TR_bottom_left', 'Run72TR_bottom_left')
    """
    return _without(name, ALL_MASK_SUFFIXES if is_mask(name) else IMAGE_SUFFIXES)


def _without(name: str, suffixes: Sequence[str]) -> str:
    """Return a file name without its suffix, and without the .ome that cellpose leaves before its own; NFC."""
    suffix = next(suffix for suffix in suffixes if name.lower().endswith(suffix))
    stem = name[: -len(suffix)]
    if stem.lower().endswith(_OME) and len(stem) > len(_OME):
        stem = stem[: -len(_OME)]
    return unicodedata.normalize("NFC", stem)
