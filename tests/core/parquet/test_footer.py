"""Footers of any origin: refused before pyarrow, which would end the process, or read something else in silence."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dataset_folder import write_dataset_folder
from tests.root import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footers")
    write_dataset_folder(folder, {"train": 600})
    return folder


@pytest.mark.parametrize(("stated", "count"), [("stated", 500), ("unstated", 3000)])
def test_damaged_footers_end_no_process_and_give_no_wrong_rows(folder: Path, stated: str, count: int) -> None:
    command = [sys.executable, "-m", "tests.core.parquet.damaged_footers", str(folder), "16", str(count), stated]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    ends = ast.literal_eval(done.stdout.splitlines()[-1])
    assert set(ends) <= {"refused", "true"}
    assert ends["refused"] >= count / 4
    assert "true" not in ends or stated == "unstated"
