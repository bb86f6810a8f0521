"""The cell browser as people use it, in a real Chromium, from the real server."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Page

from browser.page.server import Server, new_secret
from browser.page.site import make_site
from browser.page.sources import served_source
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.sampling.choose import choose_rows
from tests.browser.conftest import Serve, running
from tests.chromium import NewTab, Tab
from tests.dataset_folder import nucleus_mask, nucleus_pixels, write_dataset_folder
from tests.range_server import serve as serve_ranges
from tests.shard_facts import facts_of

TILES = "#sheet > .tile"
FEW = "split=train&n=40&seed=7"


@pytest.fixture
def look(tab: NewTab, server: Server) -> Callable[..., Tab]:
    """Opens the page and waits until the sample is drawn."""

    def opened(view: str = FEW, *, url: str = server.url, **options: Any) -> Tab:
        looked = tab(**options)
        looked.page.goto(f"{url}#{view}")
        drawn(looked.page)
        return looked

    return opened


def drawn(page: Page) -> None:
    page.wait_for_selector("body[data-drawn]", timeout=30_000)


def names(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(TILES, "tiles => tiles.map(tile => tile.nucleus.nucleus_id)")
    return found


def numbers(page: Page) -> list[int]:
    return [int(name.rpartition("_")[2]) for name in names(page)]


def pixels(page: Page, selector: str) -> npt.NDArray[np.uint8]:
    """Return what an opaque canvas holds: uint8 (height, width, RGBA)."""
    address = page.eval_on_selector(selector, "canvas => canvas.toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGBA"))


def set_range(page: Page, selector: str, value: int) -> None:
    page.eval_on_selector(
        selector, "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')) }", value
    )


def open_tile(page: Page, index: int) -> int:
    """Open a tile; return the number of its nucleus."""
    page.locator(TILES).nth(index).click()
    page.wait_for_selector("#single[open]")
    return numbers(page)[index]


def expected_ids(source: Path, split: str, n: int, seed: int) -> list[str]:
    """Return what `nucleusnet sample` draws."""
    import pyarrow.parquet as pq

    shards = open_dataset(source).shards("default", split)
    ids = [name for shard in shards for name in pq.read_table(source / shard.path)["nucleus_id"].to_pylist()]
    return [ids[row] for row in choose_rows([shard.rows for shard in shards], n, seed=seed)]


def test_a_thousand_nuclei_come_in_few_requests_from_one_host_without_complaint(
    look: Callable[..., Tab], server: Server, folder: Path
) -> None:
    looked = look("split=train&n=1000&seed=7")
    assert looked.page.locator(TILES).count() == 1000
    assert names(looked.page) == expected_ids(folder, "train", 1000, 7)
    assert [url for url in looked.requests if not url.startswith(server.url)] == []
    data = [url for url in looked.requests if "/data/" in url]
    assert 3 <= len(data) <= 40
    said = looked.page.inner_text("#status")
    assert re.search(r"1,000 random nuclei from \d+ blocks in \d data files?: \d+ requests, [\d.]+ MB", said), said
    assert float(re.findall(r"([\d.]+) MB", said)[0]) < 20
    assert looked.complaints == []


def test_the_page_weighs_little(look: Callable[..., Tab], server: Server) -> None:
    import gzip

    own = [url for url in look().requests if "/data/" not in url and url.startswith(server.url)]
    paths = {url.removeprefix(server.url).partition("#")[0] or "index.html" for url in own}
    weight = sum(len(gzip.compress(server.site.contents[path].read(0, 1 << 30))) for path in paths)
    assert "vendor/hyparquet/read.js" in paths
    assert weight < 150_000


def test_only_tiles_near_the_window_are_decoded_and_others_when_they_come_near(look: Callable[..., Tab]) -> None:
    page = look("split=train&n=1000&seed=7").page
    count = "tiles => tiles.filter(tile => tile.firstChild.width === 256).length"
    page.wait_for_function(f"() => document.querySelector('{TILES} canvas').width === 256")
    assert 20 < page.eval_on_selector_all(TILES, count) < 300
    page.locator(TILES).last.scroll_into_view_if_needed()
    page.wait_for_function(f"() => [...document.querySelectorAll('{TILES} canvas')].at(-1).width === 256")
    page.wait_for_function(f"() => document.querySelector('{TILES} canvas').width === 0")


@pytest.mark.parametrize("n", [1, 40, 60])
def test_the_seed_draws_what_the_command_draws(look: Callable[..., Tab], folder: Path, n: int) -> None:
    assert names(look(f"split=test&n={n}&seed=11").page) == expected_ids(folder, "test", n, 11)


def test_resample_draws_others_and_back_brings_the_first_again(look: Callable[..., Tab]) -> None:
    page = look().page
    first = names(page)
    page.click("#resample")
    drawn(page)
    second = names(page)
    assert len(second) == len(first) == 40
    assert second != first
    assert f"seed={page.input_value('#seed')}" in page.url
    page.go_back()
    page.wait_for_selector("body[data-drawn='7']")
    assert names(page) == first


def test_a_typed_seed_is_drawn_and_a_wrong_one_is_not(look: Callable[..., Tab], folder: Path) -> None:
    page = look().page
    page.fill("#seed", "18446744073709551615")
    page.press("#seed", "Enter")
    page.wait_for_selector("body[data-drawn='18446744073709551615']")
    assert names(page) == expected_ids(folder, "train", 40, 2**64 - 1)
    page.fill("#seed", "18446744073709551616")
    page.click("#resample")
    assert page.eval_on_selector("#seed", "input => input.checkValidity()") is False
    assert page.evaluate("document.body.dataset.drawn") == "18446744073709551615"


def test_crops_are_shown_pixel_for_pixel(look: Callable[..., Tab]) -> None:
    page = look(f"{FEW}&min=0&max=255").page
    for index in (0, 5):
        number = open_tile(page, index)
        shown = pixels(page, "#large")
        assert (shown[..., 0] == nucleus_pixels(number)).all()
        assert (shown[..., 1] == shown[..., 0]).all()
        assert (shown[..., 3] == 255).all()
        assert (pixels(page, f"{TILES}:nth-child({index + 1}) canvas") == shown).all()
        page.keyboard.press("Escape")


@pytest.mark.parametrize(("bit_depth", "stored"), [(8, False), (16, True), (16, False)])
def test_ordinary_pngs_and_16_bits_are_shown_as_pillow_reads_them(
    look: Callable[..., Tab], tmp_path: Path, serve: Serve, bit_depth: int, *, stored: bool
) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 30}, bit_depth=bit_depth, stored=stored)
    low, high = (20, 200) if bit_depth == 8 else (5_000, 60_000)
    with serve(folder) as server:
        page = look(f"split=train&n=12&seed=1&min={low}&max={high}", url=server.url).page
        number = open_tile(page, 3)
        grey = np.clip((nucleus_pixels(number, bit_depth).astype(float) - low) / (high - low), 0, 1) * 255
        assert (pixels(page, "#large")[..., 0] == np.floor(grey + 0.5)).all()


def test_contrast_changes_pixels_as_it_says_in_sheet_and_single_view(look: Callable[..., Tab]) -> None:
    page = look().page
    number = open_tile(page, 2)
    values = nucleus_pixels(number).astype(float)
    for low, high in ((0, 255), (40, 120), (119, 120)):
        set_range(page, "#single-contrast-min", 0)
        set_range(page, "#single-contrast-max", high)
        set_range(page, "#single-contrast-min", low)
        page.wait_for_timeout(60)
        expected = np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5)
        assert (pixels(page, "#large")[..., 0] == expected).all()
        assert (pixels(page, f"{TILES}:nth-child(3) canvas")[..., 0] == expected).all()
        assert f"min={low}&max={high}" in page.url
    page.click("#single-contrast-reset")
    assert "min=0&max=255" in page.url
    page.click("#single-contrast-auto")
    assert "min=" not in page.url
    assert page.get_attribute("#single-contrast-auto", "aria-pressed") == "true"


def test_automatic_contrast_is_between_percentiles_of_the_pixels_of_the_nuclei(look: Callable[..., Tab]) -> None:
    page = look().page
    values = np.concatenate([crop[crop > 0] for crop in map(nucleus_pixels, numbers(page))])
    low, high = (int(page.input_value(f"#contrast-{end}")) for end in ("min", "max"))
    assert abs(low - np.percentile(values, 1)) <= 1
    assert abs(high - np.percentile(values, 99.8)) <= 1


def test_the_scale_bar_is_a_micrometre_long_at_every_size(look: Callable[..., Tab]) -> None:
    for width in (1280, 375):
        page = look(width=width).page
        open_tile(page, 0)
        page.wait_for_selector("#bar:not([hidden])")
        bar = page.locator("#bar-line").bounding_box()
        canvas = page.locator("#large").bounding_box()
        assert bar
        assert canvas
        assert bar["width"] == pytest.approx(8.0453 * canvas["width"] / 256, abs=0.05)
        assert page.inner_text("#bar-text") == "1 µm"
        page.keyboard.press("Escape")
        tile = page.locator(TILES).first.bounding_box()
        sheet_bar = page.locator("#sheet-bar-line").bounding_box()
        assert tile
        assert sheet_bar
        assert sheet_bar["width"] == pytest.approx(10 * 8.0453 * tile["width"] / 256, abs=0.6)


def test_the_outline_is_the_border_of_the_mask(look: Callable[..., Tab]) -> None:
    page = look(f"{FEW}&min=0&max=255").page
    number = open_tile(page, 1)
    before = pixels(page, "#large")
    page.check("#single-outline")
    page.wait_for_timeout(60)
    changed = (pixels(page, "#large") != before).any(axis=2)
    padded = np.pad(nucleus_mask(number), 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    assert (changed == (nucleus_mask(number) & ~inner)).all()
    assert page.is_checked("#outline")
    assert "outline=1" in page.url


def test_filter_and_order_act_on_the_sample_and_are_in_the_address(look: Callable[..., Tab]) -> None:
    page = look().page
    everything = sorted(names(page))
    page.select_option("#sort", "area_um2")
    areas = page.eval_on_selector_all(TILES, "tiles => tiles.map(tile => tile.nucleus.area_um2)")
    assert areas == sorted(areas)
    page.click("#direction")
    turned = page.eval_on_selector_all(TILES, "tiles => tiles.map(tile => tile.nucleus.area_um2)")
    assert turned == sorted(areas, reverse=True)
    page.select_option("#value", "3")
    some = names(page)
    assert some
    assert sorted(some) == [name for name in everything if name.startswith("Run03")]
    assert any(int(name.split("_")[-1]) % 5 == 0 for name in some)  # whose column run is null
    assert page.get_attribute("#sheet", "aria-label") == f"Contact sheet of {len(some)} nuclei".replace(
        "1 nuclei", "1 nucleus"
    )
    link = page.url
    assert "sort=area_um2" in link
    assert "value=3" in link
    assert "order=descending" in link
    page.goto("about:blank")
    page.goto(link)
    drawn(page)
    assert names(page) == some
    page.select_option("#value", "")
    assert sorted(names(page)) == everything


def test_nuclei_are_told_apart_by_a_column_of_the_dataset(
    look: Callable[..., Tab], tmp_path: Path, serve: Serve
) -> None:
    folder = tmp_path / "treated"
    write_dataset_folder(folder, {"train": 40}, treated=True)
    with serve(folder) as server:
        page = look("split=train&n=40&seed=7", url=server.url).page
        offered = page.eval_on_selector_all("#by option", "options => options.map(option => option.text)")
        assert offered == ["Run", "Image", "treatment", "Warning"]
        page.select_option("#by", "treatment")
        values = page.eval_on_selector_all("#value option", "options => options.map(option => option.text)")
        assert values == ["all", "drug 0 (12)", "drug 1 (12)", "drug 2 (11)", "not stated (5)"]
        page.select_option("#value", "drug 1")
        assert sorted(numbers(page)) == [number for number in range(1, 41) if number % 3 == 1 and number % 7]
        assert "by=treatment&value=drug+1" in page.url
        page.reload()
        drawn(page)
        assert len(numbers(page)) == 12
        open_tile(page, 0)
        assert "treatment\ndrug 1" in page.inner_text("#facts")


def test_nuclei_in_their_surroundings_are_outlined_unless_that_is_switched_off(
    look: Callable[..., Tab], tmp_path: Path, serve: Serve
) -> None:
    write_dataset_folder(tmp_path, {"train": 40})
    manifest = tmp_path / "manifest.json"
    text = manifest.read_text("utf-8").replace('"parameters": {', '"parameters": {"outside": "keep",')
    manifest.write_text(text, "utf-8")
    with serve(tmp_path) as server:
        page = look(url=server.url).page
        assert page.is_checked("#outline")
        assert "outline" not in page.url
        number = open_tile(page, 0)
        yellow = (pixels(page, "#large") == (255, 216, 79, 255)).all(axis=2)
        mask = np.pad(nucleus_mask(number), 1)
        inner = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        assert np.array_equal(yellow, mask[1:-1, 1:-1] & ~inner)
        page.uncheck("#single-outline")
        assert "outline=0" in page.url
        page.reload()
        drawn(page)
        assert not page.is_checked("#outline")


def test_nuclei_with_warnings_are_left_out_or_shown_alone(look: Callable[..., Tab]) -> None:
    """Nucleus number n has the warnings saturated and dim, dim, or none, as n divided by 3 leaves 0, 1 or 2."""
    page = look().page
    has = {"none": [2], "dim": [0, 1], "saturated": [0]}
    counts = {word: sum(number % 3 in rest for number in numbers(page)) for word, rest in has.items()}
    page.select_option("#by", "warnings")
    offered = page.eval_on_selector_all("#value option", "options => options.map(option => option.text)")
    assert offered == ["all", *(f"{word} ({counts[word]})" for word in ("dim", "none", "saturated"))]
    for word, rest in has.items():
        page.select_option("#value", word)
        assert len(names(page)) == counts[word] > 0
        assert {number % 3 for number in numbers(page)} == set(rest)
    assert "by=warnings&value=saturated" in page.url


def test_a_link_shows_the_same_nucleus_to_others(look: Callable[..., Tab]) -> None:
    page = look().page
    open_tile(page, 9)
    page.keyboard.press("ArrowRight")
    link, name = page.url, page.inner_text("#single-name")
    other = look(link.partition("#")[2]).page
    other.wait_for_selector("#single[open]")
    assert other.inner_text("#single-name") == name
    assert other.inner_text("#position") == "11 of 40"


def test_an_address_that_makes_no_sense_is_said_and_left_out(look: Callable[..., Tab]) -> None:
    looked = look("split=nothing&n=9999999&seed=-1&min=7&max=x")
    said = looked.page.inner_text("#failure-text")
    assert all(part in said for part in ("split=nothing", "n=9999999", "seed=-1", "max=x"))
    assert looked.page.locator(TILES).count() == 1000
    assert looked.complaints == []


def test_everything_can_be_done_with_the_keyboard(look: Callable[..., Tab]) -> None:
    page = look().page
    page.locator(TILES).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    columns = page.eval_on_selector_all(TILES, "t => t.filter(x => x.offsetTop === t[0].offsetTop).length")
    at = "[...document.querySelectorAll('.tile')].indexOf(document.activeElement)"
    assert page.evaluate(at) == 1 + columns
    page.keyboard.press("End")
    assert page.evaluate(at) == 39
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_selector("#single[open]")
    assert page.inner_text("#position") == "1 of 40"
    for key, position in (
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("End", 40),
        ("ArrowRight", 40),
        ("Home", 1),
    ):
        page.keyboard.press(key)
        assert page.inner_text("#position") == f"{position} of 40"
    page.keyboard.press("o")
    assert page.is_checked("#single-outline")
    page.focus("#index")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#position") == "2 of 40"
    page.keyboard.press("Escape")
    assert page.evaluate("document.getElementById('single').open") is False
    page.wait_for_function(f"() => {at} === 1")
    page.keyboard.press("Tab")
    assert page.evaluate(at) == -1


def test_the_slider_and_the_buttons_walk_through_the_sheet(look: Callable[..., Tab]) -> None:
    page = look().page
    open_tile(page, 0)
    assert page.is_disabled("#previous")
    page.click("#next")
    assert page.inner_text("#position") == "2 of 40"
    set_range(page, "#index", 40)
    assert page.inner_text("#position") == "40 of 40"
    assert page.is_disabled("#next")
    assert page.inner_text("#single-name") == names(page)[39]


def test_measurements_values_and_the_stored_png_are_those_of_the_dataset(look: Callable[..., Tab]) -> None:
    page = look().page
    number = open_tile(page, 4)
    facts = page.inner_text("#facts")
    assert f"{int(nucleus_mask(number).sum()):,} px" in facts
    assert f"Label\n{number}" in facts
    box = page.locator("#large").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 130.5 / 256, box["y"] + box["height"] * 100.5 / 256)
    assert page.inner_text("#pixel") == f"x 130, y 100: grey value {nucleus_pixels(number)[100, 130]}"
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == f"{names(page)[4]}.png"
    found = np.asarray(Image.open(io.BytesIO(Path(download.value.path()).read_bytes())))
    assert (found == nucleus_pixels(number)).all()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_phone_shows_all_without_sideways_scrolling_and_with_enough_contrast(
    look: Callable[..., Tab], color_scheme: str
) -> None:
    page = look(width=375, height=740, color_scheme=color_scheme, has_touch=True).page
    sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert page.evaluate(sideways) is False
    page.click("summary")
    assert page.is_visible("#contrast-auto")
    assert page.evaluate(sideways) is False
    assert ratio(page, "label:has(#split)") >= 4.5
    assert ratio(page, "#resample") >= 4.5
    assert ratio(page, "footer p") >= 4.5
    page.locator(TILES).nth(2).tap()
    page.wait_for_selector("#single[open]")
    assert page.eval_on_selector("#single", "dialog => dialog.scrollWidth > dialog.clientWidth") is False
    assert ratio(page, "#facts dt") >= 4.5
    page.keyboard.press("Escape")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert ratio(page, "label:has(#split)") >= 4.5


def ratio(page: Page, selector: str) -> float:
    """Return the contrast of text and ground as WCAG 2.2 defines it."""
    colours = page.eval_on_selector(
        selector,
        """element => {
            let ground = element;
            while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
        }""",
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_control_has_a_name_for_screen_readers_and_ids_are_unique(look: Callable[..., Tab]) -> None:
    page = look().page
    open_tile(page, 0)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, [role=img], [role=group]")].filter(e => {
            const named = e.getAttribute("aria-label") || e.getAttribute("title") || e.textContent.trim();
            const label = e.labels?.length ? e.labels[0].textContent.trim() : "";
            const other = e.getAttribute("aria-labelledby");
            return !(named || label || (other && document.getElementById(other)?.textContent.trim()));
        }).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('h1, main, header, footer')].length") == 4
    assert page.evaluate("document.querySelectorAll('#sheet [tabindex=\"0\"]').length") == 1


def start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    command = [
        sys.executable,
        "-m",
        "nucleusnet_core.terminal.program",
        "browse",
        str(folder),
        "--no-open",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    assert process.stdout
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_server_that_goes_away_is_said_and_the_page_goes_on_when_it_is_back(tab: NewTab, folder: Path) -> None:
    process, url = start(folder, 0)
    try:
        page = tab().page
        page.goto(f"{url}#{FEW}")
        drawn(page)
        end(process)
        page.click("#resample")
        page.wait_for_selector("#failure:not([hidden])", timeout=10_000)
        assert "the server cannot be reached" in page.inner_text("#failure-text")
        process, _ = start(folder, int(url.rstrip("/").rpartition(":")[2]))
        page.click("#retry")
        drawn(page)
        assert page.is_hidden("#failure")
        assert page.locator(TILES).count() == 40
    finally:
        end(process)


def test_a_browser_without_scripts_is_told_what_is_needed(tab: NewTab, server: Server) -> None:
    page = tab(java_script_enabled=False).page
    page.goto(server.url)
    assert "it needs a browser from 2023 or newer with JavaScript" in page.inner_text("#start").replace("\n", " ")


def test_a_missing_shard_is_named_and_other_splits_still_open(tab: NewTab, tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 20, "test": 20})
    with serve(folder) as server:
        (folder / "data/train-00000-of-00001.parquet").unlink()
        page = tab().page
        page.goto(f"{server.url}#split=train&n=5&seed=1")
        page.wait_for_selector("#failure:not([hidden])")
        assert "train-00000-of-00001.parquet does not exist; " in page.inner_text("#failure-text")
        page.select_option("#split", "test")
        drawn(page)
        assert page.locator(TILES).count() == 5


def test_a_damaged_shard_is_an_error_and_not_a_picture(tab: NewTab, tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 20})
    shard = folder / "data/train-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[-8:-4] = b"\xff\xff\xff\x7f"
    shard.write_bytes(data)
    with serve(folder) as server:
        page = tab().page
        page.goto(f"{server.url}#split=train&n=5&seed=1")
        page.wait_for_selector("#failure:not([hidden])")
        assert "data/train-00000-of-00001.parquet" in page.inner_text("#failure-text")


def test_a_damaged_cell_is_marked_and_all_others_are_shown(tab: NewTab, tmp_path: Path, serve: Serve) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 20})
    shard = folder / "data/train-00000-of-00001.parquet"
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[7]["image"]["bytes"] = rows[7]["image"]["bytes"][:3000]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), shard, compression="zstd")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (listed,) = [entry for entry in manifest["shards"] if entry["config"] == "default"]
    data = shard.read_bytes()
    listed |= facts_of(data)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with serve(folder) as server:
        looked = tab()
        looked.page.goto(f"{server.url}#split=train&n=20&seed=1")
        drawn(looked.page)
        looked.page.wait_for_selector(f"{TILES}.broken")
        shown = "tiles => tiles.filter(tile => tile.firstChild.width === 256 && !tile.matches('.broken')).length"
        assert looked.page.eval_on_selector_all(TILES, shown) == 19
        assert (looked.page.get_attribute(f"{TILES}.broken", "title") or "") == (
            f"{rows[7]['nucleus_id']}: the pixels of the PNG are damaged and cannot be unpacked."
        )
        assert looked.complaints == []


def test_seventy_shards_are_one_dataset(tab: NewTab, tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 350}, shard_rows=5)
    with serve(folder) as server:
        page = tab().page
        page.goto(f"{server.url}#split=train&n=300&seed=3")
        drawn(page)
        assert names(page) == expected_ids(folder, "train", 300, 3)
        assert "in 70 data files" in page.inner_text("#status")


def test_a_url_is_read_through_the_server(tab: NewTab, folder: Path, serve: Serve) -> None:
    with serve_ranges(folder) as elsewhere, serve(elsewhere.url) as server:
        looked = tab()
        looked.page.goto(f"{server.url}#{FEW}")
        drawn(looked.page)
        assert names(looked.page) == expected_ids(folder, "train", 40, 7)
        assert [url for url in looked.requests if not url.startswith(server.url)] == []
        assert {seen.path for seen in elsewhere.seen} >= {"manifest.json"}


def test_the_policy_stops_requests_to_other_hosts(look: Callable[..., Tab], folder: Path) -> None:
    page = look().page
    with serve_ranges(folder) as elsewhere:
        said = page.evaluate(f"fetch('{elsewhere.url}/manifest.json').then(() => 'sent', error => error.name)")
        assert said == "TypeError"
        assert elsewhere.seen == []


@pytest.mark.parametrize("said", ["1: build the dataset again", "3: get a newer nucleusnet"])
def test_a_manifest_of_another_format_is_said(
    said: str, tab: NewTab, tmp_path: Path, folder: Path, serve: Serve
) -> None:
    number, remedy = said.split(": ")
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with serve(copy) as server:
        page = tab().page
        manifest = json.loads((copy / "manifest.json").read_text("utf-8")) | {"format": int(number)}
        page.route("**/manifest.json", lambda route: route.fulfill(json=manifest))
        page.goto(server.url)
        page.wait_for_selector("#failure:not([hidden])")
        message = f"manifest.json has format {number}, and this page reads format 2; {remedy}."
        assert message in page.inner_text("#failure-text")


def test_the_page_works_where_its_address_holds_a_secret(look: Callable[..., Tab], folder: Path) -> None:
    opened = open_dataset(folder)
    with running(Server(make_site(served_source(opened.store.name), opened), secret=new_secret())) as server:
        looked = look(url=server.url)
        assert names(looked.page) == expected_ids(folder, "train", 40, 7)
        assert [url for url in looked.requests if not url.startswith(server.url)] == []
        assert looked.complaints == []
