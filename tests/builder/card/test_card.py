"""The filled dataset card: the clients read it, it says what is known and nothing else, and its code runs."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset_builder
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.card.card import CardFacts, config_row, filled, leakage, scale_rows, warnings_text
from builder.card.columns import meanings, schema_table
from builder.card.statistics import CardStatistics
from builder.card.study import Study
from builder.pieces.checks import WARNING_TEXTS
from nucleusnet_core.contract import CONFIGS
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.intensity import read_intensity
from nucleusnet_core.manifest import Manifest
from nucleusnet_dataset import features
from tests.builder.commands import contents, environment
from tests.dataset_folder import write_dataset_folder
from tests.hub.server import Hub, client_environment, serve_hub
from tests.root import ROOT


@pytest.fixture(scope="module")
def described(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder that was built with the worked example of a study."""
    out = tmp_path_factory.mktemp("described") / "nucleusnet"
    build(BuildOptions(stitched, out, study=ROOT / "study.toml"))
    return out


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as running:
        yield running


def manifest_of(folder: Path) -> Manifest:
    return Manifest.from_json((folder / "manifest.json").read_bytes())


def test_the_cards_head_is_what_the_clients_make_of_the_manifest(described: Path) -> None:
    card = DatasetCard((described / "README.md").read_text("utf-8"))
    manifest = manifest_of(described)
    assert isinstance(card.data, DatasetCardData)
    assert (card.data.license, card.data.pretty_name) == ("cc-by-4.0", "NucleusNet")
    assert card.data.size_categories == ["n<1K"]
    assert {"cell nuclei", "DAPI", "CV-1"} <= set(card.data.get("tags") or [])
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    infos = DatasetInfosDict.from_dataset_card_data(card.data)
    assert set(configs) == set(infos) == set(CONFIGS)
    assert configs.get_default_config_name() == "default"
    for config in CONFIGS:
        assert infos[config].features == features(config)
        splits = {name: split.num_examples for name, split in infos[config].splits.items()}
        assert splits == {split: manifest.rows(config, split) for split in manifest.splits_of(config)}
        for files in configs[config]["data_files"]:
            assert {path.relative_to(described).as_posix() for path in described.glob(files["path"])} == {
                shard.path for shard in manifest.shards_of(config, files["split"])
            }
    builder = load_dataset_builder(str(described))
    assert builder.info.splits["train"].num_examples == manifest.splits["train"]


def test_the_card_states_what_standardising_loaders_compute(described: Path) -> None:
    found = read_intensity(open_dataset(described), "train")
    stated = (
        f"nuclei of split `train`, raw camera values have mean {found.mean:.4f} and standard deviation {found.std:.4f}"
    )
    assert stated in (described / "README.md").read_text("utf-8")


def test_the_clients_own_validation_accepts_the_card(described: Path, hub: Hub, tmp_path: Path) -> None:
    code = f"from huggingface_hub import DatasetCard; DatasetCard.load({str(described / 'README.md')!r}).validate()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=client_environment(hub, str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hub.requests() == ["POST /api/validate-yaml 200"]


def test_a_study_is_told_and_nothing_is_left_to_fill_in(described: Path) -> None:
    text = (described / "README.md").read_text("utf-8")
    for stated in (
        "| Organism | Chlorocebus aethiops \\(African green monkey\\) |",
        "| Cell line | CV-1 |",
        "| Stain | DAPI |",
        "| Microscope | confocal fluorescence microscope |",
        "| Objective | 100x |",
        "| Pixel size | 0.1243 µm (8.0453 px/µm) |",
        "| Segmentation model | cellpose 3.x, custom nuclei model |",
        "| Segmentation parameters | flow\\_threshold 0.5, cellprob\\_threshold -2.0, diameter 152.91 px |",
        "- One cell line, one stain, one magnification",
        "  author = {{The NucleusNet authors}},",
    ):
        assert stated in text
    assert "not stated" not in text
    assert not re.search(r"\{[a-z_]+\}", text.replace("{nucleusnet}", ""))


def test_without_a_study_nothing_is_invented(built: Path) -> None:
    text = (built / "README.md").read_text("utf-8")
    for item in ("Organism", "Cell line", "Stain", "Microscope", "Objective", "Segmentation model"):
        assert f"| {item} | not stated |" in text
    assert text.count("- not stated") == 2
    assert DatasetCard(text).data.get("license") == "unknown"
    assert not re.search("CV-1|DAPI|confocal|100x", text)


def test_the_study_changes_nothing_but_card_croissant_and_sums(built: Path, described: Path) -> None:
    without, with_study = contents(built), contents(described)
    different = {path for path in without if without[path] != with_study[path]}
    assert without.keys() == with_study.keys()
    assert different == {"README.md", "croissant.json", "SHA256SUMS"}


def test_every_column_has_a_meaning_and_measures_have_units() -> None:
    for config in CONFIGS:
        columns = features(config)
        assert set(columns) <= set(meanings(config, 256))
        table = schema_table(config, 8, {}, 256).splitlines()
        assert [line.split("`")[1] for line in table[2:]] == list(columns)
    for name, meaning in meanings("default", 256).items():
        units = {"_per_um": "px/µm", "_um": "µm", "_um2": "µm²", "_px": "px²", "_deg": "degree"}
        ending = next((ending for ending in units if name.endswith(ending)), None)
        assert ending is None or meaning.unit == units[ending]
    assert "| `image` | PNG, 16 bit | camera values | the crop, 64 x 64 px |" in schema_table("default", 16, {}, 64)
    assert "| `mask` | PNG, 1 bit |  | the nucleus in the same frame |" in schema_table("default", 16, {}, 64)


def test_the_statistics_are_those_of_the_rows_and_the_picture_shows_every_run(described: Path) -> None:
    text = (described / "README.md").read_text("utf-8")
    manifest = manifest_of(described)
    assert "![Number, area and brightness of the nuclei of each run](figures/runs.svg)" in text
    picture = ElementTree.fromstring((described / "figures" / "runs.svg").read_text("utf-8"))
    runs = sum(map(len, manifest.runs.values()))
    measures = "number of nuclei, area, µm², mean intensity, integrated intensity"
    assert picture.get("aria-label") == f"{runs} runs: {measures}"
    assert "figures/runs.svg" in (described / "SHA256SUMS").read_text()
    tables = [pq.read_table(described / s.path) for s in manifest.shards if s.config == "metadata"]
    areas = sorted(area for table in tables for area in table.column("area_um2").to_pylist())
    middle = (areas[(len(areas) - 1) // 2] + areas[len(areas) // 2]) / 2
    row = next(line for line in text.splitlines() if line.startswith("| `area_um2`, µm² | ") and line.count("|") == 7)
    assert row.split("|")[4].strip() == f"{middle:,.1f}"


def test_a_text_of_the_study_that_looks_like_a_place_stays_as_it_is(described: Path) -> None:
    study = Study({"dataset": {"description": "see {citation} and {nothing}"}})
    facts = CardFacts(manifest_of(described), 12, 0, study, CardStatistics("", "", "", "", "", ""))
    assert filled("{description}, {unknown}", facts) == "see \\{citation\\} and \\{nothing\\}, {unknown}"


def test_the_card_says_of_splits_only_what_holds(tmp_path: Path) -> None:
    manifest = write_dataset_folder(tmp_path / "nn", {"train": 20, "test": 5})
    assert leakage(manifest, 0) == (
        "Whole groups of equal `run_name` go to one split, so that no model is tested on a run (coverslip) that it was "
        "trained on."
    )
    assert leakage(manifest, 2).endswith(
        "The names of 2 images say no run, so each of these is a group of its own, and images of one coverslip may lie "
        "in several splits."
    )
    by_plate = replace(manifest, group_by="plate", columns={"plate": "string"})
    assert leakage(by_plate, 0).startswith("Whole groups of equal `plate` go to one split; ")
    assert "each value of `plate`" in config_row(by_plate, "10k")


def test_the_card_says_where_scales_come_from_and_what_looks_wrong(tmp_path: Path) -> None:
    manifest = write_dataset_folder(tmp_path / "nn", {"train": 20})
    assert scale_rows(manifest)[0] == "| Pixel size | 0.1243 µm (8.0453 px/µm) |"
    assert warnings_text(manifest) == "None of the images looks wrong."
    mixed = replace(
        manifest,
        parameters={"pixels_per_um": None},
        scale_sources={"ImageJ": 2, "sample sheet": 1},
        warnings={"blank": 1, "saturated": 2},
    )
    assert scale_rows(mixed) == [
        "| Pixel size | several scales; see column `pixels_per_um` |",
        "| Pixel size taken from | ImageJ (2 images), sample sheet (1 image) |",
    ]
    lines = warnings_text(mixed).splitlines()
    assert lines[2] == f"- `blank`, 1 image: {WARNING_TEXTS['blank']}"
    assert lines[3].startswith("- `saturated`, 2 images: ")


def test_the_code_of_the_card_runs_beside_the_folder(described: Path, tmp_path: Path) -> None:
    shutil.copytree(described, tmp_path / "nucleusnet")
    blocks = re.findall(r"```python\n(.*?)```", (described / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    # Installed it is `nucleusnet.loaders`; in a checkout the folder has its own name.
    code = "\n".join(blocks).replace("from nucleusnet.loaders", "from loaders")
    code += "\nprint(numbers.num_rows, sample.num_rows, tuple(batch['image'].shape))\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment() | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = manifest_of(described).splits["train"]
    assert done.stdout.split("\n")[0] == f"{rows} {rows} ({rows}, 1, 256, 256)"
