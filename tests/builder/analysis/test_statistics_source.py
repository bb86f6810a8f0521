"""Verb `stats`: images, dataset and table give the same numbers; what is bad is named and costs nothing else."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from builder.analysis.cli import stats
from builder.analysis.statistics import ImageStatistics, rank_images
from builder.analysis.statistics_csv import StatisticsTableError, statistics_csv
from builder.analysis.statistics_source import FolderOptions, dataset_statistics, measure_folder, source_statistics
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import (
    BuildError,
    CorruptDataError,
    DatasetNotFoundError,
    OutputError,
    PairingError,
    UsageError,
)
from nucleusnet_core.terminal.progress import NoProgress
from tests.dataset_folder import write_dataset_folder
from tests.range_server import serve

from ..commands import contents, nucleusnet
from .changed_dataset import change_column


@pytest.fixture(scope="module")
def published_csv(stitched: Path) -> str:
    """The table of the stitched images by numpy alone, in the published form."""
    lines = ["image,num_rois,mean_intensity,std_intensity"]
    for path in sorted(stitched.glob("*.tif")):
        pixels = tifffile.imread(path).astype(np.float64)
        labels = np.asarray(Image.open(path.with_name(f"{path.stem}_cp_masks.png")))
        under = pixels[labels > 0]
        numbers = f"{under.mean():.4f},{under.std():.4f}" if under.size else ","
        lines.append(f"{path.stem},{len(np.unique(labels[labels > 0]))},{numbers}")
    return "\n".join(lines) + "\n"


def test_stitched_images_give_the_numbers_of_numpy_and_the_published_table(
    stitched: Path, published_csv: str, tmp_path: Path
) -> None:
    done = nucleusnet("stats", stitched, "--csv", "out ü.csv", "--json", "--workers", "2", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out ü.csv").read_text("utf-8") == published_csv
    rows = [line.split(",") for line in published_csv.splitlines()[1:]]
    filled = [row for row in rows if row[1] != "0"]
    rois, mean = np.array([[float(row[1]), float(row[2])] for row in filled]).T
    distance = np.hypot((rois - rois.mean()) / rois.std(), (mean - mean.mean()) / mean.std())
    nearest = [filled[place] for place in np.argsort(distance)]
    said = json.loads(done.stdout)
    assert list(said) == ["images", "centroid", "representatives"]
    assert said["images"] == len(rows)
    assert said["centroid"] == pytest.approx({"num_rois": rois.mean(), "mean_intensity": mean.mean()}, abs=1e-4)
    assert [one["image"] for one in said["representatives"]] == [row[0] for row in nearest[:10]]
    assert [one["distance"] for one in said["representatives"]] == pytest.approx(sorted(distance)[:10], abs=1e-3)


def test_a_dataset_says_the_same_as_its_images_and_reads_no_pixel(stitched: Path, built: Path) -> None:
    measured = measure_folder(stitched, FolderOptions(), NoProgress())
    assert measured.failures == ()
    with serve(built) as server:
        assert source_statistics(server.url, FolderOptions(), NoProgress()) == measured
        read = {request.path.strip("/").split("/")[0] for request in server.seen}
    assert read == {"manifest.json", "stitched"}
    assert tuple(dataset_statistics(open_dataset(built))) == measured.images


def test_config_stitched_holds_the_same_distances_and_ranks(built: Path) -> None:
    opened = open_dataset(built)
    ranking = rank_images(dataset_statistics(opened))
    stored = {
        row["name"]: (row["rank"], row["distance_to_centroid"])
        for split in opened.manifest.splits_of("stitched")
        for row in pq.read_table(built / opened.shards("stitched", split)[0].path).to_pylist()
    }
    assert {one.image: (one.rank, one.distance) for one in ranking.images} | dict.fromkeys(
        ranking.empty, (None, None)
    ) == stored


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("mean_intensity", float("nan"), "has impossible numbers .1, nan, 1"),
        ("num_rois", -3, "has impossible numbers .-3, 1"),
        ("name", "Run02TL_top_left", "is there twice"),
    ],
)
def test_a_dataset_with_numbers_that_cannot_be_is_refused(
    tmp_path: Path, column: str, value: object, found: str
) -> None:
    write_dataset_folder(tmp_path / "nn", {"train": 30})
    change_column(tmp_path / "nn", "stitched/train-00000-of-00001.parquet", column, [value])
    with pytest.raises(CorruptDataError, match=f"table of the stitched images: .* {found}"):
        source_statistics(str(tmp_path / "nn"), FolderOptions(), NoProgress())


def test_a_table_gives_the_published_text_with_ties_by_name(tmp_path: Path) -> None:
    images = [ImageStatistics(name, rois, mean, 1.5) for name, rois, mean in [
        ("Run02TL_top_left", 684, 79.0), ("Run01TL_top_left", 704, 79.0), ("Run03TL_top_left", 694, 69.0),
        ("Run10TL_top_left", 694, 89.0), ("Run04TL_top_left", 694, 79.0),
    ]]  # fmt: skip
    (tmp_path / "t.csv").write_text(statistics_csv(images), "utf-8")
    done = nucleusnet("stats", "t.csv", "--top", "4", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "5 images\n"
        "centroid: 694.0000 ROIs, mean intensity 79.0000\n"
        "\n"
        "image             ROIs     mean     std  distance\n"
        "Run04TL_top_left   694  79.0000  1.5000    0.0000\n"
        "Run01TL_top_left   704  79.0000  1.5000    1.5811\n"
        "Run02TL_top_left   684  79.0000  1.5000    1.5811\n"
        "Run03TL_top_left   694  69.0000  1.5000    1.5811\n"
    )


def test_one_bad_image_is_listed_and_costs_the_others_nothing(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in sorted(stitched.iterdir())[:12]:
        shutil.copyfile(path, folder / path.name)
    images = sorted(folder.glob("*.tif"))
    images[1].write_bytes(images[1].read_bytes()[:5000])
    (folder / f"{images[2].stem}_cp_masks.png").unlink()
    done = nucleusnet("stats", folder, "--csv", "t.csv", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    assert "2 images are not in these numbers:" in done.stderr
    assert f"  {images[1].stem}: {images[1].name}" in done.stderr
    assert f"has no mask {images[2].stem}_cp_masks.png in {folder}; segment the image" in done.stderr
    listed = (tmp_path / "t.csv").read_text("utf-8").splitlines()[1:]
    assert [line.split(",")[0] for line in listed] == [path.stem for path in images if path not in images[1:3]]


def test_folders_without_a_usable_image_are_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match=r"no mask <name>_cp_masks\.png among its 0 files"):
        source_statistics(str(tmp_path), FolderOptions(), NoProgress())
    (tmp_path / "a.tif").write_bytes(b"no image")
    Image.fromarray(np.ones((4, 5), np.uint16)).save(tmp_path / "a_cp_masks.png")
    with pytest.raises(BuildError, match=r"none of the images can be used:\n  a: a\.tif"):
        source_statistics(str(tmp_path), FolderOptions(), NoProgress())


def test_something_that_is_no_source_is_told_what_would_be_one() -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"\. A folder of stitched images and masks, or a CSV, will do too\."
    ):
        source_statistics("no such thing", FolderOptions(), NoProgress())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"source": "none.csv"}, StatisticsTableError, "none.csv cannot be read (No such file or directory)"),
        ({"csv": "t.csv"}, UsageError, "--csv: t.csv is an input of this command"),
        ({"csv": "t.tsv"}, UsageError, "--csv: t.tsv does not end in .csv; choose another name."),
        ({"plot": "p.jpg"}, UsageError, "--plot: p.jpg does not end in .png or .svg or .pdf; choose another name."),
        ({"page": "p.pdf"}, UsageError, "--page: p.pdf does not end in .html or .htm; choose another name."),
        ({"page": "t.csv/p.html"}, OutputError, "/t.csv cannot be made"),
        ({"page": "folder.html"}, UsageError, "--page: folder.html is a folder; give the name of a file."),
        ({"page": "old.htm"}, UsageError, "--page: old.htm exists; pass --overwrite to replace it."),
        ({"page": "p.html"}, BuildError, "The page cannot be drawn: no image has regions of interest"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    options: dict[str, str], error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    Path("old.htm").write_text("old", "utf-8")
    Path("t.csv").write_text("image,num_rois,mean_intensity,std_intensity\na,0,,\n", "utf-8")
    before = Path("t.csv").read_bytes()
    paths = {name: Path(text) for name, text in options.items() if name != "source"}
    with pytest.raises(error, match=re.escape(said)):
        stats(options.get("source", "t.csv"), **paths)  # type: ignore[arg-type]  # these options are paths
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "old.htm", "t.csv"]
    assert Path("t.csv").read_bytes() == before


def test_files_are_replaced_only_when_that_is_asked_for_and_inputs_never(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in sorted(stitched.iterdir())[:4]:
        shutil.copyfile(path, folder / path.name)
    mask = next(folder.glob("*.png"))
    before = contents(tmp_path)
    for option in ("--plot", "--csv"):
        done = nucleusnet("stats", folder, option, mask, "--overwrite", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
    done = nucleusnet("stats", "stitched", "--plot", mask, "--overwrite", cwd=tmp_path)
    assert "is an input of this command" in done.stderr
    assert contents(tmp_path) == before
    arguments = ("stats", "stitched", "--csv", "stitched/t.csv", "--quiet")
    assert nucleusnet(*arguments, cwd=tmp_path).returncode == 0
    written = contents(tmp_path)
    assert written.items() > before.items()
    done = nucleusnet(*arguments, cwd=tmp_path)
    assert done.stderr == "nucleusnet: --csv: stitched/t.csv exists; pass --overwrite to replace it.\n"
    assert nucleusnet(*arguments, "--overwrite", cwd=tmp_path).returncode == 0
    assert contents(tmp_path) == written


def test_nothing_is_written_into_a_dataset(built: Path) -> None:
    with pytest.raises(UsageError, match="lies inside the dataset"):
        stats(str(built), csv=built / "t.csv")
    assert not (built / "t.csv").exists()


def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    done = nucleusnet("stats", "t.csv", "--top", "0", cwd=tmp_path)
    assert done.returncode == 2
    assert "'--top': Input should be greater than or equal to 1" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--masks", "."], "are for a folder of stitched images, which t.csv is not"),
        (["--recursive"], "leave them out"),
        (["--panoramas", "panorama.html"], "give --page too"),
        (
            ["--page", "p.html", "--panoramas", "data:x"],
            "--panoramas: 'data:x' is not an address that a page can link to",
        ),
    ],
)
def test_options_that_cannot_apply_are_wrong_usage(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,num_rois,mean_intensity,std_intensity\na,2,79.5,3\nb,3,80,4\n", "utf-8")
    done = nucleusnet("stats", "t.csv", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_home_of_nobody_is_one_clear_error(tmp_path: Path) -> None:
    done = nucleusnet("stats", "~nobody/x", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no such folder, and it is neither an http(s) URL nor owner/name on the Hub" in done.stderr
