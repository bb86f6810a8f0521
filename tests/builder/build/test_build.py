"""The whole build, as its users run it: output, resuming, and the same bytes whatever happens."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.shards import write as write_module
from builder.verify.verify import verify
from nucleusnet_core.errors import UsageError
from nucleusnet_core.manifest import Manifest
from tests.builder.commands import contents, nucleusnet

FILES = {
    "README.md",
    "SHA256SUMS",
    "croissant.json",
    "figures/runs.svg",
    "manifest.json",
    "provenance.parquet",
    "data/train-00000-of-00001.parquet",
    "metadata/train-00000-of-00001.parquet",
    "stitched/train-00000-of-00001.parquet",
    "10k/train-00000-of-00001.parquet",
}


def test_the_folder_holds_what_the_contract_names_and_the_work_folder_is_gone(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nucleusnet"
    build(BuildOptions(stitched, out, splits="train=1"))
    assert set(contents(out)) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["nucleusnet"]
    assert set(undisturbed) > FILES


@pytest.mark.skipif(sys.platform != "linux", reason="only here a process can list what it has mapped")
def test_nothing_is_open_in_a_folder_that_is_removed_as_windows_wants(
    stitched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, process = shutil.rmtree, psutil.Process()
    removed: list[Path] = []
    still_open: list[str] = []

    def watched(path: Path, **options: Any) -> None:
        there = [*process.open_files(), *process.memory_maps()]
        still_open.extend(one.path for one in there if Path(one.path).is_relative_to(path))
        removed.append(path)
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    build(BuildOptions(stitched, tmp_path / "nucleusnet", workers=1))
    assert tmp_path / "nucleusnet.work" in removed
    assert still_open == []


def test_two_workers_another_folder_and_another_order_of_files_give_the_same_bytes(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "Aufnahmen für Zoë, 2. Versuch"
    folder.mkdir()
    for path in sorted(stitched.iterdir(), reverse=True):
        shutil.copyfile(path, folder / path.name)
    (tmp_path / "elsewhere").mkdir()
    done = nucleusnet("build", folder, "--out", "neu/größe x", "--workers", "2", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "elsewhere" / "neu" / "größe x") == undisturbed


def test_the_summary_adds_up_and_json_is_alone_on_stdout(stitched: Path, tmp_path: Path) -> None:
    done = nucleusnet("build", stitched, "--out", "a", "--workers", "1", "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert summary["found"] == summary["kept"] + sum(summary["dropped"].values())
    assert summary["kept"] == sum(summary["splits"].values()) > 0
    assert list(summary["dropped"]) == ["touches_border", "no_full_window", "no_contour", "empty_after_rotation"]
    assert (summary["images"], summary["failures"]) == (12, [])
    assert "image" in done.stderr
    manifest = Manifest.from_json((tmp_path / "a" / "manifest.json").read_bytes())
    assert (manifest.found, manifest.kept, manifest.splits) == (summary["found"], summary["kept"], summary["splits"])


def test_progress_shows_images_nuclei_a_second_and_the_time_left(stitched: Path, tmp_path: Path) -> None:
    done = nucleusnet("build", stitched, "--out", "a", cwd=tmp_path)
    assert re.search(r"images:.* 12/12 \[\d\d:\d\d<\d\d:\d\d,.*, [\d,]+ nuclei, [\d,]+/s\]", done.stderr)
    assert re.search(r"data files:.* 0/3 \[", done.stderr)
    assert re.search(r"data files:.* 3/3 \[.*, [\d,]+ nuclei, [\d,]+/s\]", done.stderr)
    assert re.search(r"finishing:.* 0/12 \[", done.stderr)
    assert re.search(r"finishing:.* 12/12 \[", done.stderr)


def test_a_quiet_build_says_nothing_but_its_result_and_writes_a_log(stitched: Path, tmp_path: Path) -> None:
    done = nucleusnet("build", stitched, "--out", "a", "--quiet", "--log", "night.log", cwd=tmp_path)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:2] == ["a: 12 images", "scale: 8.0453 px/µm, stated by the files (TIFF)"]
    assert [line.split(" ")[0] for line in lines[2:5]] == ["found", "splits:", "splits"]
    assert all(
        re.match(r"(Note: )?\d+ of \d+ nuclei (touch|have) |Warning for \d+ images? \(Run", line) for line in lines[5:]
    )
    log = (tmp_path / "night.log").read_text("utf-8")
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ INFO 12 images, up to \d+ at once$", log, re.MULTILINE)
    assert len(re.findall(r" INFO Run\d\d\w+: kept \d+ of \d+$", log, re.MULTILINE)) == 12
    assert not list((tmp_path / "a").glob("*.log"))


def test_nothing_in_the_folder_tells_where_or_when_it_was_made(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nucleusnet"
    build(BuildOptions(stitched, out))
    assert contents(out) == undisturbed
    for path in out.rglob("*"):
        if path.is_file():
            assert os.fsencode(stitched.parent) not in path.read_bytes()


def test_a_split_of_several_files_holds_the_same_rows_in_the_same_order(
    built: Path, stitched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_module, "SHARD_BYTES", 200_000)  # of real datasets 300 MB, and 256 rows
    monkeypatch.setattr(write_module, "ROW_GROUP_ROWS", 16)
    manifest = build(BuildOptions(stitched, tmp_path / "nucleusnet")).manifest
    shards = manifest.shards_of("default", "train")
    rows = pa.concat_tables([pq.read_table(tmp_path / "nucleusnet" / shard.path) for shard in shards])
    assert rows.equals(pq.read_table(built / "data" / "train-00000-of-00001.parquet"))
    assert 48 < rows.num_rows <= 64
    assert [shard.rows for shard in shards] == [16, 16, 16, rows.num_rows - 48]
    assert verify(tmp_path / "nucleusnet").problems == []


def test_a_second_build_refuses_the_output_and_overwrite_replaces_it(stitched: Path, tmp_path: Path) -> None:
    out = tmp_path / "nucleusnet"
    build(BuildOptions(stitched, out, seed=1))
    before = contents(out)
    with pytest.raises(
        UsageError, match=r"nucleusnet exists; choose another --out, or pass --overwrite to replace it\.$"
    ):
        build(BuildOptions(stitched, out, seed=2))
    assert contents(out) == before
    build(BuildOptions(stitched, out, seed=2, overwrite=True))
    assert contents(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["nucleusnet"]


def test_overwrite_leaves_a_folder_alone_that_is_none_of_ours(stitched: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "manifest.json").write_text("{}")
    done = nucleusnet("build", stitched, "--out", "thesis", "--overwrite", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not a dataset folder with a manifest.json of ours, and --overwrite replaces nothing else" in done.stderr
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_dataset_is_never_made_inside_another_or_among_the_images(
    overwrite: bool, stitched: Path, tmp_path: Path
) -> None:
    there = contents(stitched)
    with pytest.raises(UsageError, match=r"lies inside .*stitched, which is read; choose a place beside it\.$"):
        build(BuildOptions(stitched, stitched / "nucleusnet", overwrite=overwrite))
    with pytest.raises(UsageError, match="is an input of this command"):
        build(BuildOptions(stitched, stitched, overwrite=overwrite))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match=r"lies inside the dataset .*old; choose a place outside it\.$"):
        build(BuildOptions(stitched, tmp_path / "old" / "new" / "nucleusnet", overwrite=overwrite))
    assert contents(stitched) == there
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["manifest.json"]


def test_a_log_is_continued_and_is_never_one_of_the_inputs(stitched: Path, tmp_path: Path) -> None:
    image = next(stitched.glob("*.tif"))
    before = image.read_bytes()
    with pytest.raises(UsageError, match=r"--log: .* is an input of this command"):
        build(BuildOptions(stitched, tmp_path / "nucleusnet", log=image))
    assert image.read_bytes() == before
    (tmp_path / "night.log").write_text("earlier\n")
    build(BuildOptions(stitched, tmp_path / "nucleusnet", log=tmp_path / "night.log"))
    assert (tmp_path / "night.log").read_text("utf-8").startswith("earlier\n")
    assert "INFO finished: {'train'" in (tmp_path / "night.log").read_text("utf-8")


def test_another_seed_gives_another_order_of_the_same_nuclei(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nucleusnet"
    build(BuildOptions(stitched, out, seed=7))
    assert set(contents(out)) == set(undisturbed)
    assert contents(out)["data/train-00000-of-00001.parquet"] != undisturbed["data/train-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--splits", "train=0.5,test=0.2", "add up to 1"),
        ("--splits", "train", "train=0.8"),
        ("--pixels-per-um", "0", "0.01 to 1000"),
        ("--workers", "0", "Invalid value for '--workers'"),
        ("--seed", "-1", "seed"),
        ("--name-pattern", "(", "regular expression"),
        ("--task", "1", "--tasks"),
    ],
)
def test_options_that_cannot_work_are_refused_as_wrong_usage(
    option: str, value: str, message: str, stitched: Path, tmp_path: Path
) -> None:
    done = nucleusnet("build", stitched, "--out", "x", option, value, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_work_folder_of_other_parameters_is_not_resumed_unless_fresh(stitched: Path, tmp_path: Path) -> None:
    out = tmp_path / "nucleusnet"
    work = tmp_path / "nucleusnet.work"
    (work / "pieces").mkdir(parents=True)
    (work / "pieces" / "Run01TL_top_left.receipt.json").write_bytes(b"{}")  # something was made
    recorded = BuildOptions(stitched, out, pixels_per_um=6.5).recorded_parameters()
    (work / "parameters.json").write_text(json.dumps(recorded))
    with pytest.raises(
        UsageError, match=r"begun with other options \(pixels_per_um_given: 6\.5 then, None now\).*--fresh"
    ):
        build(BuildOptions(stitched, out))
    build(BuildOptions(stitched, out, fresh=True))
    assert out.is_dir()
    assert not work.exists()
