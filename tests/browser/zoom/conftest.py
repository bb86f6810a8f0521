"""A study with its panoramas, made once for all tests, and a server that shows them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser.page.server import Server
from browser.page.site import make_site
from browser.page.sources import served_source
from browser.zoom.zoom import ZoomOptions, make_panoramas
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.simulate.simulate import simulate
from nucleusnet_core.dataset import OpenDataset, open_dataset
from tests.browser.conftest import running

SIZE_PX = 1100
SLIDE = "slide#3 50%"


@dataclass(frozen=True)
class Named:
    """A dataset whose runs are names, and its panoramas."""

    opened: OpenDataset
    panoramas: Path
    url: str


@pytest.fixture(scope="session")
def stitched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stitched images of one coverslip and one that says no place."""
    folder = tmp_path_factory.mktemp("zoom") / "stitched"
    made = tmp_path_factory.mktemp("made")
    simulate(made, images=5, size_px=SIZE_PX, seed=3)  # one of them is empty
    folder.mkdir()
    names = iter(["Run07TL_top_left", "Run07TL_top_right", "Run07TR_bottom_left", "sample_x"])
    for image in sorted(made.glob("*.tif")):
        mask = image.with_name(f"{image.stem}_cp_masks.png")
        if np.asarray(Image.open(mask)).any():
            name = next(names)
            mask.rename(folder / f"{name}_cp_masks.png")
            image.rename(folder / f"{name}.tif")
    return folder


@pytest.fixture(scope="session")
def opened(stitched: Path) -> OpenDataset:
    out = stitched.parent / "nucleusnet"
    assert build(BuildOptions(stitched, out, pixels_per_um=8.0453, splits="train=1")).failures == []
    return open_dataset(out)


@pytest.fixture(scope="session")
def panoramas(stitched: Path, opened: OpenDataset) -> Path:
    """Two images apart, the coverslip joined, and the mosaic."""
    out = stitched.parent / "panoramas"
    names = ("Run07TL_top_left", "sample_x")
    make_panoramas(ZoomOptions(stitched, out, images=names, join=True, mosaic=True), opened)
    return out


@pytest.fixture(scope="session")
def named(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    """Two images of a run with a name, one of another, and one that names no run and is one of its own."""
    root = tmp_path_factory.mktemp("named")
    (root / "stitched").mkdir()
    for image, name in zip(sorted(stitched.glob("*.tif")), ("plateA_1", "plateA_2", "plateB_1", SLIDE), strict=True):
        for suffix in (".tif", "_cp_masks.png"):
            shutil.copy(image.with_name(f"{image.stem}{suffix}"), root / "stitched" / f"{name}{suffix}")
    options = BuildOptions(
        root / "stitched",
        root / "nucleusnet",
        pixels_per_um=8.0453,
        splits="train=1",
        name_pattern=r"(?P<run>plate[A-Z])_\d",
    )
    assert build(options).failures == []
    opened = open_dataset(root / "nucleusnet")
    zoomed = ZoomOptions(root / "stitched", root / "panoramas", images=("plateA_2", SLIDE), mosaic=True)
    make_panoramas(zoomed, opened)
    with running(Server(make_site(served_source("nucleusnet"), opened, root / "panoramas"))) as server:
        yield Named(opened, root / "panoramas", server.url)


@pytest.fixture(scope="session")
def zoom_server(opened: OpenDataset, panoramas: Path) -> Iterator[Server]:
    with running(Server(make_site(served_source("nucleusnet"), opened, panoramas))) as server:
        yield server


def entry(folder: Path, name: str) -> dict[str, Any]:
    listed = json.loads((folder / "panoramas.json").read_text("utf-8"))
    (found,) = [one for one in listed["panoramas"] if one["name"] == name]
    return dict(found)
