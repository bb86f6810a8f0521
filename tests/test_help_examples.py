"""Every example in every help text runs as it stands, in one folder, in the order in which a study meets the verbs."""

import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nucleusnet_core.terminal.program import SUMMARIES
from tests.builder.segment.conftest import MODEL
from tests.hub.server import Hub, client_environment, serve_hub
from tests.root import ROOT
from tests.zenodo.server import Zenodo
from tests.zenodo.server import serve as serve_zenodo

COMMAND = [sys.executable, "-m", "nucleusnet_core.terminal.program"]
ORDER = sorted(SUMMARIES, key=lambda verb: (verb == "segment", list(SUMMARIES).index(verb)))
"""As in a study; but the masks that `simulate` made are those that the dataset is built from."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve_hub() as running:
        yield running


@pytest.fixture(scope="module")
def zenodo() -> Iterator[Zenodo]:
    with serve_zenodo() as running:
        yield running


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which somebody tries the examples."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def environment(hub: Hub, zenodo: Zenodo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        **client_environment(hub, str(tmp_path_factory.mktemp("home"))),
        "HF_TOKEN": "hf_write",
        "NUCLEUSNET_ZENODO_URL": zenodo.url,
        "ZENODO_SANDBOX_TOKEN": "zen_full",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }


def example_of(verb: str, environment: dict[str, str]) -> list[str]:
    """The arguments of a verb's example, as its help prints it."""
    done = subprocess.run([*COMMAND, verb, "-h"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return shlex.split(done.stdout.splitlines()[-1].strip().removeprefix("Example: nucleusnet "))


def prepare(verb: str, desk: Path) -> None:
    """Lay down what an example names and no other verb makes."""
    if verb == "overlay":
        for name in ("Run72TR_bottom_left.tif", "Run72TR_bottom_left_cp_masks.png"):
            image = next(path for path in sorted((desk / "stitched").iterdir()) if path.suffix == name[-4:])
            shutil.copyfile(image, desk / name)
    if verb == "segment":
        shutil.copyfile(MODEL, desk / "nuclei_model")


@pytest.mark.parametrize("verb", ORDER)
def test_the_example_of_a_verb_runs(verb: str, desk: Path, environment: dict[str, str]) -> None:
    arguments = example_of(verb, environment)
    assert arguments[0] == verb
    prepare(verb, desk)
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=desk, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if verb == "browse":
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=900)
    assert process.returncode in ({0, 130} if verb == "browse" else {0}), err
    assert "Traceback" not in err
    assert out or verb == "browse"
