"""`load_dataset("nucleusnet")`: what the bare name means, in fresh processes with the real client."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.card.head import card_yaml
from tests.dataset_folder import write_dataset_folder
from tests.hub.server import Hub, client_environment, serve_hub
from tests.root import ROOT

SPLITS = {"train": 40, "test": 10}
IMPORT = "import nucleusnet_dataset\n"
LOAD = """
import json
from datasets import load_dataset
info = load_dataset("nucleusnet", split="train", streaming=True).info
splits = {name: split.num_examples for name, split in info.splits.items()}
found = {"splits": splits, "columns": list(info.features)[:3]}
for config in ("default", "metadata", "stitched", "10k"):
    streamed = list(load_dataset("nucleusnet", config, split="train", streaming=True))
    loaded = load_dataset("nucleusnet", config, split="train")
    found[config] = len(streamed)
    assert len(loaded) == len(streamed), (config, len(loaded), len(streamed))
print(json.dumps(found))
"""
ONE_ROW = """
import json
from datasets import load_dataset
rows = load_dataset("nucleusnet", "metadata", split="test", streaming=True)
print(json.dumps([row["nucleus_id"] for row in rows][:1]))
"""
FOUND = {
    "splits": SPLITS,
    "columns": ["image", "mask", "nucleus_id"],
    "default": 40,
    "metadata": 40,
    "stitched": 8,
    "10k": 40,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder called nucleusnet, with a card."""
    folder = tmp_path_factory.mktemp("Präparate 1") / "nucleusnet"
    manifest = write_dataset_folder(folder, SPLITS)
    (folder / "README.md").write_text(f"---\n{card_yaml(manifest)}\n---\n", "utf-8")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory with nothing of ours in it, and the home of the client's caches."""
    return tmp_path


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as running:
        yield running


def python(code: str, cwd: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code where only `nucleusnet_dataset` and `nucleusnet_core` of ours can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUCLEUSNET_", "HF_"))}
    offline = {"HF_HOME": str(home / "hf"), "HF_HUB_OFFLINE": "1"}
    environment = kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | offline | variables
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_beside_the_folder_every_config_loads_without_an_import_of_ours(folder: Path, elsewhere: Path) -> None:
    assert printed(python(LOAD, folder.parent, elsewhere)) == FOUND


def test_after_the_import_every_config_loads_from_any_directory(folder: Path, elsewhere: Path) -> None:
    assert printed(python(IMPORT + LOAD, elsewhere, elsewhere, NUCLEUSNET_DATA=str(folder))) == FOUND


def test_the_import_may_come_after_that_of_load_dataset_and_twice(folder: Path, elsewhere: Path) -> None:
    code = f"""
from datasets import load_dataset
import datasets.load, nucleusnet_dataset
wrapped = datasets.load.dataset_module_factory
from nucleusnet_core.bare_name import register
register()
assert datasets.load.dataset_module_factory is wrapped
{ONE_ROW}
"""
    assert len(printed(python(code, elsewhere, elsewhere, NUCLEUSNET_DATA=str(folder)))) == 1


def test_a_dataset_folder_here_wins_over_the_variables(folder: Path, elsewhere: Path) -> None:
    wrong = str(elsewhere / "nothing")
    assert len(printed(python(IMPORT + ONE_ROW, folder.parent, elsewhere, NUCLEUSNET_DATA=wrong))) == 1


def test_a_checkout_of_that_name_does_not_count_as_a_dataset(folder: Path, elsewhere: Path) -> None:
    (elsewhere / "nucleusnet" / "builder").mkdir(parents=True)
    (elsewhere / "nucleusnet" / "README.md").write_text("# A checkout\n", "utf-8")
    assert len(printed(python(IMPORT + ONE_ROW, elsewhere, elsewhere, NUCLEUSNET_DATA=str(folder)))) == 1


def test_without_a_meaning_the_error_names_both_variables(elsewhere: Path) -> None:
    done = python(IMPORT + ONE_ROW, elsewhere, elsewhere)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert "NUCLEUSNET_DATA" in message
    assert "NUCLEUSNET_REPO" in message


def test_other_names_go_where_they_went(folder: Path, elsewhere: Path) -> None:
    code = f"""
import json, nucleusnet_dataset
from datasets import get_dataset_config_names, load_dataset
rows = load_dataset({str(folder)!r}, "metadata", split="test", streaming=True)
print(json.dumps([len(list(rows)), sorted(get_dataset_config_names("nucleusnet"))]))
"""
    assert printed(python(code, elsewhere, elsewhere, NUCLEUSNET_DATA=str(folder))) == [
        10,
        ["10k", "default", "metadata", "stitched"],
    ]


def test_the_variable_of_a_repository_leads_to_the_hub(hub: Hub, folder: Path, elsewhere: Path) -> None:
    upload = f"""
import json
from huggingface_hub import HfApi
api = HfApi(token="hf_write")
api.create_repo("lab/nucleusnet", repo_type="dataset", exist_ok=True)
api.upload_folder(repo_id="lab/nucleusnet", repo_type="dataset", folder_path={str(folder)!r})
print(json.dumps("done"))
"""
    clients = client_environment(hub, str(elsewhere)) | {"HF_HUB_OFFLINE": "0"}
    assert printed(python(upload, elsewhere, elsewhere, **clients)) == "done"
    done = python(IMPORT + ONE_ROW, elsewhere, elsewhere, NUCLEUSNET_REPO="lab/nucleusnet", **clients)
    assert len(printed(done)) == 1


def test_what_was_prepared_serves_the_bare_name_offline(folder: Path, elsewhere: Path) -> None:
    prepare = f"""
import json, nucleusnet_dataset
nucleusnet_dataset.NucleusNet("metadata", data_dir={str(folder)!r}).download_and_prepare()
print(json.dumps("prepared"))
"""
    assert printed(python(prepare, elsewhere, elsewhere)) == "prepared"
    code = """
import json
from datasets import load_dataset
print(json.dumps(len(load_dataset("nucleusnet", "metadata", split="train"))))
"""
    assert printed(python(code, elsewhere, elsewhere)) == 40
    assert printed(python(IMPORT + code, elsewhere, elsewhere)) == 40
