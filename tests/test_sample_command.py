"""`nucleusnet sample` and `python nucleusnet_dataset.py`: a sample through a real DataLoader, counted and shown."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    arguments: list[str | Path] = ["--source", folder, "--n", "50", "--seed", "1", "--batch-size", "25", "--json"]
    first, again = (json.loads(run("sample", *arguments, cwd=tmp_path).stdout) for _ in range(2))
    assert first["nuclei"] == sum(first["nuclei_per_run"].values()) == 50
    assert first["batches"] == {"uint8 (25, 1, 256, 256)": 2}
    assert first["nuclei_per_run"] == again["nuclei_per_run"]
    assert (tmp_path / "nucleusnet-sample.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--n", "121"], 1, "120"),
        (["--split", "dev"], 1, "train, test"),
        (["--batch-size", "0"], 2, "--batch-size: at least 1"),
        (["--method", "all"], 2, "blocks"),
        (["--n", "5", "--seed", "-1"], 2, "seed"),
        (["--out", "missing/sheet.png"], 1, "an existing folder"),
        (["--out", "sheet.jpg"], 2, "--out: a file .png expected, sheet.jpg found; choose another name"),
    ],
)
def test_what_cannot_work_is_one_clear_message(
    folder: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run("sample", "--source", folder, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("sample", "--source", tmp_path / "nothing", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing" in done.stderr
