"""Dataset folders that the tests of the loaders share; nobody writes to them."""

import shutil
from pathlib import Path

import pytest

from tests.dataset_folder import write_dataset_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 + 30 stored nuclei in row groups of 8 and 4 shards: enough row groups for 12 lanes."""
    path = tmp_path_factory.mktemp("a folder") / "größe nucleusnet"
    write_dataset_folder(path, {"train": 500, "test": 30}, shard_rows=128, group_rows=8)
    return path


@pytest.fixture(scope="session")
def ordinary_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 nuclei as ordinary PNGs."""
    path = tmp_path_factory.mktemp("ordinary") / "nucleusnet"
    write_dataset_folder(path, {"train": 40}, group_rows=16, stored=False)
    return path


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """A copy of `folder` that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "nucleusnet"))
