"""Which stitched image goes with which mask, and what its name says."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nucleusnet_core.errors import PairingError, UsageError
from nucleusnet_core.stitched_names import (
    DEFAULT_NAME_PATTERN,
    find_image_files,
    find_mask_files,
    is_image,
    is_mask,
    is_text,
    list_files,
    say_several,
)
from nucleusnet_core.terminal.wording import counted

from ..workers.failure import Failure

MAX_RUN = 2**31 - 1


@dataclass(frozen=True)
class Source:
    """A stitched image with its mask.

    Attributes:
        stem: name of the image without its suffix, NFC; unique in a dataset.
        image_path: the image.
        mask_path: its label image.
        run: number of the run in the name, None where the name has none or it is not an integer.
        run_group: what splits keep together: the run, or the stem where the name has none.
        quarter: as in the name, or None.
        position: as in the name, or None.
    """

    stem: str
    image_path: Path
    mask_path: Path
    run: int | None
    run_group: str
    quarter: str | None
    position: str | None


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
        masks: folder of the masks `<stem>_cp_masks.png` (also .tif, or `_seg.npy` where that is the only one); default:
            that of the images.
        name_pattern: regular expression with optional groups run, quarter, position; must match the whole stem.
        recursive: walk subfolders too.

    Returns:
        The pairs sorted by stem, and one failure for each image without a mask, mask without an image, stem that
        occurs twice or differs from another only by case, or name that is not Unicode text.

    Raises:
        UsageError: the pattern is not a regular expression, or a folder does not exist.
        PairingError: a folder holds no images, or no masks.
    """
    pattern = compile_name_pattern(name_pattern)
    files = list_files(folder, recursive=recursive)
    mask_files = files if masks is None else list_files(masks, recursive=recursive)
    images, labels = find_image_files(files), find_mask_files(mask_files)
    if not images or not labels:
        there = _Found(folder, len(files), len(images)), _Found(masks or folder, len(mask_files), len(labels))
        raise PairingError(nothing_to_pair(*there))
    clashes = case_clashes(images)
    failures = [*duplicates(images, "images"), *duplicates(labels, "masks"), *unpaired(images, labels, folder, masks)]
    failures += [*clashes, *unreadable_names({*files, *mask_files})]
    refused = {failure.name for failure in clashes}
    single = [stem for stem in sorted(images) if len(images[stem]) == 1 == len(labels.get(stem, ()))]
    paired = [stem for stem in single if stem not in refused]
    sources = [source_of(stem, images[stem][0], labels[stem][0], pattern) for stem in paired]
    return sources, sorted(failures, key=lambda failure: failure.name)


class _Found(NamedTuple):
    """How many files a folder holds, and how many of them are images, or masks."""

    folder: Path
    files: int
    matching: int


def nothing_to_pair(images: _Found, masks: _Found) -> str:
    """Return the message about folders without images, without masks, or without both."""
    if not images.matching and not masks.matching:
        return (
            f"{images.folder} holds no stitched image <name>.tif and no mask <name>_cp_masks.png among its "
            f"{counted(images.files, 'file')}; give the folder that holds them, or --recursive to look in its "
            "subfolders."
        )
    if not masks.matching:
        return (
            f"{masks.folder} holds no mask <name>_cp_masks.png among its {counted(masks.files, 'file')}, and "
            f"{images.folder} holds {counted(images.matching, 'image')}; segment the images, or give the folder of the "
            "masks with --masks."
        )
    return (
        f"{images.folder} holds no image <name>.tif among its {counted(images.files, 'file')}, and {masks.folder} "
        f"holds {counted(masks.matching, 'mask')}; give the folder of the images."
    )


def compile_name_pattern(name_pattern: str) -> re.Pattern[str]:
    """Compile a name pattern.

    Raises:
        UsageError: it is not a regular expression.
    """
    try:
        return re.compile(name_pattern)
    except re.error as error:
        raise UsageError(
            f"--name-pattern {name_pattern!r} is not a regular expression ({error}); correct it."
        ) from error


def duplicates(groups: dict[str, list[Path]], kind: str) -> list[Failure]:
    """Return a failure for each stem that several files share.

    Args:
        groups: files by stem.
        kind: of the files, in the plural.
    """
    return [Failure(stem, say_several(kind, stem, paths)) for stem, paths in groups.items() if len(paths) > 1]


def case_clashes(images: dict[str, list[Path]]) -> list[Failure]:
    """Return a failure for each stem that differs from another only by case: some systems make one file of two."""
    same: dict[str, list[str]] = defaultdict(list)
    for stem in sorted(images):
        same[stem.casefold()].append(stem)
    return [
        Failure(
            stem,
            f"the name of {images[stem][0]} differs from {', '.join(other for other in stems if other != stem)} "
            "only by upper and lower case, which Windows and macOS do not tell apart; rename all but one.",
        )
        for stems in same.values()
        if len(stems) > 1
        for stem in stems
    ]


def unreadable_names(paths: Iterable[Path]) -> list[Failure]:
    """Return a failure for each image and mask whose name is not Unicode text."""
    names = {path.name for path in paths if is_image(path.name) or is_mask(path.name)}
    return [
        Failure(shown, f"the file name {shown} is not text in UTF-8; rename the file.")
        for name in names
        if not is_text(name)
        for shown in [name.encode("utf-8", "backslashreplace").decode()]
    ]


def unpaired(
    images: dict[str, list[Path]], labels: dict[str, list[Path]], folder: Path, masks: Path | None
) -> list[Failure]:
    """Return a failure for each image without a mask and each mask without an image."""
    no_mask = [
        Failure(
            stem,
            f"{images[stem][0]} has no mask {stem}_cp_masks.png in {masks or folder}; segment the image, or give "
            "the folder of the masks with --masks.",
        )
        for stem in images.keys() - labels.keys()
    ]
    no_image = [
        Failure(stem, f"{labels[stem][0]} has no image {stem}.tif in {folder}; add the image or remove the mask.")
        for stem in labels.keys() - images.keys()
    ]
    return no_mask + no_image


def source_of(stem: str, image_path: Path, mask_path: Path, pattern: re.Pattern[str]) -> Source:
    """Return a pair with what its stem says about run, quarter and position."""
    match = pattern.fullmatch(stem)
    parts = match.groupdict() if match else {}
    text = parts.get("run")
    run = int(text) if text and text.isascii() and text.isdecimal() and int(text) <= MAX_RUN else None
    group = stem if text is None else text if run is None else str(run)
    return Source(stem, image_path, mask_path, run, group, parts.get("quarter"), parts.get("position"))
