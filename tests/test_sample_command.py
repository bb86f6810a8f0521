"""`nucleusnet sample` and `python nucleusnet_dataset.py`: a sample through a real DataLoader, counted and shown."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.pictures.contact_sheet import NO_SCALE_BAR
from nucleusnet_core.pictures.outlines import COLOUR
from nucleusnet_core.sampling.draw import candidates
from nucleusnet_core.sampling.report import SampleReport
from nucleusnet_core.shards.warning_filter import WarningFilter
from tests.builder.analysis.changed_dataset import change_column
from tests.builder.commands import environment
from tests.dataset_folder import write_dataset_folder
from tests.root import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Ein Ordner") / "nucleusnet"
    write_dataset_folder(folder, {"train": 120, "test": 10}, shard_rows=64, group_rows=16)
    (folder / "README.md").write_text("# A card\n", "utf-8")
    return folder


def run(program: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    programs = {
        "sample": ["-m", "nucleusnet_core.terminal.program", "sample"],
        "representatives": ["-m", "nucleusnet_core.terminal.program", "representatives"],
        "script": [str(ROOT / "nucleusnet_dataset.py")],
    }
    command = [sys.executable, *programs[program], *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("program", ["sample", "script"])
def test_the_bare_call_beside_the_dataset_reports_and_draws(program: str, folder: Path) -> None:
    done = run(program, "--n", "100", "--seed", "5", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert "100 random nuclei of split train (blocks, seed 5)" in done.stdout
    assert "3 batches of uint8 (32, 1, 256, 256)" in done.stdout
    assert "1 batch of uint8 (4, 1, 256, 256)" in done.stdout
    assert re.search(r"nuclei of 8 runs: 1: \d+, 2: \d+, ", done.stdout)
    assert re.search(r"[\d.]+ MB in \d+ reads, [\d.]+ s to the last batch", done.stdout)
    sheet = folder.parent / "nucleusnet-sample.png"
    with Image.open(sheet) as image:
        assert (image.mode, np.asarray(image).max() > 100) == ("L", True)
    sheet.unlink()


def test_json_stands_alone_and_the_same_seed_tells_the_same_nuclei(folder: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = [folder, "--n", "50", "--seed", "1", "--batch-size", "25", "--json", "--overwrite"]
    first, again = (json.loads(run("sample", *arguments, cwd=tmp_path).stdout) for _ in range(2))
    assert first["nuclei"] == sum(first["nuclei_per_run"].values()) == 50
    assert first["batches"] == {"uint8 (25, 1, 256, 256)": 2}
    assert first["nuclei_per_run"] == again["nuclei_per_run"]
    assert (tmp_path / "nucleusnet-sample.png").is_file()


def test_without_a_number_it_draws_all_of_a_small_split_and_says_so(folder: Path, tmp_path: Path) -> None:
    done = run("sample", folder, "--split", "test", "--quiet", "--out", "sheets/sheet.png", cwd=tmp_path)
    assert done.returncode == 0
    assert "10 random nuclei of split test" in done.stdout
    assert done.stderr == "nucleusnet: Drawing all 10 nuclei of split test; --n draws another number.\n"
    assert (tmp_path / "sheets" / "sheet.png").is_file()


def test_without_a_number_it_draws_a_thousand_of_a_large_split(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 1001})
    done = run("sample", tmp_path / "nucleusnet", cwd=tmp_path)
    assert "1,000 random nuclei of split train" in done.stdout
    assert "nucleusnet: Drawing 1,000 of the 1,001 nuclei of split train; --n draws another number." in done.stderr


def test_nuclei_of_several_scales_are_on_a_sheet_without_a_scale_bar(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 20})
    change_column(tmp_path / "nucleusnet", "data/train-00000-of-00001.parquet", "crop_pixels_per_um", [4.0])
    done = run("sample", tmp_path / "nucleusnet", "--n", "20", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["nuclei"] == 20
    assert NO_SCALE_BAR in done.stderr


def test_nuclei_in_their_surroundings_are_outlined(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 20})
    manifest = tmp_path / "nucleusnet" / "manifest.json"
    text = manifest.read_text("utf-8").replace('"parameters": {', '"parameters": {"outside": "keep",')
    manifest.write_text(text, "utf-8")
    for verb in ("sample", "representatives"):
        done = run(verb, tmp_path / "nucleusnet", "--n", "9", "--out", f"{verb}.png", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / f"{verb}.png") as sheet:
            assert (np.asarray(sheet) == COLOUR).all(axis=2).sum() > 9 * 100


def test_of_many_runs_the_text_lists_ten_and_json_all() -> None:
    report = SampleReport(
        dataset="nucleusnet",
        split="train",
        without=(),
        only=(),
        method="rows",
        seed=0,
        nuclei=1200,
        batches={"uint8 (1200, 1, 256, 256)": 1},
        nuclei_per_run={str(run): 100 for run in range(1, 13)},
        seconds=1.0,
        requests=1,
        bytes_read=1,
        contact_sheet="sheet.png",
    )
    listed = ", ".join(f"{run}: 100" for run in range(1, 11))
    assert f"nuclei of 12 runs: {listed}, and 2 other runs\n" in report.to_text()
    assert len(json.loads(report.to_json())["nuclei_per_run"]) == 12


def test_a_sheet_that_is_there_is_kept_unless_overwrite_is_given(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "nucleusnet-sample.png"
    sheet.write_bytes(b"mine")
    done = run("script", folder, "--n", "5", cwd=tmp_path)
    assert (done.returncode, done.stdout, sheet.read_bytes()) == (2, "", b"mine")
    assert "--out: nucleusnet-sample.png exists; pass --overwrite to replace it." in done.stderr
    assert run("script", folder, "--n", "5", "--overwrite", cwd=tmp_path).returncode == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "expected", "said"),
    [
        (["--without", "saturated"], {1, 2}, "without saturated"),
        (["--without", "saturated", "--without", "dim"], {2}, "without saturated or dim"),
        (["--only", "dim"], {0, 1}, "with dim"),
        (["--only", "dim", "--without", "saturated"], {1}, "with dim and without saturated"),
    ],
)
def test_nuclei_are_drawn_of_those_that_their_warnings_leave(
    options: list[str], expected: set[int], said: str, folder: Path, tmp_path: Path
) -> None:
    """Nucleus number n has the warnings saturated and dim, dim, or none, as n divided by 3 leaves 0, 1 or 2."""
    done = run("sample", folder, "--split", "train+test", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    left = sum(1 for number in range(1, 131) if number % 3 in expected)
    assert f"{left} random nuclei of split train+test {said} (blocks, seed " in done.stdout
    assert f"Drawing all {left} nuclei of split train+test {said}; --n draws another number." in done.stderr


def test_every_nucleus_that_is_left_has_the_same_chance(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path, {"train": 2400}, shard_rows=700)
    choice = candidates(open_dataset(tmp_path), "train", WarningFilter(("saturated",)))
    assert sum(choice.shard_rows) == 1600
    drawn = Counter(row for seed in range(400) for row in choice.picks(200, seed=seed, method="blocks").rows.tolist())
    assert choice.rows is not None
    assert set(drawn) == set(choice.rows.tolist())
    mean = 400 * 200 / 1600
    assert sum((count - mean) ** 2 for count in drawn.values()) / 1600 < 2 * mean


def test_json_says_which_warnings_were_left_out(folder: Path, tmp_path: Path) -> None:
    arguments = ["--without", "dim", "--n", "5", "--seed", "1", "--json"]
    said = json.loads(run("sample", folder, *arguments, cwd=tmp_path).stdout)
    assert (said["nuclei"], said["without"], said["only"]) == (5, ["dim"], [])


def test_rows_with_other_warnings_than_config_metadata_are_found(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 20})
    change_column(tmp_path / "nucleusnet", "data/train-00000-of-00001.parquet", "warnings", [["dim"]] * 20)
    done = run("sample", tmp_path / "nucleusnet", "--without", "dim", cwd=tmp_path)
    assert done.returncode == 1
    assert "a row has other warnings in config metadata than in config default; run `nucleusnet verify`." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--without", "blured"], "--without: there is no warning 'blured'; did you mean blurred?"),
        (
            ["--only", "x"],
            "--only: there is no warning 'x'; choose of blank, saturated, blurred, cut, many_bodies, dim.",
        ),
        (["--only", "blank"], "No nucleus of train is with blank; ask for other warnings."),
        (
            ["--without", "dim", "--n", "41"],
            "train, nuclei without dim: 41 nuclei cannot be drawn of 40; ask for 1 to 40.",
        ),
        (["--n", "121"], "split train: 121 nuclei cannot be drawn of 120; ask for 1 to 120."),
        (["--n", "0"], "Invalid value for '--n': Input should be greater than or equal to 1"),
        (["--split", "dev"], "train, test"),
        (["--batch-size", "0"], "Invalid value for '--batch-size': Input should be greater than or equal to 1"),
        (["--method", "all"], "blocks"),
        (["--n", "5", "--seed", "-1"], "The seed is -1; it must be a whole number from 0"),
        (["--out", "sheet.jpg"], "--out: sheet.jpg does not end in .png; choose another name"),
    ],
)
def test_what_cannot_work_is_one_clear_message(
    folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = run("sample", folder, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("sample", tmp_path / "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing" in done.stderr
