"""A dataset of three channels in the cell browser: colours, contrasts, what is read for them, and the address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image
from playwright.sync_api import Page

from browser.page.server import Server
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from nucleusnet_core.cells.png import decode_cell
from tests.browser.conftest import Serve
from tests.browser.page.test_page import TILES, drawn, names, open_tile, pixels, set_range
from tests.chromium import NewTab, Tab

CHANNELS = ["dapi", "actin", "tubulin"]
COLUMNS = dict(zip(CHANNELS, ["image", "image_actin", "image_tubulin"], strict=True))
SKY_BLUE, ORANGE, GREEN = (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00), (0x00, 0x9E, 0x73)
PITCH_PX = 24
SIDE_PX = 33 * PITCH_PX
FULL = "&".join(f"{name}.contrast=0-255" for name in CHANNELS)
FEW = f"split=train&n=40&seed=7&{FULL}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,178 nuclei in crops of 32 px."""
    root = tmp_path_factory.mktemp("channels")
    (root / "stitched").mkdir()
    rng = np.random.default_rng(5)
    labels = np.zeros((SIDE_PX, SIDE_PX), np.uint16)
    for label in range(33 * 33):
        y, x = divmod(label, 33)
        middle = (x * PITCH_PX + PITCH_PX // 2, y * PITCH_PX + PITCH_PX // 2)
        cv2.ellipse(labels, middle, (9, 6), label % 180, 0, 360, label + 1, -1)
    for stem in ("field1", "field2"):
        planes = rng.integers(20, 250, (3, SIDE_PX, SIDE_PX), np.uint8)
        metadata = {"axes": "CYX", "unit": "um", "Labels": CHANNELS}
        tifffile.imwrite(root / "stitched" / f"{stem}.tif", planes, imagej=True, resolution=(4, 4), metadata=metadata)
        Image.fromarray(labels).save(root / "stitched" / f"{stem}_cp_masks.png")
    options = BuildOptions(
        root / "stitched",
        root / "nucleusnet",
        pixels_per_um=4.0,
        splits="train=1",
        recipe=Recipe.refined,
        crop_px=32,
    )
    assert build(options).failures == []
    return root / "nucleusnet"


@pytest.fixture(scope="module")
def served(source: Path, serve: Serve) -> Iterator[Server]:
    with serve(source) as server:
        yield server


@pytest.fixture(scope="module")
def rows(source: Path) -> dict[str, dict[str, Any]]:
    (shard,) = (source / "data").iterdir()
    return {row["nucleus_id"]: row for row in pq.read_table(shard).to_pylist()}


def look(tab: NewTab, server: Server, view: str = FEW, **options: Any) -> Tab:
    looked = tab(**options)
    looked.page.goto(f"{server.url}#{view}")
    drawn(looked.page)
    return looked


def crop(row: dict[str, Any], channel: str) -> npt.NDArray[Any]:
    return decode_cell(row[COLUMNS[channel]]["bytes"])


def tinted(values: npt.NDArray[Any], colour: tuple[int, int, int], low: int = 0, high: int = 255) -> npt.NDArray[Any]:
    share = np.clip((values.astype(float) - low) / (high - low), 0, 1)
    grown: npt.NDArray[Any] = np.floor(share[..., None] * np.array(colour) + 0.5)
    return grown


def added(*layers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = np.minimum(255, sum(layers))
    return total


def held(page: Page) -> set[str]:
    """Columns with cells of the nuclei of the page."""
    found: list[list[str]] = page.eval_on_selector_all(
        TILES,
        "tiles => tiles.map(({ nucleus }) => Object.keys(nucleus).filter(name => nucleus[name] instanceof Uint8Array))",
    )
    assert len({tuple(sorted(columns)) for columns in found}) == 1
    return set(found[0])


def show(page: Page, channel: str) -> None:
    """Switch a channel, and wait until its images have come."""
    page.click(f"#contrast-{channel}-shown")
    drawn(page)
    page.wait_for_timeout(100)


def test_channels_add_up_in_their_colours(tab: NewTab, served: Server, rows: dict[str, Any]) -> None:
    looked = look(tab, served)
    page = looked.page
    for index in (0, 7):
        open_tile(page, index)
        row = rows[page.inner_text("#single-name")]
        layers = [
            tinted(crop(row, name), colour) for name, colour in zip(CHANNELS, (SKY_BLUE, ORANGE, GREEN), strict=True)
        ]
        shown = pixels(page, "#large")
        assert (shown[..., :3] == added(*layers)).all()
        assert (pixels(page, f"{TILES}:nth-child({index + 1}) canvas") == shown).all()
        page.keyboard.press("Escape")
    assert looked.complaints == []


def test_one_channel_alone_is_grey_and_all_come_back(tab: NewTab, served: Server, rows: dict[str, Any]) -> None:
    page = look(tab, served).page
    page.click("#contrast-actin-only")
    assert "channels=actin" in page.url
    open_tile(page, 3)
    grey = pixels(page, "#large")
    row = rows[page.inner_text("#single-name")]
    assert (grey[..., :3] == crop(row, "actin")[..., None]).all()
    assert page.is_disabled("#single-contrast-actin-shown")  # something must be shown
    assert page.is_disabled("#single-contrast-actin-colour")
    assert page.get_attribute("#single-contrast-actin-only", "aria-pressed") == "true"
    assert page.is_hidden("#single-contrast-dapi-min")
    page.click("#single-contrast-actin-only")
    assert "channels=" not in page.url
    assert page.is_checked("#single-contrast-tubulin-shown")


def test_colour_and_contrast_of_a_channel_are_its_own_and_in_the_address(
    tab: NewTab, served: Server, rows: dict[str, Any]
) -> None:
    page = look(tab, served, f"{FEW}&channels=dapi-tubulin").page
    open_tile(page, 2)
    row = rows[page.inner_text("#single-name")]
    set_range(page, "#single-contrast-tubulin-max", 120)
    set_range(page, "#single-contrast-tubulin-min", 40)
    set_range(page, "#single-contrast-tubulin-colour", "#ff0080")  # type: ignore[arg-type]
    page.wait_for_timeout(100)
    wanted = added(tinted(crop(row, "dapi"), SKY_BLUE), tinted(crop(row, "tubulin"), (255, 0, 128), 40, 120))
    assert (pixels(page, "#large")[..., :3] == wanted).all()
    assert "tubulin.contrast=40-120" in page.url
    assert "tubulin.colour=ff0080" in page.url
    page.reload()
    drawn(page)
    page.wait_for_selector("#single[open]")
    page.wait_for_timeout(100)
    assert (pixels(page, "#large")[..., :3] == wanted).all()
    page.keyboard.press("a")
    assert "tubulin.contrast=" not in page.url
    assert "actin.contrast=0-255" in page.url  # it is not shown
    assert page.get_attribute("#single-contrast-tubulin-auto", "aria-pressed") == "true"


@pytest.mark.parametrize("n", [40, 2178])
def test_only_channels_that_are_shown_are_read(tab: NewTab, served: Server, n: int) -> None:
    page = look(tab, served, f"split=train&n={n}&seed=7&channels=actin").page
    assert held(page) == {"image_actin", "mask"}
    first = megabytes(page)
    show(page, "dapi")
    assert held(page) == {"image", "image_actin", "mask"}
    assert "channels=dapi-actin" in page.url
    assert 0 < megabytes(page) < first
    said = page.inner_text("#status")
    show(page, "actin")
    show(page, "actin")
    assert page.inner_text("#status") == said  # nothing was read again
    before = names(page)
    page.click("#contrast-dapi-only")
    page.click("#resample")
    drawn(page)
    assert held(page) == {"image", "mask"}
    assert names(page) != before or n == 2178


def megabytes(page: Page) -> float:
    return float(page.inner_text("#status").split(" MB")[0].split()[-1])


def test_every_channel_is_measured_and_read_out_in_the_single_view(
    tab: NewTab, served: Server, rows: dict[str, Any]
) -> None:
    page = look(tab, served).page
    open_tile(page, 5)
    row = rows[page.inner_text("#single-name")]
    facts = page.inner_text("#facts")
    assert f"Mean intensity, dapi\n{row['mean_intensity']:.1f}" in facts
    assert f"Mean intensity, actin\n{row['mean_intensity_actin']:.1f}" in facts
    assert f"Max. intensity, tubulin\n{row['max_intensity_tubulin']}" in facts
    page.hover("#large", position={"x": 200, "y": 200})
    side = page.eval_on_selector("#large", "canvas => canvas.getBoundingClientRect().width")
    at = int(200 / side * 32)
    values = ", ".join(f"{name} {crop(row, name)[at, at]}" for name in CHANNELS)
    assert page.inner_text("#pixel") == f"x {at}, y {at}: grey value {values}"
    assert page.inner_text("#download") == "Download PNG of dapi"
    page.keyboard.press("Escape")
    page.select_option("#sort", "mean_intensity_tubulin")
    means = [rows[name]["mean_intensity_tubulin"] for name in names(page)]
    assert means == sorted(means)


def test_wrong_channels_in_an_address_are_said_and_left_out(tab: NewTab, served: Server) -> None:
    looked = look(tab, served, "split=train&n=4&seed=1&channels=dapi-rna&dapi.colour=red&actin.contrast=9-3")
    said = looked.page.inner_text("#failure-text")
    assert all(part in said for part in ("channels=dapi-rna", "dapi.colour=red", "actin.contrast=9-3"))
    assert all(looked.page.is_checked(f"#contrast-{name}-shown") for name in CHANNELS)
    assert looked.complaints == []


def test_every_control_of_a_channel_has_a_name_of_its_own(tab: NewTab, served: Server) -> None:
    page = look(tab, served).page
    controls = page.get_by_role("group", name="Channels")
    for name in CHANNELS:
        controls.get_by_role("checkbox", name=name).first.wait_for()
        for button in (f"Only {name}", f"Auto contrast of {name}", f"Reset contrast of {name}"):
            assert controls.get_by_role("button", name=button).count() == 1
        for slider in (f"Grey value of {name} shown black", f"Grey value of {name} shown brightest"):
            assert controls.get_by_role("slider", name=slider).count() == 1
        assert page.get_attribute(f"#contrast-{name}-colour", "aria-label") == f"Colour of {name}"
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_channels_fit_on_a_phone(tab: NewTab, served: Server) -> None:
    page = look(tab, served, width=375, height=740, has_touch=True).page
    sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    page.click("summary")
    assert page.is_visible("#contrast-tubulin-auto")
    assert page.evaluate(sideways) is False
    page.locator(TILES).nth(1).tap()
    page.wait_for_selector("#single[open]")
    assert page.eval_on_selector("#single", "dialog => dialog.scrollWidth > dialog.clientWidth") is False
