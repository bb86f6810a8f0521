"""What a build understands of a folder before it starts: the whole for `--dry-run`, the first lines for every build."""

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.contract import image_columns
from nucleusnet_core.errors import Failure
from nucleusnet_core.files.disk_space import readable_size, space_for_images
from nucleusnet_core.inputs.channels import Channels
from nucleusnet_core.inputs.header import spread
from nucleusnet_core.inputs.pairs import FoundInputs, Source
from nucleusnet_core.runs import natural_order
from nucleusnet_core.terminal.wording import counted

from ..cutting.recipe import Recipe
from ..shards.splits import assign_splits
from .look import Fates, Headers, read_fates, read_headers
from .options import BuildOptions
from .sentences import NAMED, drop_sentences, first_names, scale_words, unmatched_words


@dataclass(frozen=True)
class Understanding:
    """What a build would do.

    Attributes:
        images: number of images with a mask.
        masks: number of masks by the rule that found them.
        headers: of a few images, spread over all.
        channels: that are taken of every image.
        group_by: the column whose values splits keep together.
        groups: its values, in natural order.
        unmatched: names that the name pattern does not match.
        unmatched_said: the line about these.
        columns: type of the dataset's own columns.
        examples: first values of these.
        splits: number of groups by split, where every group keeps a nucleus.
        split_by_sheet: whether the sample sheet says the splits.
        recipe: how nuclei are cut.
        fates: of the nuclei in the same few images.
        needed_bytes: space on the disk, about.
        free_bytes: space that is free.
        taken: the output, where it exists and must not be replaced.
        failures: what cannot be used, as far as the look tells.
    """

    images: int
    masks: dict[str, int]
    headers: Headers
    channels: Channels
    group_by: str
    groups: list[str]
    unmatched: list[str]
    unmatched_said: str
    columns: dict[str, str]
    examples: dict[str, list[str]]
    splits: dict[str, int]
    split_by_sheet: bool
    recipe: Recipe
    fates: Fates
    needed_bytes: int
    free_bytes: int
    taken: Path | None
    failures: list[Failure]


def understood(found: FoundInputs, options: BuildOptions) -> Understanding:
    """Look at headers and masks of up to three images, and return what the build would do; nothing is written."""
    looked_at = spread(found.sources)
    headers = read_headers(looked_at, ignore_file_scale=options.ignore_file_scale)
    fates = read_fates(looked_at, options.recipe, allow_pickle=options.allow_pickle)
    splits, by_sheet = split_groups(found.sources, options)
    pixel_bytes = sum(headers.pixel_bytes) * len(found.sources) // max(1, len(headers.pixel_bytes))
    return Understanding(
        images=len(found.sources),
        masks=found.mask_rules,
        headers=headers,
        channels=found.channels,
        group_by=found.group_by,
        groups=groups_of(found.sources),
        unmatched=found.unmatched,
        unmatched_said=unmatched_words(found, options),
        columns=found.columns,
        examples=column_examples(found.sources, found.columns),
        splits=splits,
        split_by_sheet=by_sheet,
        recipe=options.recipe,
        fates=fates,
        needed_bytes=space_for_images(pixel_bytes, 0),
        free_bytes=free_bytes(options.out),
        taken=options.out if options.out.exists() and not options.overwrite else None,
        failures=[*found.failures, *headers.failures, *fates.failures],
    )


def first_lines(found: FoundInputs, options: BuildOptions) -> list[str]:
    """Return what every build says before it starts; the headers of up to three images are read."""
    headers = read_headers(spread(found.sources), ignore_file_scale=options.ignore_file_scale)
    lines = [
        images_line(len(found.sources), found.mask_rules),
        scale_line(headers, len(found.sources)),
        channels_line(found.channels),
        groups_line(found.group_by, groups_of(found.sources)),
        unmatched_words(found, options),
    ]
    return [line for line in lines if line]


def all_lines(understanding: Understanding) -> list[str]:
    """Return the whole for people, without the failures."""
    lines = [
        images_line(understanding.images, understanding.masks),
        scale_line(understanding.headers, understanding.images),
        channels_line(understanding.channels),
        groups_line(understanding.group_by, understanding.groups),
        understanding.unmatched_said,
        *columns_lines(understanding),
        splits_line(understanding),
        *fates_lines(understanding),
        space_line(understanding),
    ]
    if understanding.taken:
        lines.append(f"Note: {understanding.taken} exists; choose another --out, or pass --overwrite to replace it.")
    return [line for line in lines if line]


def images_line(images: int, masks: dict[str, int]) -> str:
    """Return how many images have a mask, and how the masks are named."""
    rules = ", ".join(f"{rule} ({count:,})" if len(masks) > 1 else rule for rule, count in masks.items())
    return f"images: {images:,} with masks" + (f" {rules}" if rules else "")


def scale_line(headers: Headers, images: int) -> str:
    """Return the scale as the images that were looked at have it."""
    if headers.unscaled:
        return f"scale: not stated by {first_names(headers.unscaled)}: pass --pixels-per-um"
    if not headers.scales:
        return ""
    scales = Counter(scale.pixels_per_um for scale in headers.scales)
    looked_at = len(headers.scales)
    few = f"; {looked_at} of {counted(images, 'image')} looked at" if looked_at < images else ""
    return scale_words(scales, {scale.source for scale in headers.scales}) + few


def channels_line(channels: Channels) -> str:
    """Return the channels with their columns; nothing for the only one without a name."""
    columns = zip(channels.names, image_columns(channels.names), strict=True) if channels.names else ()
    listed = ", ".join(f"{name} ({column})" for name, column in columns)
    return f"channels: {listed}; the masks belong to {channels.names[0]}" if listed else ""


def groups_line(group_by: str, groups: list[str]) -> str:
    """Return how many groups there are that splits keep together, with the first of them."""
    name = "runs" if group_by == "run_name" else f"groups by {group_by}"
    return f"{name}: {len(groups):,} ({first_names(groups)})" if groups else ""


def columns_lines(understanding: Understanding) -> list[str]:
    """Return type and examples of each of the dataset's own columns."""
    return [
        f"column {name}: {kind}, such as {', '.join(understanding.examples[name])}"
        if understanding.examples[name]
        else f"column {name}: {kind}, always empty"
        for name, kind in understanding.columns.items()
    ]


def splits_line(understanding: Understanding) -> str:
    """Return how many groups each split gets."""
    groups = ", ".join(f"{split} {count:,}" for split, count in understanding.splits.items())
    source = "the sample sheet" if understanding.split_by_sheet else "the fractions"
    return f"splits by {source}, each {understanding.group_by} in one: {groups}" if groups else ""


def fates_lines(understanding: Understanding) -> list[str]:
    """Return how many nuclei the recipe would keep, and why not the others."""
    fates, images = understanding.fates, understanding.images
    if not fates.images:
        return []
    kept = fates.found - sum(fates.dropped.values())
    looked_at = f"{fates.images:,} of {counted(images, 'image')}" if fates.images < images else counted(images, "image")
    line = f"nuclei: recipe {understanding.recipe} keeps about {kept:,} of {fates.found:,} in {looked_at}"
    return [line, *drop_sentences(fates.dropped, fates.found, understanding.recipe)]


def space_line(understanding: Understanding) -> str:
    """Return the size of the images, and the space that a build needs."""
    shapes = sorted(set(understanding.headers.shapes), reverse=True)
    if not shapes:
        return ""
    sizes = [f"{height:,} x {width:,} px" for height, width in shapes]
    return (
        f"space: images of {first_names(sizes)}; about {readable_size(understanding.needed_bytes)} needed, "
        f"{readable_size(understanding.free_bytes)} free"
    )


def groups_of(sources: Iterable[Source]) -> list[str]:
    """Return what splits keep together, in natural order."""
    return sorted({source.group for source in sources}, key=natural_order)


def split_groups(sources: list[Source], options: BuildOptions) -> tuple[dict[str, int], bool]:
    """Return the number of groups by split, and whether the sample sheet says it."""
    given = {source.group: source.split for source in sources if source.split is not None}
    groups = dict.fromkeys((source.group for source in sources if not given or source.group in given), 1)
    splits = assign_splits(groups, options.fractions, options.seed, given)
    counts = Counter(splits.values())
    order = sorted(counts) if given else list(options.fractions)
    return {split: counts[split] for split in order}, bool(given)


def column_examples(sources: Iterable[Source], columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the first values of each of the dataset's own columns."""
    values: dict[str, dict[str, None]] = {name: {} for name in columns}
    for source in sources:
        for name, value in source.columns:
            if value is not None and len(values[name]) < NAMED:
                values[name][str(value)] = None
    return {name: list(found) for name, found in values.items()}


def free_bytes(out: Path) -> int:
    """Return the free space where the output would be; its folder may have to be made yet."""
    there = next(folder for folder in out.absolute().parents if folder.is_dir())
    return shutil.disk_usage(there).free
