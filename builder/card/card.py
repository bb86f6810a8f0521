"""README.md of a dataset folder: the template `dataset_card.md` filled in."""

import re
from dataclasses import dataclass
from pathlib import Path

import nucleusnet_dataset
from nucleusnet_core.contract import CARD_NAME
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.manifest import Manifest

from .columns import schema_table
from .head import PRETTY_NAME, card_yaml
from .markdown import plain_markdown
from .shipped import shipped
from .statistics import PICTURE_PATH, CardStatistics
from .study import ITEMS, NOT_STATED, Study, citation

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
        "the nearest pixel. A crop shows 256 x 256 px of the image. Where a nucleus does not fit, it shows the square "
        "of 288, 320, ... px that holds it, scaled down to 256; the side of that square is "
        "32 * round(8 * sqrt(`area_px` / pixels of `mask`))."
    ),
}
_CONFIGS = {
    "default": "a nucleus, with `image` and `mask`",
    "metadata": "the same nucleus in the same place, without `image` and `mask`",
    "stitched": "a stitched image",
    "10k": "one of 100 random nuclei of each run (all nuclei of a run that has fewer), sorted by run",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    Attributes:
        manifest: of the dataset.
        images: number of stitched images.
        study: what is known besides the images.
        statistics: of all nuclei.
    """

    manifest: Manifest
    images: int
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
        **study_values(facts),
        **statistics_values(facts.statistics),
    }
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def count_values(manifest: Manifest, images: int) -> dict[str, str]:
    """Return what the card says about splits, configs and columns."""
    first = next(iter(manifest.splits))
    outside = str(manifest.parameters["outside"])
    return {
        "kept": f"{manifest.kept:,}",
        "found": f"{manifest.found:,}",
        "images": f"{images:,}",
        "runs": f"{sum(map(len, manifest.runs.values())):,}",
        "dropped": " + ".join(f"`{reason}` {count:,}" for reason, count in manifest.dropped.items()),
        "first_split": first,
        "sample_rows": str(min(1000, manifest.splits[first])),
        "batch_size": str(min(256, manifest.splits[first])),
        "split_rows": "\n".join(split_row(manifest, split) for split in manifest.splits),
        "config_rows": "\n".join(config_row(manifest, config) for config in manifest.configs),
        "bit_depth": str(manifest.bit_depth),
        "recipe_text": recipe_text(manifest.recipe),
        "outside": _OUTSIDE.get(outside, outside),
        "nucleus_columns": schema_table("default", manifest.bit_depth),
        "stitched_columns": schema_table("stitched", manifest.bit_depth),
    }


def recipe_text(recipe: str) -> str:
    """Return how nuclei were cut, after a sentence that says what a recipe is."""
    return f"The recipe is the way in which nuclei are cut; here it is `{recipe}`. {_RECIPES.get(recipe, '')}".strip()


def study_values(facts: CardFacts) -> dict[str, str]:
    """Return what the card says about the study."""
    study, scale = facts.study, float(facts.manifest.parameters["pixels_per_um"])
    size = f"| Pixel size | {1 / scale:.4g} µm ({scale:g} px/µm) |"
    description = study.get("dataset", "description")
    return {
        "yaml": card_yaml(facts.manifest, study),
        "pretty_name": study.get("dataset", "name") or PRETTY_NAME,
        "description": nucleusnet_dataset.DESCRIPTION if description is None else description.strip(),
        "citation": citation(study, nucleusnet_dataset.CITATION),
        "image_items": "\n".join([*item_rows(study, "biosample", "specimen", "acquisition"), size]),
        "segmentation_items": "\n".join(item_rows(study, "segmentation")),
        "quality": quality_text(study),
    }


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
            text = "<br>".join(study.lines(section, key)) if isinstance(stated, list) else study.text(section, key)
            rows.append(f"| {item.label} | {text.replace('|', chr(92) + '|')} |")
    return rows


def quality_text(study: Study) -> str:
    """Return known errors and biases as lists."""
    parts = []
    for key, item in ITEMS["quality"].items():
        lines = study.lines("quality", key) or [NOT_STATED]
        parts.append("\n".join([f"{item.label}:", "", *(f"- {line}" for line in lines)]))
    return "\n\n".join(parts)


def split_row(manifest: Manifest, split: str) -> str:
    """Return the line of one split in the table of splits."""
    runs = ", ".join(plain_markdown(str(run)) for run in manifest.runs.get(split, []))
    return f"| `{split}` | {runs} | {manifest.splits[split]:,} |"


def config_row(manifest: Manifest, config: str) -> str:
    """Return the line of one config in the table of configs."""
    rows = sum(manifest.rows(config, split) for split in manifest.splits_of(config))
    return f"| `{config}` | {rows:,} | {_CONFIGS.get(config, '')} |"
