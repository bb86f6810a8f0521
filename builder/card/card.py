"""README.md of a dataset folder: the template `dataset_card.md` filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nucleusnet_dataset
from nucleusnet_core.contract import CARD_NAME, CROP_PX, NUCLEUS_WARNINGS, image_columns
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.terminal.wording import counted

from ..cutting.nucleus_warnings import TEXTS
from .columns import schema_table
from .head import PRETTY_NAME, card_yaml
from .markdown import plain_markdown, plain_paragraphs
from .shipped import shipped
from .statistics import PICTURE_PATH, CardStatistics
from .study import ITEMS, NOT_STATED, Study, citation

MOST_GROUPS = 200
"""So many runs of a split are listed; `manifest.json` has them all."""
_PLACE = re.compile(r"\{([a-z_]+)\}")
_OUTSIDE = {"zero": "set to 0", "keep": "kept as they are"}
_RECIPES = {
    "published": (
        "Labels that touch the image border, or that have no full 364 x 364 px window around the middle of their "
        "bounding box, are left out. The window is rotated (bilinear) so that the minimum-area rectangle of the "
        "largest outer contour lies flat, and 256 x 256 px around the middle of the rotated mask are cut out. Parts of "
        "a nucleus outside that frame are lost; such rows have `clipped` set."
    ),
    "refined": (
        "Every label becomes a row; those that touch the image border have `touches_border` set. The centroid of the "
        "mask lies in the middle of the crop, its major axis (from the second moments) lies flat, and its longer tail "
        "(from the third moment) points right. Image and mask are resampled once, the image bilinearly, the mask by "
        "the nearest pixel."
    ),
}
_CONFIGS = {
    "default": "a nucleus, with `image` and `mask`",
    "metadata": "the same nucleus in the same place, without `image` and `mask`",
    "stitched": "a stitched image",
    "10k": "one of 100 random nuclei of each {group} (all nuclei of a {group} that has fewer), sorted by {group}",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    Attributes:
        manifest: of the dataset.
        images: number of stitched images.
        unnamed: number of images whose names say no run, so that each is a run of its own.
        study: what is known besides the images.
        statistics: of all nuclei.
    """

    manifest: Manifest
    images: int
    unnamed: int
    study: Study
    statistics: CardStatistics


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write the dataset card and its picture into the dataset folder."""
    picture = folder / PICTURE_PATH
    picture.parent.mkdir(exist_ok=True)
    write_bytes_atomic(picture, facts.statistics.picture.encode())
    write_bytes_atomic(folder / CARD_NAME, filled(shipped("dataset_card.md").read_text("utf-8"), facts).encode())


def filled(text: str, facts: CardFacts) -> str:
    """Return the template with its places filled in; a brace that names no place stays as it is."""
    values = {
        **count_values(facts.manifest, facts.images),
        "leakage": leakage(facts.manifest, facts.unnamed),
        "warnings": warnings_text(facts.manifest),
        "nucleus_warnings": nucleus_warnings_text(facts.manifest, facts.statistics.warned),
        **study_values(facts),
        **statistics_values(facts.statistics),
    }
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def count_values(manifest: Manifest, images: int) -> dict[str, str]:
    """Return what the card says about splits, configs and columns."""
    first = next(iter(manifest.splits))
    outside = str(manifest.parameters["outside"])
    cells = manifest.bit_depth, manifest.columns, manifest.crop_px, manifest.channels
    return {
        "kept": f"{manifest.kept:,}",
        "found": f"{manifest.found:,}",
        "images": f"{images:,}",
        "groups": counted(sum(map(len, manifest.runs.values())), *group_words(manifest)),
        "group_heading": group_words(manifest)[1],
        "dropped": " + ".join(f"`{reason}` {count:,}" for reason, count in manifest.dropped.items()),
        "first_split": first,
        "sample_rows": str(min(1000, manifest.splits[first])),
        "batch_size": str(min(256, manifest.splits[first])),
        "split_rows": "\n".join(split_row(manifest, split) for split in manifest.splits),
        "config_rows": "\n".join(config_row(manifest, config) for config in manifest.configs),
        "bit_depth": str(manifest.bit_depth),
        "crop_px": str(manifest.crop_px),
        "recipe_text": recipe_text(manifest),
        "outside": _OUTSIDE.get(outside, outside),
        "nucleus_columns": schema_table("default", *cells),
        "stitched_columns": schema_table("stitched", *cells),
    }


def recipe_text(manifest: Manifest) -> str:
    """Return how nuclei were cut, after a sentence that says what a recipe is."""
    said = f"The recipe is the way in which nuclei are cut; here it is `{manifest.recipe}`."
    frame = [frame_text(manifest)] if manifest.recipe == "refined" else []
    channels = [channels_text(manifest)] if manifest.channels else []
    return " ".join([said, *filter(None, [_RECIPES.get(manifest.recipe)]), *frame, *channels])


def channels_text(manifest: Manifest) -> str:
    """Return which column holds which channel, and how channels lie on each other."""
    first, *further = (
        f"`{column}` shows channel {name}"
        for column, name in zip(image_columns(manifest.channels), manifest.channels, strict=True)
    )
    if not further:
        return f"{first}."
    return (
        f"{first}, which the masks belong to, {', '.join(further)}: all turned and cut alike, so that a pixel is "
        "the same place in all."
    )


def frame_text(manifest: Manifest) -> str:
    """Return what the crops of recipe `refined` show, and how that follows from the rows."""
    px, step = manifest.crop_px, manifest.crop_px // 8
    if (px, manifest.frame_um) == (CROP_PX, None):
        return (
            "A crop shows 256 x 256 px of the image. Where a nucleus does not fit, it shows the square "
            "of 288, 320, ... px that holds it, scaled down to 256; the side of that square is "
            "32 * round(8 * sqrt(`area_px` / pixels of `mask`))."
        )
    shown, um = f"{px} x {px} px of the image", manifest.frame_um
    wider = f"the square of {px + step}, {px + 2 * step}, ... px"
    if um is not None:
        shown = f"{um:g} x {um:g} µm in {px} x {px} px, whatever the scale of its image"
        wider = f"the square of {um * 9 / 8:g}, {um * 10 / 8:g}, ... µm"
    return (
        f"A crop shows {shown}. Where a nucleus does not fit, it shows {wider} that holds it, scaled down to {px} "
        f"px; the side of that square is {px} / `crop_pixels_per_um` µm. Where a crop has fewer pixels than the image, "
        "each is the average over what it covers."
    )


def study_values(facts: CardFacts) -> dict[str, str]:
    """Return what the card says about the study."""
    study = facts.study
    description = study.get("dataset", "description")
    return {
        "yaml": card_yaml(facts.manifest, study),
        "pretty_name": plain_markdown(study.get("dataset", "name") or PRETTY_NAME),
        "description": nucleusnet_dataset.DESCRIPTION if description is None else plain_paragraphs(description),
        "citation": citation(study, nucleusnet_dataset.CITATION),
        "image_items": "\n".join(
            [*item_rows(study, "biosample", "specimen", "acquisition"), *scale_rows(facts.manifest)]
        ),
        "segmentation_items": "\n".join(item_rows(study, "segmentation")),
        "quality": quality_text(study),
    }


def scale_rows(manifest: Manifest) -> list[str]:
    """Return the scale of the images, and where it was taken from, as rows of a table."""
    scale = manifest.parameters["pixels_per_um"]
    size = "several scales; see column `pixels_per_um`" if scale is None else f"{1 / scale:.4g} µm ({scale:g} px/µm)"
    sources = [f"{source} ({counted(images, 'image')})" for source, images in manifest.scale_sources.items()]
    return [f"| Pixel size | {size} |", f"| Pixel size taken from | {', '.join(sources) or NOT_STATED} |"]


def group_words(manifest: Manifest) -> tuple[str, str]:
    """Return what splits keep together in words, one and several."""
    if manifest.group_by == "run_name":
        return "run", "runs"
    return f"value of `{manifest.group_by}`", f"values of `{manifest.group_by}`"


def leakage(manifest: Manifest, unnamed: int) -> str:
    """Return what holds about groups and splits."""
    whole = f"Whole groups of equal `{manifest.group_by}` go to one split"
    if manifest.group_by != "run_name":
        return f"{whole}; what is the same in other ways, such as a coverslip, may lie in several."
    if not unnamed:
        return f"{whole}, so that no model is tested on a run (coverslip) that it was trained on."
    images = counted(unnamed, "image says", "images say")
    return (
        f"{whole}. The names of {images} no run, so each of these is a group of its own, and images of one coverslip "
        "may lie in several splits."
    )


def warnings_text(manifest: Manifest) -> str:
    """Return the warnings and how many images have each, as a list."""
    from ..pieces.checks import WARNING_TEXTS  # noqa: PLC0415 - only a build needs them

    if not manifest.warnings:
        return "None of the images looks wrong."
    lines = [
        f"- `{word}`, {counted(images, 'image')}: {WARNING_TEXTS[word]}" for word, images in manifest.warnings.items()
    ]
    listed = "Some images look wrong (column `warnings` of config `stitched` lists which):"
    return "\n".join([listed, "", *lines])


def nucleus_warnings_text(manifest: Manifest, warned: Mapping[str, int]) -> str:
    """Return the warning words of nuclei, when a nucleus has which, and how many have it, as a list."""
    thresholds = manifest.parameters["warning_thresholds"]
    lines = [
        f"- `{word}`, {counted(warned.get(word, 0), 'nucleus', 'nuclei')}: {TEXTS[word].format_map(thresholds)}."
        for word in NUCLEUS_WARNINGS
    ]
    head = (
        "Column `warnings` of config `default` says which nuclei look wrong. It follows from their other columns and "
        "from `warning_thresholds` in `manifest.json`:"
    )
    return "\n".join([head, "", *lines])


def statistics_values(statistics: CardStatistics) -> dict[str, str]:
    """Return what the card says in numbers."""
    return {
        "picture": PICTURE_PATH,
        "quantile_rows": statistics.quantile_rows,
        "shares": statistics.shares,
        "intensity": statistics.intensity,
        "drift_text": statistics.drift_text,
        "run_table": statistics.run_table,
    }


def item_rows(study: Study, *sections: str) -> list[str]:
    """Return the facts of some sections as rows of a table, with the needed ones that are not stated."""
    rows = []
    for section in sections:
        for key, item in ITEMS[section].items():
            stated = study.get(section, key)
            if key == "pixels_per_um" or (stated is None and not item.needed):
                continue
            texts = study.lines(section, key) if isinstance(stated, list) else [study.text(section, key)]
            rows.append(f"| {item.label} | {'<br>'.join(map(plain_markdown, texts))} |")
    return rows


def quality_text(study: Study) -> str:
    """Return known errors and biases as lists."""
    parts = []
    for key, item in ITEMS["quality"].items():
        lines = [plain_markdown(line) for line in study.lines("quality", key)] or [NOT_STATED]
        parts.append("\n".join([f"{item.label}:", "", *(f"- {line}" for line in lines)]))
    return "\n\n".join(parts)


def split_row(manifest: Manifest, split: str) -> str:
    """Return the line of one split in the table of splits."""
    groups = manifest.runs.get(split, [])
    names = [plain_markdown(name) for name in groups[:MOST_GROUPS]]
    if len(groups) > MOST_GROUPS:
        names.append(f"and {len(groups) - MOST_GROUPS:,} others")
    return f"| `{split}` | {', '.join(names)} | {manifest.splits[split]:,} |"


def config_row(manifest: Manifest, config: str) -> str:
    """Return the line of one config in the table of configs."""
    rows = sum(manifest.rows(config, split) for split in manifest.splits_of(config))
    meaning = _CONFIGS.get(config, "").replace("{group}", group_words(manifest)[0])
    return f"| `{config}` | {rows:,} | {meaning} |"
