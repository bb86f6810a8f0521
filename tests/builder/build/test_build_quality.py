"""Columns on the quality of nuclei, from images with planted faults to Parquet, card and `verify`."""

import re
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tifffile

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from builder.dataset_folder import Report, read_manifest
from builder.verify.nucleus_warnings import check_nucleus_warnings
from builder.verify.verify import verify
from nucleusnet_core.contract import WARNING_THRESHOLDS
from tests.builder.analysis.changed_dataset import change_column

FAULTS = {1: ["cut"], 2: ["blank"], 3: ["saturated"], 4: ["blurred"], 5: ["dim"], 6: ["many_bodies"], 7: []}
NEW = ["background_intensity", "saturated_px", "sharpness"]


def chromatin(rng: np.random.Generator, low: int, high: int) -> npt.NDArray[np.uint16]:
    """Return a nucleus (40, 50) of blocks of 1 um with values from `low` to below `high`."""
    return np.kron(rng.integers(low, high, (5, 7)), np.ones((8, 8)))[:, :50].astype(np.uint16)


def write_image(folder: Path) -> None:
    """Write an image of 12 bits with a row of nuclei for every fault, and one of sound ones."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(190, 211, (700, 900)).astype(np.uint16), np.zeros((700, 900), np.uint16)
    for label in range(1, 22):
        y, x = 90 * ((label - 1) // 8) + 150, 100 * ((label - 1) % 8) + 50
        box = slice(y, y + 40), slice(x, x + 50)
        if label == 1:
            box = slice(0, 40), slice(x, x + 50)
        labels[box] = label
        pixels[box] = chromatin(rng, 1000, 2000)
        if label == 2:
            pixels[box] = 1500
        if label == 3:
            pixels[box] = chromatin(rng, 1000, 4095)
            pixels[box][:10] = 4095
        if label == 4:
            pixels[box] = chromatin(rng, 1450, 1550)
        if label == 5:
            pixels[box] = chromatin(rng, 140, 276)
        if label == 6:
            labels[y : y + 40, x + 12] = labels[y : y + 40, x + 30] = 0
    tifffile.imwrite(folder / "Run01TL_top_left.tif", pixels)
    tifffile.imwrite(folder / "Run01TL_top_left_cp_masks.tif", labels)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder of that image."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "stitched").mkdir()
    write_image(folder / "stitched")
    options = BuildOptions(
        folder / "stitched", folder / "nucleusnet", splits="train=1", pixels_per_um=8.0, recipe=Recipe.refined
    )
    assert build(options).failures == []
    return folder / "nucleusnet"


@pytest.mark.parametrize("config", ["data", "metadata", "10k"])
def test_every_fault_has_its_word_in_every_config(faulty: Path, config: str) -> None:
    table = pq.read_table(faulty / config / "train-00000-of-00001.parquet")
    names = table.column_names
    assert names[names.index("integrated_intensity") + 1 :] == [*NEW, "touches_border", "clipped", "warnings"]
    assert [str(table.schema.field(name).type) for name in NEW] == ["float", "int32", "float"]
    rows = {row["label"]: row for row in table.drop_columns([n for n in ("image", "mask") if n in names]).to_pylist()}
    assert {label: rows[label]["warnings"] for label in FAULTS} == FAULTS
    assert all(rows[label]["warnings"] == [] for label in range(8, 22))
    assert rows[3]["saturated_px"] == 500
    assert sum(row["saturated_px"] for row in rows.values()) == 500
    assert {row["background_intensity"] for row in rows.values()} <= {199.0, 199.5, 200.0, 200.5, 201.0}
    assert rows[2]["sharpness"] == 0


def test_a_nucleus_without_surroundings_has_no_background(tmp_path: Path) -> None:
    (tmp_path / "stitched").mkdir()
    pixels = np.random.default_rng(0).integers(50, 90, (128, 300)).astype(np.uint8)
    labels = np.repeat(np.array([[1, 2, 3]], np.uint8), 128, 0).repeat(100, 1)
    tifffile.imwrite(tmp_path / "stitched" / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "stitched" / "a_masks.tif", labels)
    out = tmp_path / "nucleusnet"
    build(BuildOptions(tmp_path / "stitched", out, splits="train=1", pixels_per_um=8.0, recipe=Recipe.refined))
    table = pq.read_table(out / "metadata" / "train-00000-of-00001.parquet")
    assert table.column("background_intensity").to_pylist() == [None, None, None]
    assert table.column("warnings").to_pylist() == [["cut"]] * 3
    assert verify(out).problems == []


def test_the_folder_is_verified_and_the_card_explains_the_words(faulty: Path) -> None:
    assert verify(faulty).problems == []
    text = (faulty / "README.md").read_text("utf-8")
    counts = re.findall(r"^- `(\w+)`, (\d+) nucle(?:us|i): [^.]*\d?.*\.$", text, re.MULTILINE)
    assert counts == [(word, "1") for word in ("blank", "saturated", "blurred", "cut", "many_bodies", "dim")]
    assert "| `warnings` | list of strings |  | what looks wrong with the nucleus, " in text
    assert "`mean_intensity` is at most 1.1 times `background_intensity`." in text


def test_warnings_that_do_not_follow_from_the_columns_are_found(faulty: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nucleusnet"
    shutil.copytree(faulty, folder)
    path = "metadata/train-00000-of-00001.parquet"
    table = pq.read_table(folder / path)
    row = table.column("label").to_pylist().index(5)
    words = table.column("warnings").to_pylist()
    change_column(folder, path, "warnings", [*words[:row], ["blank"]])
    manifest, report = read_manifest(folder), Report()
    check_nucleus_warnings(folder, manifest, manifest.shards, report)
    assert [(problem.where, problem.message) for problem in report.problems] == [
        (
            f"{path}, row {row}, column warnings",
            "it is ['blank'] for Run01TL_top_left_ROI_5, but ['dim'] follows from the other columns.",
        )
    ]
    assert manifest.parameters["warning_thresholds"] == WARNING_THRESHOLDS
    del manifest.parameters["warning_thresholds"]["dim_ratio"]
    check_nucleus_warnings(folder, manifest, manifest.shards, report)
    assert report.problems[1].message.startswith("warning_thresholds lacks a number for one of blank_std_intensity, ")
