"""A Hub, and a dataset folder to upload to it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.server import Hub, serve_hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as running:
        running.part_bytes = 100_000
        yield running


@pytest.fixture
def folder(verified: Path, tmp_path: Path) -> Path:
    """A verified dataset folder of our own."""
    shutil.copytree(verified.parent, tmp_path / "mine")
    return tmp_path / "mine" / "nucleusnet"
