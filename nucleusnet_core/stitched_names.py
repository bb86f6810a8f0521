"""File names of stitched images and masks, and what they say: `build`, `segment` and `zoom` agree on them."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import UsageError

DEFAULT_NAME_PATTERN = (
    r"Run(?P<run>\d+)(?P<quarter>TL|TR|BL|BR)_(?P<position>top_left|top_right|bottom_left|bottom_right)"
)

IMAGE_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")
SHOWN_IMAGE_SUFFIXES = (*IMAGE_SUFFIXES, ".png")
"""Of images that `zoom` shows: it reads copies in PNG as well, from which no dataset is built."""
SEGMENTATION_SUFFIX = "_seg.npy"
MASK_SUFFIXES = (
    "_cp_masks.png",
    "_cp_masks.ome.tiff",
    "_cp_masks.ome.tif",
    "_cp_masks.tiff",
    "_cp_masks.tif",
    SEGMENTATION_SUFFIX,
)


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


def find_image_files(paths: Iterable[Path], *, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, list[Path]]:
    """Group the stitched images among some files by stem; masks, and names that are no text, are left out.

    Args:
        paths: files, as `list_files` returns them.
        suffixes: of images, a longer one before a shorter one that it ends with.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if not is_mask(path.name) and is_text(path.name) and path.name.lower().endswith(tuple(suffixes)):
            groups[_without(path.name, suffixes)].append(path)
    return dict(groups)


def find_mask_files(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Group the masks among some files by stem; names that are no text are left out.

    A `_seg.npy` is left out where a label image lies beside it: cellpose writes the same masks to both.

    Args:
        paths: files, as `list_files` returns them.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if is_mask(path.name) and is_text(path.name):
            groups[_without(path.name, MASK_SUFFIXES)].append(path)
    return {stem: [path for path in masks if not is_segmentation(path.name)] or masks for stem, masks in groups.items()}


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
    return name.lower().endswith(MASK_SUFFIXES)


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
    return _without(name, MASK_SUFFIXES if is_mask(name) else IMAGE_SUFFIXES)


def _without(name: str, suffixes: Sequence[str]) -> str:
    suffix = next(suffix for suffix in suffixes if name.lower().endswith(suffix))
    return unicodedata.normalize("NFC", name[: -len(suffix)])
