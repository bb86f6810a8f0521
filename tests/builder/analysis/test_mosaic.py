"""Verb `mosaic`: every nucleus where the legend says, runs in order, and whatever cannot be drawn."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from builder.analysis.mosaic import Mosaic, mosaic_tiles, plan_mosaic
from builder.analysis.mosaic_file import legend_csv, mosaic_text, write_mosaic
from builder.shards.config_10k import runs_with_fewer
from builder.verify.verify import verify
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError, OutputError, SelectionError, UsageError
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.runs import natural_order
from nucleusnet_core.terminal.progress import NoProgress
from tests.dataset_folder import nucleus_pixels, write_dataset_folder
from tests.range_server import serve

from ..commands import nucleusnet
from .changed_dataset import change_column


def drawn(folder: Path, out: Path, per_run: int = 100) -> tuple[Mosaic, list[dict[str, str]]]:
    opened = open_dataset(folder)
    planned = plan_mosaic(opened, per_run)
    write_mosaic(out, opened, planned, mosaic_tiles(opened, planned, NoProgress()))
    with out.with_name(f"{out.stem}_legend.csv").open(encoding="utf-8", newline="") as file:
        return planned, list(csv.DictReader(file))


def read(path: Path) -> npt.NDArray[Any]:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return np.asarray(image)
    pixels: npt.NDArray[Any] = tifffile.imread(path)
    return pixels


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_nucleus_lies_where_the_legend_says(tmp_path: Path, suffix: str, bit_depth: int) -> None:
    folder = tmp_path / "nn"
    write_dataset_folder(folder, {"train": 60, "validation": 11, "test": 7}, bit_depth=bit_depth, group_rows=16)
    planned, legend = drawn(folder, tmp_path / f"größe{suffix}")
    assert list(planned.rows) == sorted(
        planned.rows, key=lambda run: (not run.isdecimal(), int(run) if run.isdecimal() else 0, run)
    )
    assert len(legend) == 78
    pixels = read(tmp_path / f"größe{suffix}")
    assert pixels.dtype == np.dtype(f"u{bit_depth // 8}")
    assert pixels.shape == (256 * len(planned.rows), 256 * planned.columns)
    expected = np.zeros_like(pixels)
    for line in legend:
        y, x = 256 * int(line["row"]), 256 * int(line["column"])
        number = int(line["nucleus_id"].rpartition("_")[2])
        expected[y : y + 256, x : x + 256] = nucleus_pixels(number, bit_depth)
        assert line["run_name"] == str(int(line["nucleus_id"][3:5]))
    assert np.array_equal(pixels, expected)


def test_the_mosaic_of_a_build_has_one_row_a_run_in_order(built: Path, tmp_path: Path) -> None:
    done = nucleusnet("mosaic", built, "--out", "m.tif", "--per-run", "3", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    manifest = Manifest.from_json((built / "manifest.json").read_bytes())
    runs = sorted((run for group in manifest.runs.values() for run in group), key=natural_order)
    empty = said["without_nuclei"]
    with (tmp_path / "m_legend.csv").open(encoding="utf-8", newline="") as file:
        legend = list(csv.DictReader(file))
    assert list(dict.fromkeys(line["run_name"] for line in legend)) == [run for run in runs if run not in empty]
    assert said["fewer"] == {run: count for run, count in manifest.fewer_in_10k.items() if 0 < count < 3}
    assert (said["columns"], said["width_px"], said["height_px"]) == (3, 768, 256 * said["rows"])
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        page = tiff.pages.first
        assert (page.tilelength, page.tilewidth) == (256, 256)
        assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(80453, rel=1e-4)


def test_fewer_a_run_are_the_first_of_the_many(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 90})
    opened = open_dataset(tmp_path / "nn")
    few, many = plan_mosaic(opened, 2), plan_mosaic(opened)
    assert few.rows == {run: tiles[:2] for run, tiles in many.rows.items()}


def test_each_row_group_is_read_once(built: Path, tmp_path: Path) -> None:
    with serve(built) as server:
        drawn_from, _ = drawn(server.url, tmp_path / "m.png")  # type: ignore[arg-type]  # a URL is a source too
        reads = [(request.path, request.range) for request in server.seen if "10k" in request.path]
    assert len(reads) == len(set(reads))
    assert {path.split("/")[-2] for path, _ in reads} == {"10k"}
    assert len(drawn_from.rows) > 1


def test_runs_with_fewer_nuclei_and_without_are_said(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    change_column(tmp_path / "nn", "stitched/train-00000-of-00001.parquet", "run_name", ["77"])
    planned = plan_mosaic(open_dataset(tmp_path / "nn"), 4)
    assert planned.fewer == {run: len(tiles) for run, tiles in planned.rows.items() if len(tiles) < 4}
    assert planned.without == ("77",)
    said = mosaic_text(planned, Path("m.png")).splitlines()
    assert said[-1] == "runs without nuclei, which have no row: 77"


def test_the_manifest_of_a_build_says_which_runs_have_fewer_than_a_hundred(built: Path) -> None:
    opened = open_dataset(built)
    everyone = plan_mosaic(opened)
    counts = {run: len(tiles) for run, tiles in everyone.rows.items()} | dict.fromkeys(everyone.without, 0)
    assert opened.manifest.fewer_in_10k == {run: count for run, count in counts.items() if count < 100}
    assert runs_with_fewer({"10": 100, "9": 3, "b": 0}) == {"9": 3, "b": 0}


def test_verify_compares_them_with_what_was_kept(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "nn")
    manifest = json.loads((built / "manifest.json").read_bytes())
    fewer = manifest["fewer_in_10k"]
    (tmp_path / "nn" / "manifest.json").write_text(json.dumps(manifest | {"fewer_in_10k": fewer | {"3": 99}}), "utf-8")
    problems = [problem.message for problem in verify(tmp_path / "nn").problems if problem.where == "manifest.json"]
    (said,) = [message for message in problems if message.startswith("fewer_in_10k is ")]
    stated, counted = said.split(", but ")
    assert "'3': 99" in stated
    assert f"'3': {fewer['3']}" in counted


def test_rows_are_the_values_of_any_column_that_tells_images_apart(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 60})
    opened = open_dataset(tmp_path / "nn")
    rows = pq.read_table(tmp_path / "nn" / "10k" / "train-00000-of-00001.parquet").to_pylist()
    planned = plan_mosaic(opened, by="quarter")
    found = {value: [tile.nucleus_id for tile in tiles] for value, tiles in planned.rows.items()}
    assert found == {
        "TL": [row["nucleus_id"] for row in rows if row["quarter"] == "TL"],
        "not stated": [row["nucleus_id"] for row in rows if row["quarter"] is None],
    }
    assert legend_csv(planned).startswith("row,column,quarter,nucleus_id\n0,0,TL,")
    assert "60 nuclei of 2 values of quarter, 2 x" in mosaic_text(planned, Path("m.png"))
    with pytest.raises(UsageError, match=r"--by is 'area_px'; the columns .* are run_name, run, quarter, position, "):
        plan_mosaic(opened, by="area_px")


def test_nuclei_of_several_scales_state_none_in_the_file(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    assert plan_mosaic(open_dataset(tmp_path / "nn")).pixels_per_um == 8.0453
    change_column(tmp_path / "nn", "10k/train-00000-of-00001.parquet", "crop_pixels_per_um", [4.0])
    planned = plan_mosaic(open_dataset(tmp_path / "nn"))
    assert planned.pixels_per_um is None
    assert "The crops have several scales (column crop_pixels_per_um)" in mosaic_text(planned, Path("m.png"))


def test_what_cannot_be_drawn_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    opened = open_dataset(tmp_path / "nn")
    for per_run in (0, 101):
        with pytest.raises(UsageError, match=f"--per-run is {per_run}; give a number from 1 to 100"):
            plan_mosaic(opened, per_run)
    with pytest.raises(OutputError, match="choose another --out"):
        drawn(tmp_path / "nn", tmp_path / "no" / "m.png")
    manifest = (tmp_path / "nn" / "manifest.json").read_text("utf-8")
    (tmp_path / "nn" / "manifest.json").write_text(manifest.replace('"bit_depth": 8', '"bit_depth": 16'), "utf-8")
    with pytest.raises(CorruptDataError, match="has 256 x 256 px of 8 bits, not 256 x 256 px of 16 bits"):
        drawn(tmp_path / "nn", tmp_path / "m.png")
    assert [path.name for path in tmp_path.iterdir()] == ["nn"]


def test_mosaic_and_legend_are_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})

    def refusal(out: str) -> str:
        done = nucleusnet("mosaic", "nn", "--out", out, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.removeprefix("nucleusnet: ")

    assert refusal("m.jpg") == "--out: m.jpg does not end in .png or .tif or .tiff; choose another name.\n"
    assert "lies inside the dataset" in refusal("nn/m.png")
    (tmp_path / "m_legend.csv").write_text("mine", "utf-8")
    assert refusal("m.png") == "The legend of --out: m_legend.csv exists; pass --overwrite to replace it.\n"
    (tmp_path / "m.png").write_text("mine", "utf-8")
    assert refusal("m.png") == "--out: m.png exists; pass --overwrite to replace it.\n"
    assert (tmp_path / "m_legend.csv").read_text("utf-8") == "mine"
    done = nucleusnet("mosaic", "nn", "--out", "m.png", "--overwrite", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert read(tmp_path / "m.png").shape[1] % 256 == 0


def test_a_damaged_shard_or_a_missing_config_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    shutil.copytree(tmp_path / "nn", tmp_path / "bare")
    shard = tmp_path / "nn" / "10k" / "train-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[5000:5400] = bytes(400)
    shard.write_bytes(data)
    done = nucleusnet("mosaic", "nn", "--out", "m.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "10k/train-00000-of-00001.parquet" in done.stderr
    content = json.loads((tmp_path / "bare" / "manifest.json").read_text("utf-8"))
    content["shards"] = [shard for shard in content["shards"] if shard["config"] != "10k"]
    (tmp_path / "bare" / "manifest.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(SelectionError, match=r"has no config '10k'; .* default, metadata, stitched\."):
        plan_mosaic(open_dataset(tmp_path / "bare"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare", "nn"]
