"""Which stitched image goes with which mask, and what its name says."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.errors import PairingError, UsageError
from nucleusnet_core.stitched_names import (
    DEFAULT_NAME_PATTERN,
    by_stem,
    is_image,
    is_mask,
    is_text,
    label_images,
    list_files,
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
