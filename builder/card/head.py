"""The YAML head of a dataset card: what the Hub shows, and what `load_dataset` reads instead of opening data files."""

from collections.abc import Mapping
from typing import Any

import datasets
import yaml
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

import nucleusnet_dataset
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.small_files import SmallFileError, check_yaml

from .study import NO_STUDY, Study

PRETTY_NAME = "NucleusNet"
TAGS = ["biology", "microscopy", "fluorescence", "cell nuclei", "single-cell"]
UNKNOWN_LICENSE = "unknown"
_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]


def card_yaml(manifest: Manifest, study: Study = NO_STUDY) -> str:
    """Return the YAML head; `load_dataset` takes configs, features and numbers of rows from it."""
    data = DatasetCardData(
        language=None,
        license=study.get("dataset", "license") or UNKNOWN_LICENSE,
        annotations_creators=["machine-generated"],
        task_categories=["image-feature-extraction", "unconditional-image-generation", "image-classification"],
        size_categories=[size_category(manifest.kept)],
        tags=[*TAGS, *study.lines("dataset", "tags")],
        pretty_name=study.get("dataset", "name") or PRETTY_NAME,
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
        features=nucleusnet_dataset.features_of(manifest, config),
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
        ValueError: the head cannot be read.
    """
    try:
        check_yaml(text[: _most_head(text)])
        infos = DatasetInfosDict.from_dataset_card_data(DatasetCard(text).data)
        return {
            name: {split.name: split.num_examples for split in (info.splits or {}).values()}
            for name, info in infos.items()
        }
    except SmallFileError:
        raise
    except (yaml.YAMLError, *_MISREAD) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _most_head(text: str) -> int:
    """Return where the YAML head of a card ends: at the second line of three dashes."""
    end = text.find("\n---", 3)
    return len(text) if end < 0 else end
