"""`croissant.json`: files, configs and columns of a dataset for machines, in the MLCommons Croissant 1.0 format.

Written by hand, so that a build needs no library for it; a test lets `mlcroissant` validate it and read through it.
Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets

import nucleusnet_dataset
from nucleusnet_core.contract import CROISSANT_NAME
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.manifest import Manifest

from .columns import OWN_COLUMN, Meaning, meanings
from .head import PRETTY_NAME
from .study import Study, citation

PARQUET = "application/x-parquet"
_LICENSE_URL = "https://spdx.org/licenses/"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(folder: Path, manifest: Manifest, study: Study) -> None:
    """Write the description into the dataset folder."""
    content = json.dumps(croissant(manifest, study), indent=1, ensure_ascii=False) + "\n"
    write_bytes_atomic(folder / CROISSANT_NAME, content.encode())


def croissant(manifest: Manifest, study: Study) -> dict[str, Any]:
    """Return the description: files with their hashes, a record set for each config, a field for each column.

    It has neither dates nor addresses: the folder is the same wherever and whenever it is made.
    """
    configs = manifest.configs
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": study.get("dataset", "name") or PRETTY_NAME,
        "description": " ".join((study.get("dataset", "description") or nucleusnet_dataset.DESCRIPTION).split()),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "version": manifest.version,
        "citeAs": citation(study, nucleusnet_dataset.CITATION),
        **stated(study),
        "distribution": [file_set(manifest, config) for config in configs] + files(manifest),
        "recordSet": [split_set(manifest), *(record_set(manifest, config) for config in configs)],
    }


def stated(study: Study) -> dict[str, Any]:
    """Return the facts that only a study can tell."""
    found: dict[str, Any] = {}
    if license_id := study.get("dataset", "license"):
        found["license"] = f"{_LICENSE_URL}{license_id.upper()}"
    if authors := study.lines("dataset", "authors"):
        found["creator"] = [{"@type": "sc:Person", "name": name} for name in authors]
    if homepage := study.get("dataset", "homepage"):
        found["url"] = homepage
    if tags := study.lines("dataset", "tags"):
        found["keywords"] = tags
    return found


def files(manifest: Manifest) -> list[dict[str, Any]]:
    """Return a description of every shard."""
    return [
        {
            "@type": "cr:FileObject",
            "@id": shard.path,
            "name": shard.path,
            "contentUrl": shard.path,
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": PARQUET,
            "sha256": shard.sha256,
        }
        for shard in manifest.shards
    ]


def file_set(manifest: Manifest, config: str) -> dict[str, Any]:
    """Return a description of the files of a config, taken together."""
    shards = [shard for shard in manifest.shards if shard.config == config]
    return {
        "@type": "cr:FileSet",
        "@id": f"files-of-{config}",
        "name": f"files-of-{config}",
        "encodingFormat": PARQUET,
        "includes": f"{shards[0].path.split('/')[0]}/*.parquet",
    }


def split_set(manifest: Manifest) -> dict[str, Any]:
    """Return a description of the splits, with the number of their nuclei."""
    field = {"@type": "cr:Field", "dataType": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": f"Whole groups of equal {manifest.group_by} go to one split.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {**field, "@id": "splits/name", "name": "name"},
            {**field, "@id": "splits/nuclei", "name": "nuclei", "dataType": "sc:Integer"},
        ],
        "data": [{"splits/name": split, "splits/nuclei": rows} for split, rows in manifest.splits.items()],
    }


def record_set(manifest: Manifest, config: str) -> dict[str, Any]:
    """Return a description of the columns of a config."""
    columns = nucleusnet_dataset.features_of(manifest, config)
    known = meanings(config, manifest.crop_px, manifest.channels)
    rows = sum(manifest.rows(config, split) for split in manifest.splits_of(config))
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"Config {config}: {rows} rows.",
        "field": [field_of(name, feature, config=config, known=known) for name, feature in columns.items()],
    }


def field_of(name: str, feature: Any, *, config: str, known: Mapping[str, Meaning]) -> dict[str, Any]:
    """Return a description of a column.

    Args:
        name: of the column.
        feature: its type.
        config: that it belongs to.
        known: meanings of the columns of this config.
    """
    meaning = known.get(name, OWN_COLUMN)
    source: dict[str, Any] = {"fileSet": {"@id": f"files-of-{config}"}, "extract": {"column": name}}
    if isinstance(feature, datasets.Image):
        source["transform"] = {"jsonPath": "bytes"}
    repeated = {"repeated": True} if isinstance(feature, datasets.List) else {}
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{name}",
        "name": name,
        "description": meaning.text + (f" ({meaning.unit})" if meaning.unit else ""),
        "dataType": data_type(feature),
        **repeated,
        "source": source,
    }


def data_type(feature: Any) -> str:
    """Return the Croissant type of a column."""
    if isinstance(feature, datasets.Image):
        return "sc:ImageObject"
    if isinstance(feature, datasets.List):
        return "sc:Text"
    kinds = {"string": "sc:Text", "bool": "sc:Boolean", "float32": "cr:Float32", "float64": "cr:Float64"}
    return kinds.get(str(feature.dtype), "sc:Integer")
