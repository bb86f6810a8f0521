"""`croissant.json`: mlcroissant validates it and reads through it; Parquet files tell what they belong to."""

import itertools
import json
from pathlib import Path

import mlcroissant
import pyarrow.parquet as pq

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.card.croissant import croissant
from builder.card.study import read_study
from builder.dataset_folder import read_manifest
from nucleusnet_core.contract import CONFIGS, VERSION
from nucleusnet_dataset import features
from tests.builder.build.fields import write_field
from tests.root import ROOT

NO_DATE = 'Property "https://schema.org/datePublished" is recommended, but does not exist.'
NO_LICENSE = 'Property "https://schema.org/license" is recommended, but does not exist.'


def opened(path: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(jsonld=path)


def test_it_is_valid_and_lacks_only_what_nobody_has_stated(built: Path) -> None:
    issues = opened(built / "croissant.json").metadata.ctx.issues
    assert issues.errors == set()
    assert {warning.split("] ")[1] for warning in issues.warnings} == {NO_DATE, NO_LICENSE}


def test_a_study_adds_licence_and_authors(built: Path, tmp_path: Path) -> None:
    study = read_study(ROOT / "study.toml", pixels_per_um=8.0453)
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(croissant(read_manifest(built), study)))
    metadata = opened(path).metadata
    assert metadata.ctx.issues.errors == set()
    assert {warning.split("] ")[1] for warning in metadata.ctx.issues.warnings} == {NO_DATE}
    assert metadata.license == ["https://spdx.org/licenses/CC-BY-4.0"]
    assert [person.name for person in metadata.creators] == ["The NucleusNet authors"]
    assert "DAPI" in metadata.keywords


def test_every_config_is_read_through_it(built: Path) -> None:
    manifest = read_manifest(built)
    dataset = opened(built / "croissant.json")
    for config in CONFIGS:
        (record,) = itertools.islice(dataset.records(config), 1)
        assert [name.removeprefix(f"{config}/") for name in record] == list(features(config))
    names = {record["metadata/nucleus_id"].decode() for record in dataset.records("metadata")}
    paths = [built / shard.path for shard in manifest.shards if shard.config == "metadata"]
    assert names == {name for path in paths for name in pq.read_table(path).column("nucleus_id").to_pylist()}
    (record,) = itertools.islice(dataset.records("default"), 1)
    assert record["default/image"].size == (256, 256)
    assert {r["splits/name"]: r["splits/nuclei"] for r in dataset.records("splits")} == manifest.splits


def test_own_columns_and_lists_of_warnings_are_read_through_it(tmp_path: Path) -> None:
    folder, out = tmp_path / "stitched", tmp_path / "nucleusnet"
    for seed, name in ((1, "B02_s1"), (1, "B02_s2"), (2, "B03_s1")):
        write_field(folder, name, seed=seed)
    build(BuildOptions(folder, out, name_pattern=r"(?P<well>\w+)_s(?P<site>\d)", group_by="well", splits="train=1"))
    dataset = opened(out / "croissant.json")
    assert dataset.metadata.ctx.issues.errors == set()
    records = {record["stitched/name"].decode(): record for record in dataset.records("stitched")}
    warnings = pq.read_table(out / "stitched" / "train-00000-of-00001.parquet").select(["name", "warnings"]).to_pylist()
    assert {row["name"]: row["warnings"] for row in warnings} == {
        name: [word.decode() for word in record["stitched/warnings"]] for name, record in records.items()
    }
    assert b"duplicate_image" in records["B02_s1"]["stitched/warnings"]
    assert b"duplicate_image" not in records["B03_s1"]["stitched/warnings"]
    for config in CONFIGS:
        wells = {record[f"{config}/well"] for record in dataset.records(config)}
        assert wells == {b"B02", b"B03"}


def test_it_states_every_shard_with_its_hash_and_no_time(built: Path) -> None:
    content = json.loads((built / "croissant.json").read_bytes())
    files = {entry["@id"]: entry for entry in content["distribution"] if entry["@type"] == "cr:FileObject"}
    shards = read_manifest(built).shards
    assert {path: entry["sha256"] for path, entry in files.items()} == {shard.path: shard.sha256 for shard in shards}
    assert not {"datePublished", "dateCreated", "dateModified"} & set(content)


def test_every_parquet_file_tells_what_it_is_part_of(built: Path) -> None:
    manifest = read_manifest(built)
    assert manifest.parameters["versions"].keys() >= {"nucleusnet", "numpy", "pyarrow", "opencv-python-headless"}
    paths = {shard.path: shard.config for shard in manifest.shards} | {"provenance.parquet": "provenance"}
    for path, config in paths.items():
        facts = json.loads(pq.read_metadata(built / path).metadata[b"nucleusnet"])
        assert facts == {
            "config": config,
            "version": VERSION,
            "recipe": "published",
            "seed": 0,
            "pixels_per_um": 8.0453,
            "versions": manifest.parameters["versions"],
        }
