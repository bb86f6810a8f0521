"""Panoramas as people walk through them: in a real browser, every click at the right nucleus."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Page

from browser.page.export import export_site
from browser.page.server import Server
from browser.page.site import panorama_files
from browser.page.sources import hub_source
from nucleusnet_core.errors import ManifestError
from nucleusnet_core.storage.hub_names import HubRepository
from tests.browser.zoom.conftest import SLIDE, Named
from tests.chromium import NewTab


def click_nucleus(page: Page, nucleus: dict[str, Any]) -> None:
    """Click the middle of a nucleus of the panorama that is open."""
    at = page.evaluate(
        """([x, y]) => {
            const { picture, viewer } = window.panoramas;
            return viewer.viewport.pixelFromPoint(picture.imageToViewportCoordinates(x, y), true);
        }""",
        [nucleus["centroid_x"], nucleus["centroid_y"]],
    )
    box = page.locator("#viewer").bounding_box()
    assert box
    page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])


def compact(folder: Path, name: str, number: int) -> dict[str, Any]:
    """A nucleus whose centroid is on its mask: the roundest of a part of a panorama."""
    known = json.loads((folder / name / "nuclei.json").read_text("utf-8"))["nuclei"]
    own = [nucleus for place, nucleus in known.items() if place.startswith(f"{number}/") and nucleus["components"] == 1]
    return dict(min(own, key=lambda nucleus: (nucleus["eccentricity"], nucleus["nucleus_id"])))


def opened_page(tab: NewTab, url: str, view: str, name: str, **options: Any) -> Page:
    page = tab(**options).page
    page.goto(f"{url}panorama.html#{view}")
    page.wait_for_selector(f"body[data-open='{name}']")
    return page


def settled(page: Page) -> None:
    """Wait until all tiles in view are there and drawn."""
    page.wait_for_function(
        """() => {
            const { viewer, mask } = window.panoramas;
            const items = Array.from({ length: viewer.world.getItemCount() }, (_, i) => viewer.world.getItemAt(i));
            const wanted = document.getElementById("layer").value !== "";
            return Boolean(mask) === wanted && items.length && items.every((item) => item.getFullyLoaded());
        }"""
    )
    page.wait_for_timeout(300)


def screen(page: Page) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(page.locator("#viewer").screenshot())).convert("RGB"))


def colourfulness(picture: npt.NDArray[np.uint8]) -> int:
    """Sum over all pixels of the largest minus the smallest channel: 0 for grey."""
    return int(np.ptp(picture.astype(int), axis=2).sum())


def test_a_click_on_a_mask_shows_its_crop_and_measurements(tab: NewTab, zoom_server: Server, panoramas: Path) -> None:
    looked = tab()
    page = looked.page
    page.goto(f"{zoom_server.url}panorama.html#image=sample_x")
    page.wait_for_selector("body[data-open='sample_x']")
    nucleus = compact(panoramas, "sample_x", 0)
    settled(page)
    click_nucleus(page, nucleus)
    page.wait_for_selector("#crop:not([hidden])")
    assert page.inner_text("#nucleus-name") == nucleus["nucleus_id"]
    assert f"{nucleus['area_px']:,} px" in page.inner_text("#facts")
    assert f"nucleus={nucleus['nucleus_id']}" in page.url
    page.click("#show")
    page.wait_for_function("() => document.querySelector('.chosen')?.getBoundingClientRect().width > 60")
    assert [url for url in looked.requests if not url.startswith(zoom_server.url)] == []
    assert looked.complaints == []


def test_masks_change_the_picture_with_their_opacity(tab: NewTab, zoom_server: Server) -> None:
    page = opened_page(tab, zoom_server.url, "image=sample_x", "sample_x")
    settled(page)
    bar = colourfulness(screen(page))  # the scale bar is red
    shown = []
    for layer, opacity in (("fill", None), ("fill", 100), ("contours", None), ("", None)):
        page.select_option("#layer", layer)
        if opacity is not None:
            page.eval_on_selector(
                "#opacity",
                "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')) }",
                opacity,
            )
        settled(page)
        shown.append(colourfulness(screen(page)) - bar)
    faint, full, lines, none = shown
    assert full > 1.5 * faint > 0
    assert 0 < lines < full
    assert none == 0


def test_a_nucleus_of_the_cell_browser_is_found_in_its_panorama(tab: NewTab, zoom_server: Server) -> None:
    page = tab().page
    page.goto(f"{zoom_server.url}#split=train&n=5&seed=1")
    page.wait_for_selector("body[data-drawn]")
    assert page.is_visible("#panoramas")
    page.locator(".tile").first.click()
    page.wait_for_selector("#panorama:not([hidden])")
    name = page.inner_text("#single-name")
    page.click("#panorama")
    page.wait_for_selector("#crop:not([hidden])")
    assert page.inner_text("#nucleus-name") == name


def test_the_address_of_an_image_opens_the_panorama_that_holds_it(tab: NewTab, zoom_server: Server) -> None:
    page = opened_page(tab, zoom_server.url, "image=Run07TL_top_right", "Run7")
    assert page.is_hidden("#failure")
    page.evaluate("() => { location.hash = 'image=Run99' }")
    page.wait_for_selector("#failure:not([hidden])")
    assert "There is no panorama of Run99 here." in page.inner_text("#failure-text")


def test_the_scale_bar_follows_the_zoom(tab: NewTab, zoom_server: Server) -> None:
    page = opened_page(tab, zoom_server.url, "image=sample_x", "sample_x")
    page.wait_for_selector("#bar:not([hidden])")
    for _ in range(3):
        page.wait_for_timeout(900)
        bar = page.locator("#bar-line").bounding_box()
        zoom = page.evaluate(
            "() => window.panoramas.picture.viewportToImageZoom(window.panoramas.viewer.viewport.getZoom(true))"
        )
        um = float(page.inner_text("#bar-text").split()[0])
        assert bar
        assert bar["width"] == pytest.approx(um * 8.0453 * zoom, abs=0.6)
        assert 60 <= bar["width"] <= 161
        page.click("#in")


def test_the_mosaic_names_the_run_under_the_pointer(tab: NewTab, zoom_server: Server) -> None:
    page = opened_page(tab, zoom_server.url, "image=10k", "10k")
    box = page.locator("#viewer").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    said = []
    for offset in (-4, 4):
        page.mouse.move(box["x"] + box["width"] / 2, middle + offset)
        said.append(page.inner_text("#under"))
    assert said == ["Run 7", "Run sample_x"]
    assert page.is_disabled("#layer")


def test_a_phone_can_walk_too(tab: NewTab, zoom_server: Server) -> None:
    page = opened_page(tab, zoom_server.url, "image=Run7", "Run7", width=375, height=740, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth") is False
    page.locator("#list button").nth(1).tap()
    page.wait_for_selector("body[data-open='sample_x']")
    assert page.get_attribute("#list button[data-name='sample_x']", "aria-current") == "true"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a")].filter(e =>
            !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).length"""
    )
    assert nameless == 0


def test_the_cell_browser_filters_by_runs_that_are_names(tab: NewTab, named: Named) -> None:
    page = tab().page
    page.goto(f"{named.url}#split=train&n={named.opened.manifest.kept}&seed=1")
    page.wait_for_selector("body[data-drawn]")
    assert page.eval_on_selector_all("#value option", "all => all.map(one => one.value)") == [
        "", "plateA", "plateB", SLIDE,
    ]  # fmt: skip
    page.select_option("#value", "plateA")
    images = page.eval_on_selector_all(".tile", "tiles => tiles.map(tile => tile.nucleus.stitched_image)")
    assert set(images) == {"plateA_1", "plateA_2"}
    page.locator(".tile").first.click()
    page.wait_for_selector("#single[open]")
    assert "Run\nplateA\n" in page.inner_text("#facts")


def test_a_panorama_whose_name_has_signs_of_addresses_is_shown(tab: NewTab, named: Named) -> None:
    looked = tab()
    looked.page.goto(f"{named.url}panorama.html")
    looked.page.wait_for_selector("body[data-open='plateA_2']")
    settled(looked.page)
    looked.page.locator(f"#list button[data-name='{SLIDE}']").click()
    looked.page.wait_for_selector(f"body[data-open='{SLIDE}']")
    settled(looked.page)
    nucleus = compact(named.panoramas, SLIDE, 0)
    click_nucleus(looked.page, nucleus)
    looked.page.wait_for_selector("#crop:not([hidden])")
    assert looked.page.inner_text("#nucleus-name") == nucleus["nucleus_id"]
    assert looked.page.eval_on_selector_all("#list img", "all => all.every(one => one.naturalWidth > 0)")
    assert looked.page.is_hidden("#failure")
    assert looked.complaints == []


def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    ways_out = (("..", "passwd"), ("a", "../b"), ("a/b", "c"), (".a", "b"), ("a", ".b"), ("a\\b", "c"), ("C:a", "b"))
    for name, file in ways_out:
        listed = {"format": 1, "panoramas": [{"name": name, "files": {file: 3}}]}
        (tmp_path / "panoramas.json").write_text(json.dumps(listed), "utf-8")
        with pytest.raises(ManifestError, match="not plain names of files"):
            panorama_files(tmp_path)
    (tmp_path / "panoramas.json").write_text("[]", "utf-8")
    with pytest.raises(ManifestError, match="cannot be read as a list of panoramas"):
        panorama_files(tmp_path)


def test_panoramas_are_part_of_an_export(panoramas: Path, tmp_path: Path) -> None:
    out = tmp_path / "space"
    files = export_site(hub_source(HubRepository("lab/set", None)), "lab/set", out, panoramas=panoramas)
    assert json.loads((out / "source.json").read_text("utf-8"))["panoramas"] == "panoramas/"
    szi = "sample_x/fill.szi"
    assert f"panoramas/{szi}" in files
    assert (out / "panoramas" / szi).read_bytes() == (panoramas / szi).read_bytes()
    assert "Content-Security-Policy" in (out / "panorama.html").read_text("utf-8")
