"""`representatives --by COLUMN`: the nuclei nearest to the middle of each value's own nuclei."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from builder.analysis.nucleus_ranking import Centre, Metric
from builder.analysis.representatives import (
    MEASUREMENTS,
    Representatives,
    fetch_crops,
    find_representatives,
    refuse_counts,
)
from builder.analysis.representatives_report import (
    representatives_json,
    representatives_notes,
    representatives_text,
    sheet_caption,
)
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import SelectionError, UsageError
from tests.dataset_folder import write_dataset_folder

from ..commands import nucleusnet
from .changed_dataset import change_column


def found_by(folder: Path, by: str | None, n: int = 4, metric: Metric = Metric.euclidean) -> Representatives:
    centre = Centre.mean if metric is Metric.euclidean else Centre.median
    return find_representatives(open_dataset(folder), n, splits=(), centre=centre, metric=metric, by=by)


def rows_of(folder: Path, config: str) -> pa.Table:
    opened = open_dataset(folder)
    shards = [shard for split in opened.manifest.splits_of(config) for shard in opened.shards(config, split)]
    return pa.concat_tables([pq.read_table(folder / shard.path) for shard in shards])


def test_each_treatment_gives_the_nuclei_that_numpy_finds_among_its_own(treated: Path) -> None:
    with (treated.parent / "stitched" / "samples.csv").open(encoding="utf-8", newline="") as file:
        treatments = {row["run_name"]: row["treatment"] for row in csv.DictReader(file)}
    rows = rows_of(treated, "metadata").to_pylist()
    wanted: list[tuple[str, str]] = []
    for treatment in ("control", "nocodazole"):
        own = [row for row in rows if treatments[row["run_name"]] == treatment]
        values = np.array([[float(row[name]) for name in MEASUREMENTS] for row in own])
        distance = np.linalg.norm((values - values.mean(axis=0)) / values.std(axis=0), axis=1)
        wanted += [(treatment, own[place]["nucleus_id"]) for place in np.argsort(distance)[:4]]
    found = found_by(treated, "treatment")
    assert [(row["value"], row["nucleus_id"]) for row in found.table.to_pylist()] == wanted
    assert [(group.value, group.chosen) for group in found.groups] == [("control", 4), ("nocodazole", 4)]
    assert found.nuclei == len(rows)
    pixels = {row["nucleus_id"]: row["image"]["bytes"] for row in rows_of(treated, "default").to_pylist()}
    for (_, nucleus_id), crop in zip(wanted, fetch_crops(open_dataset(treated), found).pixels[""], strict=True):
        assert np.array_equal(crop, decode_cell(pixels[nucleus_id]))


def test_the_command_shows_one_value_after_the_other(treated: Path, tmp_path: Path) -> None:
    options = ("--by", "treatment", "--n", "2", "--quiet")
    done = nucleusnet("representatives", treated, *options, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["by"] == "treatment"
    assert [(group["value"], list(group["centre_values"])) for group in said["groups"]] == [
        ("control", list(MEASUREMENTS)),
        ("nocodazole", list(MEASUREMENTS)),
    ]
    assert "centre_values" not in said
    assert list(said["representatives"][0]) == ["value", "nucleus_id", "distance", *MEASUREMENTS]
    with Image.open(tmp_path / "nucleusnet-representatives.png") as sheet:
        assert sheet.width > 640
    done = nucleusnet("representatives", treated, *options, "--overwrite", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("nearest to the mean of each treatment (euclidean distance) by")
    assert lines[1] == f"z-scored {', '.join(MEASUREMENTS)}, within each treatment"
    assert lines[3].split()[:3] == ["treatment", "nucleus_id", "distance"]
    shown = [tuple(line.split()[:2]) for line in lines[4:8]]
    assert shown == [(row["value"], row["nucleus_id"]) for row in said["representatives"]]


def test_one_value_that_all_nuclei_have_gives_what_no_column_gives(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 60})
    plain, grouped = found_by(tmp_path / "nn", None), found_by(tmp_path / "nn", "position")
    assert grouped.table.drop_columns("value") == plain.table
    assert grouped.table.column("value").to_pylist() == ["top_left"] * 4
    assert list(representatives_json(plain)) == [
        "nuclei", "left_out", "without", "only", "left_out_by_warnings", "splits", "measurements", "centre", "metric",
        "centre_values", "representatives",
    ]  # fmt: skip
    assert sheet_caption(plain) == "4 nuclei nearest to the mean of 60"
    assert sheet_caption(grouped) == "4 nuclei nearest to the mean of each position"


def test_values_are_in_natural_order_and_one_with_fewer_nuclei_gives_all(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 40, "test": 3})
    found = found_by(tmp_path / "nn", "run_name", n=5)
    assert found.table.column("value").to_pylist() == [str(run) for run in range(1, 9) for _ in range(5)] + ["10"] * 3
    fewer, *others = representatives_notes(found)
    assert fewer == "Fewer nuclei than --n asks for, so all of them are shown: 10 (3)."
    assert others == []
    assert sheet_caption(found) == "5 nuclei nearest to the mean of each run"


def test_nuclei_without_a_value_are_a_group(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    found = found_by(tmp_path / "nn", "quarter", n=2)
    rows = rows_of(tmp_path / "nn", "metadata").to_pylist()
    empty = {row["nucleus_id"] for row in rows if row["quarter"] is None}
    assert [row["value"] for row in found.table.to_pylist()] == ["TL", "TL", "not stated", "not stated"]
    assert [row["nucleus_id"] in empty for row in found.table.to_pylist()] == [False, False, True, True]
    assert representatives_text(found).splitlines()[-1].startswith("not stated  Run")


def test_a_value_whose_nuclei_lack_a_measurement_is_named(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 20, "test": 3})
    change_column(tmp_path / "nn", "metadata/test-00000-of-00001.parquet", "area_um2", [float("nan")] * 3)
    assert representatives_notes(found_by(tmp_path / "nn", "run_name", n=2)) == [
        "Left out, as a measurement is not a number: 3 nuclei.",
        "Without nuclei that have all measurements, so not shown: 10.",
    ]


def test_a_measurement_that_is_the_same_within_a_value_is_said(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 40, "test": 3, "validation": 1})
    change_column(tmp_path / "nn", "metadata/test-00000-of-00001.parquet", "max_intensity", [255] * 3)
    assert representatives_notes(found_by(tmp_path / "nn", "run_name", n=1)) == [
        "The same for all nuclei of 10, so it adds nothing to the distance there: max_intensity."
    ]


def test_the_only_nucleus_of_a_value_is_its_own_middle_and_has_no_direction(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 40, "validation": 1})
    alone = found_by(tmp_path / "nn", "run_name", n=1).table.to_pylist()[-1]
    assert (alone["value"], alone["distance"]) == ("9", 0.0)
    with pytest.raises(UsageError, match=r"^9: --metric cosine: the centre is 0"):
        found_by(tmp_path / "nn", "run_name", n=1, metric=Metric.cosine)


def test_what_cannot_be_is_refused(treated: Path, tmp_path: Path) -> None:
    done = nucleusnet("representatives", treated, "--by", "dose_uM", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "nucleusnet: --by is 'dose_uM'; the columns of this dataset by which it can be are run_name, run, quarter, "
        "position, stitched_image, passage, treatment.\n"
    )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="the 2 values of treatment have 12,000 such nuclei together; a contact sheet"):
        refuse_counts(6_000, "treatment", {"a": 9_000, "b": 6_000}, ["train"])
    with pytest.raises(SelectionError, match="train has no nuclei with all measurements; choose another --split"):
        refuse_counts(1, "treatment", {"a": 0}, ["train"])
