"""A dataset whose runs were treated in two ways, as its sample sheet says."""

from pathlib import Path

import pytest

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.simulate.simulate import simulate


@pytest.fixture(scope="session")
def treated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs 1 to 5 at 2 px per um, one image each; 2 and 4 were treated with nocodazole, and 4 shows no nuclei."""
    folder = tmp_path_factory.mktemp("treated")
    stitched, out = folder / "stitched", folder / "nucleusnet"
    simulate(stitched, images=5, size_px=512, pixels_per_um=2.0, nuclei_per_mm2=1200.0, mask_margin_um=0.3)
    result = build(BuildOptions(stitched, out, samples=stitched / "samples.csv", workers=1))
    assert result.failures == []
    return out
