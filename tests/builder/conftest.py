"""Stitched images that several test files build from."""

from pathlib import Path

import pytest

from builder.options import BuildOptions
from builder.simulate import simulate

from .commands import contents


@pytest.fixture(scope="session")
def stitched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small stitched images of twelve runs, with masks."""
    folder = tmp_path_factory.mktemp("input") / "stitched"
    simulate(folder, images=12, size_px=1000, seed=0)
    return folder


@pytest.fixture(scope="session")
def undisturbed(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SHA-256 of every file of the dataset folder that one process makes of them in one go."""
    from builder.build import build

    out = tmp_path_factory.mktemp("undisturbed") / "nucleusnet"
    result = build(BuildOptions(stitched, out, workers=1))
    assert result.failures == []
    return contents(out)
