"""File names of stitched images and masks, and what they say: `build`, `segment` and `zoom` agree on them."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from .errors import PairingError

DEFAULT_NAME_PATTERN = (
    r"Run(?P<run>\d+)(?P<quarter>TL|TR|BL|BR)_(?P<position>top_left|top_right|bottom_left|bottom_right)"
)


IMAGE_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


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
        PairingError: there is no such folder.
    """
    if not folder.is_dir():
        raise PairingError(f"{folder}: a folder expected, {what_else(folder)} found there; check the path.")
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


def what_else(path: Path) -> str:
    """Say what was given instead of a folder; a path has no double slash, so that of a URL is gone."""
    url = str(path).replace("\\", "/").startswith(("http:/", "https:/"))
    return "a URL" if url else "a file" if path.exists() else "nothing"


def is_mask(name: str) -> bool:
    """Say whether a file name is that of a mask."""
    return name.lower().endswith(MASK_SUFFIXES)


def is_image(name: str) -> bool:
    """Say whether a file name is that of a stitched image."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_mask(name)


def stem_of(name: str) -> str:
    """Return a file name without the suffix of an image or mask, NFC.

    >>> stem_of("Run72TR_bottom_left_cp_masks.png"), stem_of("Run72TR_bottom_left.ome.tif")
    ('Run72TR_bottom_left', 'Run72TR_bottom_left')
    """
    suffixes = MASK_SUFFIXES if is_mask(name) else IMAGE_SUFFIXES
    suffix = next(suffix for suffix in suffixes if name.lower().endswith(suffix))
    return unicodedata.normalize("NFC", name[: -len(suffix)])


def is_text(name: str) -> bool:
    """Say whether a file name is Unicode text; on Linux it can be any bytes."""
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in name)


def by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Group files by stem."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        groups[stem_of(path.name)].append(path)
    return dict(groups)


def label_images(groups: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """Leave out each `_seg.npy` that lies beside a label image; cellpose writes the same masks to both."""
    return {
        stem: [path for path in paths if not path.name.lower().endswith(SEGMENTATION_SUFFIX)] or paths
        for stem, paths in groups.items()
    }
