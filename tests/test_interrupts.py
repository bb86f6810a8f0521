"""Every verb, interrupted at some moment: one line, exit code 130, no traceback; or it was done before.

`NUCLEUSNET_MOMENTS=20 pytest tests/test_interrupts.py` tries twenty moments of each verb.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nucleusnet_core.terminal.program import SUMMARIES
from tests.builder.commands import environment, nucleusnet
from tests.builder.segment.conftest import MODEL
from tests.hub.server import client_environment, serve_hub
from tests.zenodo.server import serve as serve_zenodo

MOMENTS = int(os.environ.get("NUCLEUSNET_MOMENTS", "2"))
FIRST_SECONDS, LONGEST_SECONDS = 0.5, 4.0
"""Before, Python itself is starting, whose traceback nobody can help."""
CALLS = {
    "simulate": ["OUT", "--images", "6", "--size", "1000"],
    "segment": ["stitched", "--model", str(MODEL), "--out", "OUT"],
    "overlay": ["stitched/Run01TL_top_left.tif", "stitched/Run01TL_top_left_cp_masks.png", "--out", "OUT.png"],
    "build": ["stitched", "--out", "OUT", "--pixels-per-um", "8.0453", "--recipe", "refined"],
    "verify": ["nucleusnet"],
    "stats": ["stitched", "--csv", "OUT.csv"],
    "representatives": ["nucleusnet", "--out", "OUT.png"],
    "mosaic": ["nucleusnet", "--out", "OUT.png"],
    "upload": ["nucleusnet", "--repo", "owner/OUT"],
    "archive": ["stitched", "--out", "OUT", "--creator", "Doe, Jane", "--license", "CC-BY-4.0"],
    "deposit": ["zips", "--sandbox"],
    "sample": ["nucleusnet", "--n", "50", "--out", "OUT.png"],
    "browse": ["nucleusnet", "--no-open"],
    "zoom": ["stitched", "nucleusnet", "--out", "OUT"],
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a dataset of them, and an archive of them."""
    folder = tmp_path_factory.mktemp("desk")
    for arguments in (
        ("simulate", "stitched", "--images", "6", "--size", "1000"),
        ("build", "stitched", "--out", "nucleusnet", "--pixels-per-um", "8.0453", "--recipe", "refined"),
        ("archive", "stitched", "--out", "zips", "--creator", "Doe, Jane", "--license", "CC-BY-4.0"),
    ):
        done = nucleusnet(*arguments, "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a user of both repositories, which are servers of ours."""
    with serve_hub() as hub, serve_zenodo() as zenodo:
        home = client_environment(hub, str(tmp_path_factory.mktemp("home")))
        tokens = {"HF_TOKEN": "hf_write", "ZENODO_SANDBOX_TOKEN": "zen_full", "NUCLEUSNET_ZENODO_URL": zenodo.url}
        yield {**environment(), **home, **tokens}


def test_every_verb_is_interrupted() -> None:
    assert sorted(CALLS) == sorted(SUMMARIES)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal to a process group")
@pytest.mark.parametrize("verb", CALLS)
def test_an_interrupt_is_one_line_at_any_moment(verb: str, desk: Path, variables: dict[str, str]) -> None:
    moments = random.Random(verb)
    for number in range(MOMENTS):
        seconds = moments.uniform(FIRST_SECONDS, LONGEST_SECONDS)
        arguments = [argument.replace("OUT", f"made-{verb}-{number}") for argument in CALLS[verb]]
        command = [sys.executable, "-m", "nucleusnet_core.terminal.program", verb, *arguments]
        process = subprocess.Popen(
            command,
            cwd=desk,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said, (seconds, said)
        assert process.returncode in {0, 130}, (seconds, process.returncode, said)
        if process.returncode == 130 and verb != "browse":
            assert said.rstrip().splitlines()[-1] == "nucleusnet: interrupted.", (seconds, said)
