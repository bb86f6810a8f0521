"""README.md of a dataset folder: the template `dataset_card.md` filled in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

import nucleusnet_dataset
from nucleusnet_source.atomic import write_bytes_atomic
from nucleusnet_source.errors import BuildError
from nucleusnet_source.manifest import Manifest

CARD_NAME = "README.md"
PRETTY_NAME = "NucleusNet"
TAGS = ["biology", "microscopy", "fluorescence", "cell nuclei", "DAPI", "single-cell"]
_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]
_OUTSIDE = {"zero": "set to 0", "keep": "kept as it is"}


def write_card(folder: Path, manifest: Manifest, *, images: int) -> None:
    """Write the dataset card.

    Args:
        folder: the dataset folder.
        manifest: what the folder holds.
        images: number of stitched images.
    """
    write_bytes_atomic(folder / CARD_NAME, filled(template(), manifest, images=images).encode())


def template() -> str:
    """Return the template: beside this module in a wheel, at the root of a checkout.

    Raises:
        BuildError: it is in neither place.
    """
    here = Path(__file__).resolve().parent
    for path in (here / "dataset_card.md", here.parent / "dataset_card.md"):
        if path.is_file():
            return path.read_text("utf-8")
    raise BuildError(f"{here}: dataset_card.md expected beside this module, none found; install nucleusnet again.")


def filled(text: str, manifest: Manifest, *, images: int) -> str:
    """Fill in the template."""
    values = {
        "yaml": card_yaml(manifest),
        "pretty_name": PRETTY_NAME,
        "description": nucleusnet_dataset.DESCRIPTION,
        "citation": nucleusnet_dataset.CITATION,
        "kept": f"{manifest.kept:,}",
        "found": f"{manifest.found:,}",
        "images": f"{images:,}",
        "runs": f"{sum(map(len, manifest.runs.values())):,}",
        "dropped": " + ".join(f"{reason} {count:,}" for reason, count in manifest.dropped.items()),
        "split_rows": "\n".join(split_row(manifest, split) for split in manifest.splits),
        "recipe": manifest.recipe,
        "outside": _OUTSIDE.get(manifest.parameters["outside"], manifest.parameters["outside"]),
        "pixels_per_um": f"{manifest.parameters['pixels_per_um']:g}",
        "bit_depth": str(manifest.bit_depth),
    }
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def split_row(manifest: Manifest, split: str) -> str:
    """Return the line of one split in the table of splits."""
    runs = ", ".join(map(str, manifest.runs.get(split, [])))
    return f"| `{split}` | {runs} | {manifest.splits[split]:,} |"


def card_yaml(manifest: Manifest) -> str:
    """Return the YAML head: what the Hub shows, and what `load_dataset` reads instead of opening data files."""
    data = DatasetCardData(
        language=None,
        license="cc-by-4.0",
        annotations_creators=["machine-generated"],
        task_categories=["image-feature-extraction", "unconditional-image-generation", "image-classification"],
        size_categories=[size_category(manifest.kept)],
        tags=TAGS,
        pretty_name=PRETTY_NAME,
    )
    MetadataConfigs({config: config_files(manifest, config) for config in manifest.configs}).to_dataset_card_data(data)
    infos = {config: config_info(manifest, config) for config in manifest.configs}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return str(data.to_yaml()).strip()


def config_files(manifest: Manifest, config: str) -> dict[str, Any]:
    """Return which files a config reads."""
    folder = manifest.shards_of(config, manifest.splits_of(config)[0])[0].path.split("/")[0]
    files = [{"split": split, "path": f"{folder}/{split}-*"} for split in manifest.splits_of(config)]
    return {"data_files": files} | ({"default": True} if config == "default" else {})


def config_info(manifest: Manifest, config: str) -> datasets.DatasetInfo:
    """Return features and sizes of a config."""
    splits = {
        split: datasets.SplitInfo(
            split,
            num_bytes=sum(shard.bytes for shard in manifest.shards_of(config, split)),
            num_examples=manifest.rows(config, split),
        )
        for split in manifest.splits_of(config)
    }
    size = sum(split.num_bytes for split in splits.values())
    return datasets.DatasetInfo(
        config_name=config,
        features=nucleusnet_dataset.features(config, bit_depth=manifest.bit_depth),
        splits=datasets.SplitDict(splits),
        download_size=size,
        dataset_size=size,
    )


def size_category(rows: int) -> str:
    """Return the Hub's name for a number of rows."""
    return next((name for limit, name in _SIZES if rows < limit), "n>10M")


def card_counts(text: str) -> Mapping[str, Mapping[str, int]]:
    """Return the number of rows by config and split that a card states in its YAML head.

    Raises:
        ValueError: the head is missing or cannot be read.
    """
    from huggingface_hub import DatasetCard  # noqa: PLC0415 - needs jinja2 only here

    infos = DatasetInfosDict.from_dataset_card_data(DatasetCard(text).data)
    return {
        name: {split.name: split.num_examples for split in (info.splits or {}).values()} for name, info in infos.items()
    }
