"""Verb `representatives`: the right nuclei, from config metadata alone, with their own pixels."""

import json
import shutil
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
)
from builder.analysis.representatives_report import representatives_notes, representatives_text
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError, SelectionError, UsageError
from nucleusnet_core.shards.warning_filter import WarningFilter
from tests.range_server import serve

from ..commands import nucleusnet
from .changed_dataset import change_column


def all_rows(folder: Path, config: str) -> list[dict[str, object]]:
    opened = open_dataset(folder)
    shards = [shard for split in opened.manifest.splits_of(config) for shard in opened.shards(config, split)]
    rows: list[dict[str, object]] = pa.concat_tables(
        [pq.read_table(folder / shard.path) for shard in shards]
    ).to_pylist()
    return rows


@pytest.mark.parametrize("centre", list(Centre))
def test_the_nearest_nuclei_are_those_that_numpy_finds(built: Path, centre: Centre) -> None:
    rows = all_rows(built, "metadata")
    values = np.array([[float(row[name]) for name in MEASUREMENTS] for row in rows])  # type: ignore[arg-type]
    scores = (values - values.mean(axis=0)) / values.std(axis=0)
    found = find_representatives(open_dataset(built), 7, splits=(), centre=centre, metric=Metric.euclidean)
    middle = (np.array(list(found.groups[0].centre_values.values())) - values.mean(axis=0)) / values.std(axis=0)
    if centre is Centre.mean:
        assert middle == pytest.approx(np.zeros(8), abs=1e-9)
    elif centre is Centre.median:
        assert middle == pytest.approx(np.median(scores, axis=0), abs=1e-9)
    else:
        pull = (scores - middle) / np.linalg.norm(scores - middle, axis=1, keepdims=True)
        assert pull.sum(axis=0) == pytest.approx(np.zeros(8), abs=1e-4)
    distance = np.linalg.norm(scores - middle, axis=1)
    order = np.argsort(distance)[:7]
    assert found.table.column("nucleus_id").to_pylist() == [rows[row]["nucleus_id"] for row in order]
    assert found.table.column("distance").to_pylist() == pytest.approx(distance[order].tolist(), abs=1e-9)
    assert found.nuclei == len(rows)


def test_metadata_is_read_first_and_then_only_the_row_groups_of_the_chosen(built: Path) -> None:
    with serve(built) as server:
        opened = open_dataset(server.url)
        found = find_representatives(opened, 2, splits=["train"], centre=Centre.median, metric=Metric.cosine)
        assert {request.path.split("/")[-2] for request in server.seen[1:]} == {"metadata"}
        crops = fetch_crops(opened, found).pixels[""]
        data = [request for request in server.seen if "/data/" in f"/{request.path}"]
    assert sum(request.sent for request in data) < sum(path.stat().st_size for path in (built / "data").iterdir())
    pixels = {row["nucleus_id"]: row["image"] for row in all_rows(built, "default")}
    for nucleus_id, crop in zip(found.table.column("nucleus_id").to_pylist(), crops, strict=True):
        assert np.array_equal(crop, decode_cell(pixels[nucleus_id]["bytes"]))  # type: ignore[index]


def test_the_command_prints_json_alone_and_draws_a_contact_sheet(built: Path, tmp_path: Path) -> None:
    done = nucleusnet("representatives", built, "--n", "3", "--out", "größe.png", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert list(said["representatives"][0]) == ["nucleus_id", "distance", *MEASUREMENTS]
    assert (said["centre"], said["metric"], said["contact_sheet"]) == ("mean", "euclidean", "größe.png")
    distances = [one["distance"] for one in said["representatives"]]
    assert distances == sorted(distances)
    with Image.open(tmp_path / "größe.png") as sheet:
        assert sheet.mode == "L"
        assert np.asarray(sheet).max() == 255


def test_a_contact_sheet_that_is_no_png_is_refused_at_once(built: Path, tmp_path: Path) -> None:
    done = nucleusnet("representatives", built, "--out", tmp_path / "sheet.jpg", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "nucleusnet: --out: sheet.jpg does not end in .png; choose another name.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_contact_sheet_is_replaced_only_when_that_is_asked_for(built: Path, tmp_path: Path) -> None:
    (tmp_path / "sheet.png").write_text("mine", "utf-8")
    arguments = ("representatives", built, "--out", "sheet.png", "--n", "2", "--quiet")
    done = nucleusnet(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nucleusnet: --out: sheet.png exists; pass --overwrite to replace it.\n"
    assert (tmp_path / "sheet.png").read_text("utf-8") == "mine"
    done = nucleusnet(*arguments, "--overwrite", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "L"


def test_the_text_names_the_measurements(built: Path) -> None:
    found = find_representatives(open_dataset(built), 2, splits=["test"], centre=Centre.mean, metric=Metric.euclidean)
    lines = representatives_text(found).splitlines()
    assert lines[0] == f"{found.nuclei:,} nuclei of test; nearest to their mean (euclidean distance) by"
    assert lines[1] == f"z-scored {', '.join(MEASUREMENTS)}"
    assert lines[3].split() == ["nucleus_id", "distance", "area_um2", "eccentricity", "mean_intensity", "std_intensity"]
    assert len(lines) == 6
    assert representatives_notes(found) == []


def test_nuclei_are_compared_without_some_warnings_or_only_with_one(built: Path, tmp_path: Path) -> None:
    words: list[object] = [["dim"], ["cut", "dim"], ["many_bodies"], [], *[["saturated"]] * 3]
    folder = changed_metadata(built, tmp_path / "nn", "warnings", words)
    opened = open_dataset(folder)
    ids = pq.read_table(folder / "metadata" / "test-00000-of-00001.parquet").column("nucleus_id").to_pylist()

    def find(n: int, wanted: WarningFilter) -> Representatives:
        splits = ["test"]
        return find_representatives(
            opened, n, splits=splits, centre=Centre.mean, metric=Metric.euclidean, wanted=wanted
        )

    found = find(2, WarningFilter(only=("saturated",)))
    assert (found.nuclei, found.warned) == (3, len(ids) - 3)
    assert set(found.table.column("nucleus_id").to_pylist()) < set(ids[4:7])
    assert len(fetch_crops(opened, found).pixels[""]) == 2
    found = find(len(ids) - 3, WarningFilter(("dim", "many_bodies")))
    assert set(found.table.column("nucleus_id").to_pylist()) == set(ids[3:])
    assert representatives_notes(found) == ["Only nuclei without dim or many_bodies are compared; left out: 3 nuclei."]
    with pytest.raises(SelectionError, match="--n is 4, and test has only 3 nuclei with saturated, with all measurem"):
        find(4, WarningFilter(only=("saturated",)))


def test_the_command_leaves_warned_nuclei_out(built: Path, tmp_path: Path) -> None:
    arguments = ("representatives", built, "--n", "2", "--json", "--quiet", "--overwrite")
    done = nucleusnet(*arguments, "--without", "dim", "--without", "blurred", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["without"], said["only"]) == (["dim", "blurred"], [])
    assert said["nuclei"] + said["left_out_by_warnings"] == len(all_rows(built, "metadata"))
    done = nucleusnet(*arguments, "--only", "dirty", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "nucleusnet: --only: there is no warning 'dirty'; choose of blank, saturated, blurred, cut, many_bodies, dim.\n"
    )
    done = nucleusnet(*arguments, "--only", "dim", "--without", "dim", cwd=tmp_path)
    assert done.stderr == "nucleusnet: --only and --without both name dim; give it to one of them.\n"


def changed_metadata(built: Path, folder: Path, column: str, values: list[object]) -> Path:
    """Copy a dataset and change the first values of a column of its test split's metadata."""
    shutil.copytree(built, folder)
    change_column(folder, "metadata/test-00000-of-00001.parquet", column, values)
    return folder


def test_nuclei_whose_measurements_are_no_numbers_are_left_out_and_said(built: Path, tmp_path: Path) -> None:
    opened = open_dataset(changed_metadata(built, tmp_path / "nn", "area_um2", [float("nan"), None, float("inf")]))
    found = find_representatives(opened, 2, splits=["test"], centre=Centre.mean, metric=Metric.euclidean)
    assert found.left_out == 3
    assert found.nuclei == opened.manifest.splits["test"] - 3
    assert representatives_notes(found) == ["Left out, as a measurement is not a number: 3 nuclei."]
    assert len(fetch_crops(opened, found).pixels[""]) == 2


def test_a_measurement_that_is_the_same_everywhere_adds_nothing_and_is_said(built: Path, tmp_path: Path) -> None:
    count = open_dataset(built).manifest.splits["test"]
    opened = open_dataset(changed_metadata(built, tmp_path / "nn", "max_intensity", [255] * count))
    found = find_representatives(opened, 1, splits=["test"], centre=Centre.mean, metric=Metric.euclidean)
    assert representatives_notes(found) == [
        "The same for all nuclei, so it adds nothing to the distance: max_intensity."
    ]


def test_other_nuclei_in_the_same_rows_are_refused(built: Path, tmp_path: Path) -> None:
    ids = pq.read_table(built / "metadata" / "test-00000-of-00001.parquet").column("nucleus_id").to_pylist()
    opened = open_dataset(changed_metadata(built, tmp_path / "nn", "nucleus_id", ids[::-1]))
    found = find_representatives(opened, 3, splits=["test"], centre=Centre.mean, metric=Metric.euclidean)
    with pytest.raises(CorruptDataError, match=r"in config metadata and .* in config default; run `nucleusnet verify`"):
        fetch_crops(opened, found)


def test_what_cannot_be_found_is_refused(built: Path) -> None:
    opened = open_dataset(built)
    count = opened.manifest.splits["test"]

    def find(n: int, split: str = "test", metric: Metric = Metric.euclidean) -> None:
        find_representatives(opened, n, splits=[split], centre=Centre.mean, metric=metric)

    with pytest.raises(UsageError, match="--n is 0; give a number from 1 to 10,000"):
        find(0)
    with pytest.raises(
        SelectionError, match=f"--n is {count + 1}, and test has only {count} nuclei with all measurements"
    ):
        find(count + 1)
    with pytest.raises(SelectionError, match="its splits are train, validation, test"):
        find(1, "nothing")
    with pytest.raises(UsageError, match="--metric cosine: the centre is 0"):
        find(1, metric=Metric.cosine)
