"""`stats --by COLUMN`: what the images with each value have together, from config stitched alone."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile
from PIL import Image

from builder.analysis.groups import ImageGroup, group_images, groups_text, read_groups
from builder.analysis.statistics import ImageStatistics, rank_images
from builder.analysis.statistics_source import FolderOptions, source_statistics
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.progress import NoProgress
from tests.dataset_folder import write_dataset_folder
from tests.range_server import serve

from ..commands import nucleusnet

TABLE = pa.table(
    {
        "num_rois": pa.array([3, 0, 7, 2], pa.int32()),
        "kept": pa.array([2, 0, 5, 2], pa.int32()),
        "mean_intensity": pa.array([10.0, None, 20.0, 40.0], pa.float64()),
    }
)


def images_alone(stitched: Path) -> dict[str, list[tuple[int, float | None]]]:
    """ROIs and mean intensity of the images of each treatment, by numpy and the sample sheet."""
    with (stitched / "samples.csv").open(encoding="utf-8", newline="") as file:
        treatments = {int(row["run_name"]): row["treatment"] for row in csv.DictReader(file)}
    found: dict[str, list[tuple[int, float | None]]] = {}
    for path in sorted(stitched.glob("*.tif")):
        labels = np.asarray(Image.open(path.with_name(f"{path.stem}_cp_masks.png")))
        under = tifffile.imread(path)[labels > 0]
        image = len(np.unique(labels[labels > 0])), float(under.mean()) if under.size else None
        found.setdefault(treatments[int(path.name[3:5])], []).append(image)
    return found


def test_the_command_says_of_each_treatment_what_numpy_says(treated: Path, tmp_path: Path) -> None:
    done = nucleusnet("stats", treated, "--by", "treatment", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert list(said) == ["images", "centroid", "representatives", "by", "groups"]
    alone = images_alone(treated.parent / "stitched")
    assert said["by"] == "treatment"
    assert [(group["value"], group["images"]) for group in said["groups"]] == [("control", 3), ("nocodazole", 2)]
    for group in said["groups"]:
        images = alone[group["value"]]
        assert group["num_rois"] == sum(rois for rois, _ in images)
        means = [mean for _, mean in images if mean is not None]
        assert group["mean_intensity"] == pytest.approx(np.mean(means), rel=1e-12)
    assert len([mean for _, mean in alone["nocodazole"] if mean is None]) == 1
    manifest = json.loads((treated / "manifest.json").read_bytes())
    assert sum(group["kept"] for group in said["groups"]) == manifest["kept"]


def test_the_table_stands_behind_the_usual_report(treated: Path, tmp_path: Path) -> None:
    usual = nucleusnet("stats", treated, cwd=tmp_path)
    grouped = nucleusnet("stats", treated, "--by", "passage", cwd=tmp_path)
    assert grouped.stderr == usual.stderr
    assert grouped.stdout.startswith(f"{usual.stdout}\n")
    head, *rows = grouped.stdout.removeprefix(f"{usual.stdout}\n").splitlines()
    assert head == "passage  images  ROIs  kept nuclei  mean intensity"
    assert [row.split()[:2] for row in rows] == [["5", "4"], ["6", "1"]]


def test_a_group_of_one_image_has_the_numbers_of_that_image(treated: Path) -> None:
    measured = source_statistics(str(treated), FolderOptions(), NoProgress(), "run_name")
    assert [(group.value, group.images) for group in measured.groups] == [(str(run), 1) for run in range(1, 6)]
    numbers = [(one.num_rois, one.mean_intensity) for one in measured.images]
    assert [(group.num_rois, group.mean_intensity) for group in measured.groups] == numbers
    assert numbers[3] == (0, None)


def test_one_group_of_all_images_has_the_mean_of_the_centroid() -> None:
    images = [
        ImageStatistics(f"{i}", row["num_rois"], row["mean_intensity"], 1.0) for i, row in enumerate(TABLE.to_pylist())
    ]
    centroid = rank_images(images).centroid
    assert centroid is not None
    (group,) = group_images(["a"] * 4, TABLE)
    assert group.mean_intensity == pytest.approx(centroid.mean_intensity, rel=1e-12)
    assert (group.images, group.num_rois, group.kept) == (4, 12, 9)


def test_only_config_stitched_is_read(treated: Path) -> None:
    with serve(treated) as server:
        source_statistics(server.url, FolderOptions(), NoProgress(), "treatment")
        assert {request.path.strip("/").split("/")[0] for request in server.seen} == {"manifest.json", "stitched"}


def test_values_are_in_natural_order_and_an_image_without_rois_counts_in_no_mean() -> None:
    assert group_images(["10", "9", "10", "b"], TABLE) == [
        ImageGroup("9", 1, 0, 0, None),
        ImageGroup("10", 2, 10, 7, 15.0),
        ImageGroup("b", 1, 2, 2, 40.0),
    ]


def test_the_table_is_aligned_and_shows_no_mean_where_there_is_none() -> None:
    assert groups_text("dose", group_images(["10", "9", "10", "not stated"], TABLE)).splitlines() == [
        "dose        images  ROIs  kept nuclei  mean intensity",
        "9                1     0            0               -",
        "10               2    10            7         15.0000",
        "not stated       1     2            2         40.0000",
    ]


def test_stitched_images_and_empty_values_are_groups_too(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    opened = open_dataset(tmp_path / "nn")
    assert [group.value for group in read_groups(opened, "stitched_image")] == [
        f"Run{run:02d}TL_top_left" for run in range(1, 9)
    ]
    assert {group.images for group in read_groups(opened, "stitched_image")} == {1}


@pytest.mark.parametrize("source", ["images", "table.csv"])
def test_images_and_a_csv_have_no_columns_to_group_by(source: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "table.csv").write_text("image,num_rois,mean_intensity,std_intensity\na,1,2,3\n", "utf-8")
    done = nucleusnet("stats", source, "--by", "treatment", "--csv", "out.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    kind = "a folder of images" if source == "images" else "a CSV"
    assert f"and {source} is {kind}; make a dataset with `nucleusnet build STITCHED --samples SHEET`" in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("by", ["dose_uM", "area_px", "nothing"])
def test_a_column_that_cannot_be_is_refused_with_those_that_can(by: str, treated: Path) -> None:
    with pytest.raises(UsageError) as refused:
        read_groups(open_dataset(treated), by)
    assert str(refused.value) == (
        f"--by is '{by}'; the columns of this dataset by which it can be are run_name, run, quarter, position, "
        "stitched_image, passage, treatment."
    )
