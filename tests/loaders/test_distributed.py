"""A real torch.distributed group."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loaders import train_loader
from tests.root import ROOT


def run_group(folder: Path, state: dict[str, Any], meeting_point: Path, ranks: int) -> list[dict[str, Any]]:
    arguments = [str(ranks), meeting_point.as_uri(), str(folder), json.dumps(state)]
    command = [sys.executable, "-m", "tests.loaders.gloo_rank"]
    running = [
        subprocess.Popen([*command, str(rank), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for rank in range(ranks)
    ]
    printed = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * ranks
    return [json.loads(text) for text in printed]


def ids(batches: Any) -> list[list[str]]:
    return [batch["nucleus_id"] for batch in batches]


def test_three_processes_share_what_one_has_left(folder: Path, tmp_path: Path) -> None:
    alone, uninterrupted, next_epoch = (
        train_loader(str(folder), batch_size=16, columns=("nucleus_id",), drop_last=False) for _ in range(3)
    )
    next_epoch.set_epoch(1)
    begun = ids(itertools.islice(next_epoch, 12))
    whole = ids(uninterrupted)
    assert ids(itertools.islice(alone, 5)) == whole[:5]

    ranks = run_group(folder, alone.state_dict(), tmp_path / "meeting", 3)

    rests = itertools.zip_longest(*(rank["rest"] for rank in ranks))
    assert [batch for turn in rests for batch in turn if batch] == whole[5:]
    assert [batch for turn in zip(*(rank["begun"] for rank in ranks), strict=True) for batch in turn] == begun
    assert [rank["length"] for rank in ranks] == [11, 11, 10]
    assert {json.dumps(state) for rank in ranks for state in rank["states"]} == {
        json.dumps(alone.state_dict() | {"epoch": 1, "batches": 12})
    }
