"""Stitched images that several test files build from."""

import shutil
from pathlib import Path

import pytest

from builder.build.options import BuildOptions
from builder.simulate.simulate import simulate
from tests.chromium import browser_process, tab

from .commands import contents

__all__ = ["browser_process", "tab"]


@pytest.fixture(scope="session")
def stitched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small stitched images of twelve runs, with masks."""
    folder = tmp_path_factory.mktemp("input") / "stitched"
    simulate(folder, images=12, size_px=1000, seed=0)
    return folder


@pytest.fixture(scope="session")
def built(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset folder that one process makes of them in one go; copy it before you change it."""
    from builder.build.build import build

    out = tmp_path_factory.mktemp("undisturbed") / "nucleusnet"
    result = build(BuildOptions(stitched, out, workers=1))
    assert result.failures == []
    return out


@pytest.fixture(scope="session")
def undisturbed(built: Path) -> dict[str, str]:
    """SHA-256 of every file of that dataset folder."""
    return contents(built)


@pytest.fixture(scope="session")
def verified(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That dataset folder, with the notes of an upload beside it that say it was verified."""
    from builder.upload.journal import open_journal
    from builder.upload.local import verified_files
    from nucleusnet_core.terminal.progress import NoProgress

    folder = Path(shutil.copytree(built, tmp_path_factory.mktemp("verified") / "nucleusnet"))
    with open_journal(folder) as journal:
        verified_files(folder, journal, workers=1, progress=NoProgress())
    return folder
