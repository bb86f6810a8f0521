"""A plate of another lab: wells in the names, a sample sheet, two scales; every config says the same and is right."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from builder.dataset_folder import read_manifest
from builder.verify.verify import verify
from nucleusnet_core.contract import CONFIGS, columns_of

LOW, HIGH = 2.0, 6.0
"""Scales in px per um: the files of the first two wells state the lower one, the sheet gives the higher one."""
SHEET: tuple[dict[str, Any], ...] = (
    {"well": "B02", "compound": "DMSO", "dose_uM": 0.0, "passage": 7, "control": "true", "pixels_per_um": ""},
    {"well": "B03", "compound": "drug", "dose_uM": 0.1, "passage": 7, "control": "false", "pixels_per_um": ""},
    {"well": "C02", "compound": "DMSO", "dose_uM": 0.0, "passage": 8, "control": "true", "pixels_per_um": HIGH},
    {"well": "C03", "compound": "drug", "dose_uM": 1.5, "passage": 8, "control": "false", "pixels_per_um": HIGH},
)
KINDS = {
    "well": "string",
    "site": "string",
    "compound": "string",
    "dose_uM": "float64",
    "passage": "int64",
    "control": "bool",
}
SITES = ("1", "2")
SPLIT_OF = {"B02": "train", "B03": "train", "C02": "validation", "C03": "test"}
NUCLEUS_CONFIGS = ("default", "metadata", "10k")

Labels = npt.NDArray[np.uint16]


def scale_of(well: str) -> float:
    return LOW if well.startswith("B") else HIGH


def field(seed: int, pixels_per_um: float) -> tuple[npt.NDArray[np.uint8], Labels]:
    """A field with 30 textured ellipses of 8 to 24 um, some of them cut by the border or lying behind others."""
    size = 512 if pixels_per_um == LOW else 900
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:size, :size].astype(np.float32)
    labels, image = np.zeros((size, size), np.uint16), np.full((size, size), 12.0, np.float32)
    for label in range(1, 31):
        cy, cx = rng.uniform(0, size, 2)
        a, b = (rng.uniform(*um) * pixels_per_um for um in ((6, 10), (4, 7)))
        turn = rng.uniform(0, np.pi)
        u = (xx - cx) * np.cos(turn) + (yy - cy) * np.sin(turn)
        v = (yy - cy) * np.cos(turn) - (xx - cx) * np.sin(turn)
        inside = ((u / a) ** 2 + (v / b) ** 2 < 1) & (labels == 0)
        labels[inside] = label
        image[inside] = rng.uniform(40, 180) * (1 + 0.2 * np.sin(xx[inside] / 2 + label) * np.cos(yy[inside] / 2))
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Labels]]:
    """The folder with images and masks, and the masks by image."""
    folder = tmp_path_factory.mktemp("lab") / "plate"
    folder.mkdir()
    masks = {}
    for number, well in enumerate(SPLIT_OF):
        for site in SITES:
            name = f"{well}_s{site}"
            image, masks[name] = field(10 * number + int(site), scale_of(well))
            stated: dict[str, Any] = {"imagej": True, "resolution": (LOW, LOW), "metadata": {"unit": "um"}}
            tifffile.imwrite(folder / f"{name}.tif", image, **(stated if scale_of(well) == LOW else {}))
            Image.fromarray(masks[name]).save(folder / f"{name}_cp_masks.png")
    for file, given in (("samples.csv", {}), ("split.csv", SPLIT_OF)):
        rows = [row | ({"split": given[row["well"]]} if given else {}) for row in SHEET]
        with (folder / file).open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder, masks


@pytest.fixture(scope="module")
def published(masks: tuple[Path, dict[str, Labels]]) -> Path:
    """The dataset folder of recipe published, split by fractions."""
    folder, _ = masks
    out = folder.parent / "published"
    assert build(options(folder, out)).failures == []
    return out


@pytest.fixture(scope="module")
def refined(masks: tuple[Path, dict[str, Labels]]) -> Path:
    """The dataset folder of recipe refined, split by the sheet."""
    folder, _ = masks
    out = folder.parent / "refined"
    wanted = replace(options(folder, out), samples=folder / "split.csv", recipe=Recipe.refined)
    assert build(wanted).failures == []
    return out


def options(folder: Path, out: Path) -> BuildOptions:
    return BuildOptions(
        folder,
        out,
        name_pattern=r"(?P<well>[A-H]\d\d)_s(?P<site>\d)",
        samples=folder / "samples.csv",
        group_by="well",
        splits="train=0.5,test=0.5",
    )


@pytest.fixture(params=["published", "refined"])
def made(request: pytest.FixtureRequest) -> Path:
    """Each of the two dataset folders."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


def read(folder: Path, config: str) -> list[dict[str, Any]]:
    """Return the rows of a config, each with its split, without the images."""
    rows = []
    for shard in read_manifest(folder).shards:
        if shard.config == config:
            names = [name for name in pq.read_schema(folder / shard.path).names if name not in ("image", "mask")]
            table = pq.read_table(folder / shard.path, columns=names)
            rows += [row | {"split": shard.split} for row in table.to_pylist()]
    return rows


def areas_px(masks: dict[str, Labels]) -> dict[str, int]:
    """Return the pixels of each nucleus, by its id."""
    return {
        f"{name}_ROI_{label}": int(count)
        for name, labels in masks.items()
        for label, count in zip(*np.unique(labels[labels > 0], return_counts=True), strict=True)
    }


def test_the_folder_is_sound(made: Path) -> None:
    assert verify(made).problems == []


@pytest.mark.parametrize("config", CONFIGS)
def test_own_columns_stand_behind_position_in_every_config(config: str, made: Path) -> None:
    assert read_manifest(made).columns == KINDS
    types = {"string": pa.string(), "float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}
    for shard in read_manifest(made).shards:
        if shard.config == config:
            schema = pq.read_schema(made / shard.path)
            images = ["image", "mask"] if config in ("default", "10k") else []
            assert [name for name in schema.names if name not in images] == list(columns_of(config, KINDS))
            begin = schema.names.index("position") + 1
            assert schema.names[begin : begin + len(KINDS)] == list(KINDS)
            assert {name: schema.field(name).type for name in KINDS} == {n: types[kind] for n, kind in KINDS.items()}


@pytest.mark.parametrize("config", CONFIGS)
def test_own_columns_hold_what_pattern_and_sheet_say(config: str, made: Path) -> None:
    sheet = {row["well"]: row for row in SHEET}
    rows = read(made, config)
    assert {row["well"] for row in rows} == set(sheet)
    for row in rows:
        name = row["name" if config == "stitched" else "stitched_image"]
        said = sheet[row["well"]]
        assert f"{row['well']}_s{row['site']}" == name
        assert (row["run"], row["run_name"], row["quarter"], row["position"]) == (None, name, None, None)
        assert [row[key] for key in ("compound", "dose_uM", "passage")] == [
            said[key] for key in ("compound", "dose_uM", "passage")
        ]
        assert row["control"] is (said["control"] == "true")
        assert row["pixels_per_um"] == scale_of(row["well"])


@pytest.mark.parametrize("config", CONFIGS)
def test_a_well_lies_in_one_split_in_every_config(config: str, made: Path) -> None:
    manifest = read_manifest(made)
    split_of = {well: split for split, wells in manifest.runs.items() for well in wells}
    assert manifest.group_by == "well"
    assert sorted(well for wells in manifest.runs.values() for well in wells) == sorted(SPLIT_OF)
    rows = read(made, config)
    assert {(row["well"], row["split"]) for row in rows} == set(split_of.items())
    if made.name == "refined":
        assert split_of == SPLIT_OF
    else:
        assert sorted(map(len, manifest.runs.values())) == [2, 2]


@pytest.mark.parametrize("config", NUCLEUS_CONFIGS)
def test_areas_are_those_of_the_scale_of_each_image(
    config: str, made: Path, masks: tuple[Path, dict[str, Labels]]
) -> None:
    areas = areas_px(masks[1])
    rows = read(made, config)
    assert {row["pixels_per_um"] for row in rows} == {LOW, HIGH}
    for row in rows:
        area_px = areas[row["nucleus_id"]]
        assert row["area_px"] == area_px
        assert row["area_um2"] == pytest.approx(area_px / scale_of(row["well"]) ** 2, rel=1e-3)


@pytest.mark.parametrize("config", NUCLEUS_CONFIGS)
def test_the_refined_recipe_keeps_every_nucleus(
    config: str, refined: Path, masks: tuple[Path, dict[str, Labels]]
) -> None:
    rows = read(refined, config)
    areas = areas_px(masks[1])
    assert sorted(row["nucleus_id"] for row in rows) == sorted(areas)
    assert read_manifest(refined).kept == len(areas)
    assert any(row["touches_border"] for row in rows)


def test_the_published_recipe_says_what_it_leaves_out(published: Path, masks: tuple[Path, dict[str, Labels]]) -> None:
    manifest = read_manifest(published)
    assert 0 < manifest.kept < manifest.found == len(areas_px(masks[1]))
    assert manifest.found == manifest.kept + sum(manifest.dropped.values())
    assert len(read(published, "metadata")) == manifest.kept


def test_it_says_where_each_scale_came_from(made: Path) -> None:
    manifest = read_manifest(made)
    assert manifest.scale_sources == {"ImageJ": 4, "sample sheet": 4}
    assert manifest.parameters["pixels_per_um"] is None
    sources = {row["name"]: row["scale_source"] for row in read(made, "stitched")}
    wanted = {well: "ImageJ" if scale_of(well) == LOW else "sample sheet" for well in SPLIT_OF}
    assert sources == {f"{well}_s{site}": wanted[well] for well in SPLIT_OF for site in SITES}


def test_a_plate_without_flaws_brings_no_warning(made: Path) -> None:
    assert read_manifest(made).warnings == {}
    assert [row["warnings"] for row in read(made, "stitched")] == [[]] * 8
