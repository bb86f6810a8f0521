"""Which stitched image goes with which mask, and what its name says."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_source.errors import PairingError, UsageError
from nucleusnet_source.wording import counted

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
MAX_RUN = 2**31 - 1


@dataclass(frozen=True)
class Source:
    """A stitched image with its mask.

    Attributes:
        stem: name of the image without its suffix, NFC; unique in a dataset.
        image_path: the image.
        mask_path: its label image.
        run: number of the run that the name states, None where it states none or no integer.
        run_group: what splits keep together: the run, or the stem where the name states none.
        quarter: as the name states, or None.
        position: as the name states, or None.
    """

    stem: str
    image_path: Path
    mask_path: Path
    run: int | None
    run_group: str
    quarter: str | None
    position: str | None


@dataclass(frozen=True)
class Failure:
    """An input that did not become a part of the dataset, and why."""

    name: str
    message: str


def find_sources(
    folder: Path,
    *,
    masks: Path | None = None,
    name_pattern: str = DEFAULT_NAME_PATTERN,
    recursive: bool = False,
) -> tuple[list[Source], list[Failure]]:
    """Pair the stitched images of a folder with their masks.

    Args:
        folder: holds `<stem>.tif` (also .tiff, .ome.tif); walked one level unless `recursive`.
        masks: folder of the masks `<stem>_cp_masks.png` (also .tif, or `_seg.npy` where that is the only one), default
            the same folder.
        name_pattern: regular expression with optional groups run, quarter, position; must match the whole stem.
        recursive: walk subfolders too.

    Returns:
        The pairs sorted by stem, and one failure for each image without a mask, mask without an image, stem that
        occurs twice or differs from another only by case, or name that is no Unicode text.

    Raises:
        UsageError: the pattern is no regular expression.
        PairingError: a folder is missing, or holds no images, or no masks.
    """
    pattern = compile_name_pattern(name_pattern)
    files = list_files(folder, recursive=recursive)
    mask_files = files if masks is None else list_files(masks, recursive=recursive)
    images = by_stem(path for path in files if is_image(path.name) and is_text(path.name))
    labels = label_images(by_stem(path for path in mask_files if is_mask(path.name) and is_text(path.name)))
    if not images and not labels:
        raise PairingError(
            f"{folder}: stitched images <name>.tif with masks <name>_cp_masks.png expected, none found among "
            f"{counted(len(files), 'file')}; give the folder that holds them, or --recursive to look in its subfolders."
        )
    if not labels:
        raise PairingError(
            f"{masks or folder}: masks <name>_cp_masks.png expected for the {counted(len(images), 'image')} in {folder}"
            f", none found among {counted(len(mask_files), 'file')}; segment the images, or give the folder of the "
            "masks with --masks."
        )
    if not images:
        raise PairingError(
            f"{folder}: images <name>.tif expected for the {counted(len(labels), 'mask')} in {masks or folder}, "
            f"none found among {counted(len(files), 'file')}; give the folder of the images."
        )
    clashes = case_clashes(images)
    failures = [*duplicates(images, "images"), *duplicates(labels, "masks"), *unpaired(images, labels, folder, masks)]
    failures += [*clashes, *unreadable_names({*files, *mask_files})]
    refused = {failure.name for failure in clashes}
    single = [stem for stem in sorted(images) if len(images[stem]) == 1 == len(labels.get(stem, ()))]
    paired = [stem for stem in single if stem not in refused]
    sources = [described(stem, images[stem][0], labels[stem][0], pattern) for stem in paired]
    return sources, sorted(failures, key=lambda failure: failure.name)


def compile_name_pattern(name_pattern: str) -> re.Pattern[str]:
    """Compile a name pattern.

    Raises:
        UsageError: it is no regular expression.
    """
    try:
        return re.compile(name_pattern)
    except re.error as error:
        raise UsageError(f"--name-pattern: a regular expression expected, {name_pattern!r} found: {error}.") from error


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


def duplicates(groups: dict[str, list[Path]], kind: str) -> list[Failure]:
    """Report stems that several files share."""
    return [
        Failure(stem, f"one of the {kind} expected for {stem!r}, {len(paths)} found: {', '.join(map(str, paths))}; "
                "rename or remove all but one.")
        for stem, paths in groups.items()
        if len(paths) > 1
    ]  # fmt: skip


def case_clashes(images: dict[str, list[Path]]) -> list[Failure]:
    """Report stems that differ only by case: on Windows and macOS their pieces would be one file."""
    same: dict[str, list[str]] = defaultdict(list)
    for stem in sorted(images):
        same[stem.casefold()].append(stem)
    return [
        Failure(stem, f"a name that differs from others by more than case expected for {images[stem][0]}, also "
                f"{', '.join(other for other in stems if other != stem)} found; rename all but one.")
        for stems in same.values()
        if len(stems) > 1
        for stem in stems
    ]  # fmt: skip


def unreadable_names(paths: Iterable[Path]) -> list[Failure]:
    """Report images and masks whose names are no Unicode text."""
    names = {path.name for path in paths if is_image(path.name) or is_mask(path.name)}
    return [
        Failure(shown, f"a file name in UTF-8 expected, {shown} found; rename the file.")
        for name in names
        if not is_text(name)
        for shown in [name.encode("utf-8", "backslashreplace").decode()]
    ]


def unpaired(
    images: dict[str, list[Path]], labels: dict[str, list[Path]], folder: Path, masks: Path | None
) -> list[Failure]:
    """Report images without a mask and masks without an image."""
    no_mask = [
        Failure(stem, f"a mask {stem}_cp_masks.png expected in {masks or folder} for {images[stem][0]}, none found; "
                "segment the image, or give the folder of the masks with --masks.")
        for stem in images.keys() - labels.keys()
    ]  # fmt: skip
    no_image = [
        Failure(stem, f"an image {stem}.tif expected in {folder} for {labels[stem][0]}, none found; "
                "add the image or remove the mask.")
        for stem in labels.keys() - images.keys()
    ]  # fmt: skip
    return no_mask + no_image


def described(stem: str, image_path: Path, mask_path: Path, pattern: re.Pattern[str]) -> Source:
    """Read what a stem says about run, quarter and position."""
    match = pattern.fullmatch(stem)
    parts = match.groupdict() if match else {}
    text = parts.get("run")
    run = int(text) if text and text.isascii() and text.isdecimal() and int(text) <= MAX_RUN else None
    group = stem if text is None else text if run is None else str(run)
    return Source(stem, image_path, mask_path, run, group, parts.get("quarter"), parts.get("position"))
