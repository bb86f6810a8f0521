"""The page of stitched images, in a real browser: by mouse, by keyboard, on a phone, and alone with itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from builder.analysis.scatter_page import scatter_page, write_scatter_page
from builder.analysis.statistics import ImageStatistics, Ranking, rank_images
from nucleusnet_core.errors import BuildError, OutputError, UsageError
from tests.chromium import NewTab, Tab

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">&amp;{data}"
# Centroid (20, 80), the images one or two standard deviations away from it.
CROSS = [
    ImageStatistics("middle", 20, 80.0, 5.5),
    ImageStatistics("east", 30, 80.0, 2.0),
    ImageStatistics("west", 10, 80.0, 1.0),
    ImageStatistics(HOSTILE, 20, 90.0, 4.0),
    ImageStatistics("south", 20, 70.0, 3.0),
    ImageStatistics("void", 0, None, None),
]


def published() -> Ranking:
    """Return as many images as were published, with their names and about their numbers."""
    random = np.random.default_rng(0)
    names = [
        f"Run{run:02d}{quarter}_{position}"
        for run in range(1, 101)
        for quarter in ("TL", "TR", "BL", "BR")
        for position in ("top_left", "top_right", "bottom_left", "bottom_right")
    ]
    numbers = zip(random.normal(694.5, 120, 1600), random.normal(79, 9, 1600), random.normal(25, 4, 1600), strict=True)
    return rank_images(
        ImageStatistics(name, round(rois), mean, std) for name, (rois, mean, std) in zip(names, numbers, strict=True)
    )


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "kreuz ü.html"
    write_scatter_page(path, rank_images(CROSS), 2)
    return path


@pytest.fixture
def wide(tab: NewTab, cross: Path) -> Iterator[Page]:
    """The page of the cross; it must neither complain nor ask for anything else."""
    opened = shown(tab(width=1000, height=900), cross)
    yield opened.page
    assert_alone(opened, cross)


def shown(opened: Tab, path: Path) -> Tab:
    opened.page.goto(path.as_uri())
    return opened


def assert_alone(opened: Tab, path: Path) -> None:
    assert opened.complaints == []
    assert [url for url in opened.requests if url not in (path.as_uri(), "data:,")] == []


def label(page: Page) -> list[str]:
    tip = page.locator("#tip")
    return tip.locator("strong, span").all_text_contents() if tip.is_visible() else []


def place(page: Page, rank: int) -> tuple[float, float]:
    """Where the image of a rank, from 1, is drawn; the nearest are drawn last."""
    points = page.locator("circle.point")
    box = points.nth(points.count() - rank).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_plot_shows_every_image_the_centroid_and_rings(wide: Page) -> None:
    page = wide
    assert page.locator("circle.point").count() == 5
    assert page.locator("circle.ring").count() == 2
    assert page.locator("path.centroid").count() == 1
    assert page.title() == "Stitched images: ROIs and intensity"
    assert page.locator("#summary").text_content() == (
        "5 stitched images. The centroid has 20.0 ROIs and mean intensity 80.0; rings mark the 2 images nearest to it."
    )
    assert page.locator("#notes li").all_text_contents() == [
        "Without regions of interest, so left out of the centroid: void."
    ]
    assert page.locator("img").count() == 0
    fills = [one.get_attribute("fill") for one in page.locator("circle.point").all()]
    # The nearest is drawn last; standard deviations 1 (west) to 5.5 (middle) run from the dark to the bright end.
    assert (fills[4], fills[0]) == ("rgb(253,231,37)", "rgb(68,1,84)")


def test_pointing_at_an_image_names_it_and_leaving_it_does_not(wide: Page) -> None:
    x, y = place(wide, 2)
    wide.mouse.move(x + 6, y - 6)
    assert label(wide) == [
        HOSTILE,
        "20 ROIs, mean intensity 90.0000, standard deviation 4.0000, distance 1.5811, rank 2",
    ]
    assert wide.title() != "broken"
    wide.mouse.move(x + 60, y + 60)
    assert label(wide) == []


def test_the_keyboard_reaches_every_image(wide: Page) -> None:
    page = wide
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "chart"
    assert label(wide)[0] == "middle"
    # By ROIs: west 10, then 20 in order of rank (middle, the hostile name, south), east 30; by mean: south, 80 ..., 90.
    walked = []
    for key in (
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowUp",
        "ArrowUp",
        "ArrowDown",
        "End",
        "Home",
    ):
        page.keyboard.press(key)
        walked.append(label(wide)[0])
    assert walked == [HOSTILE, "south", "east", "east", "west", HOSTILE, "west", "west", "middle"]
    assert page.locator("#spoken").text_content() == (
        "middle: 20 ROIs, mean intensity 80.0000, standard deviation 5.5000, distance 0.0000, rank 1"
    )
    page.keyboard.press("PageDown")
    assert label(wide)[0] == HOSTILE
    page.keyboard.press("Escape")
    assert label(wide) == []


def test_the_table_shows_the_same_numbers_and_sorts(wide: Page) -> None:
    page = wide
    page.get_by_role("button", name="Table").press("Enter")
    assert not page.locator("#chart").is_visible()
    rows = [row.locator("th, td").all_text_contents() for row in page.locator("tbody tr").all()]
    assert rows == [
        ["1", "middle", "20", "80.0000", "5.5000", "0.0000"],
        ["2", HOSTILE, "20", "90.0000", "4.0000", "1.5811"],
        ["3", "east", "30", "80.0000", "2.0000", "1.5811"],
        ["4", "south", "20", "70.0000", "3.0000", "1.5811"],
        ["5", "west", "10", "80.0000", "1.0000", "1.5811"],
    ]
    page.get_by_role("button", name="ROIs").click()
    assert page.locator("tbody th").all_text_contents() == ["west", "middle", HOSTILE, "south", "east"]
    page.get_by_role("button", name="ROIs").click()
    assert page.locator("tbody th").all_text_contents() == ["east", "middle", HOSTILE, "south", "west"]
    assert page.locator("thead th").nth(2).get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Plot").click()
    assert page.locator("#chart").is_visible()
    assert page.locator("circle.point").count() == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sixteen_hundred_images_fit_on_a_phone_and_into_150_kb(tab: NewTab, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "page.html"
    write_scatter_page(path, published(), 10)
    assert path.stat().st_size < 150_000
    opened = shown(tab(width=375, height=740, color_scheme=scheme, has_touch=True), path)
    page = opened.page
    assert page.locator("circle.point").count() == 1600
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.touchscreen.tap(*place(opened.page, 1600))
    tip = page.locator("#tip").bounding_box()
    assert tip is not None
    assert 0 <= tip["x"] < tip["x"] + tip["width"] <= 375
    assert label(opened.page)[1].endswith(", rank 1600")
    page.get_by_role("button", name="Table").tap()
    assert page.locator("tbody tr").count() == 1600
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    paper, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    bright = {name: sum(map(int, re.findall(r"\d+", value))) for name, value in (("paper", paper), ("ink", ink))}
    assert (bright["paper"] > bright["ink"] + 500) == (scheme == "light")
    assert (bright["ink"] > bright["paper"] + 500) == (scheme == "dark")
    assert_alone(opened, path)


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_or_all_the_same_still_make_a_plot(tab: NewTab, tmp_path: Path, count: int) -> None:
    path = tmp_path / "page.html"
    write_scatter_page(path, rank_images(ImageStatistics(f"i{n}", 5, 7.0, 1.0) for n in range(count)), 10)
    opened = shown(tab(width=600), path)
    opened.page.mouse.move(*place(opened.page, 1))
    assert label(opened.page) == [
        "i0",
        "5 ROIs, mean intensity 7.0000, standard deviation 1.0000, distance 0.0000, rank 1",
    ]
    assert "NaN" not in opened.page.locator("#figure").inner_html()
    assert_alone(opened, path)


def test_the_policy_allows_nothing_but_the_pages_own_script_and_style() -> None:
    page = scatter_page(rank_images(CROSS), 2)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy[1]
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["images"][1] == [
        HOSTILE,
        20,
        90.0,
        4.0,
        1.5811,
    ]


def test_points_and_the_table_link_to_panoramas(tab: NewTab, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_scatter_page(path, rank_images(CROSS), 2, panoramas="panorama.html")
    (tmp_path / "panorama.html").write_text("<title>a panorama</title>", "utf-8")
    page = tab(width=1000, height=900).page
    page.goto(path.as_uri())
    for by_mouse in (True, False):
        page.locator("#chart").focus()
        page.mouse.move(*place(page, 1))
        with page.expect_popup() as opened:
            if by_mouse:
                page.mouse.click(*place(page, 1))
            else:
                page.keyboard.press("Enter")
        assert opened.value.url == (tmp_path / "panorama.html").as_uri() + "#image=middle"
    page.click("#show-table")
    links = page.locator("tbody th a")
    assert links.first.get_attribute("href") == "panorama.html#image=middle"
    assert links.nth(1).text_content() == HOSTILE
    for address in ("javascript:alert(1)", "data:text/html,x", "panorama.html#image=x"):
        with pytest.raises(UsageError, match="--panoramas"):
            scatter_page(rank_images(CROSS), 2, panoramas=address)


def test_the_same_images_give_the_same_page_in_any_order() -> None:
    assert scatter_page(rank_images(CROSS), 2) == scatter_page(rank_images(CROSS[::-1]), 2)


def test_what_cannot_be_shown_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="The page cannot be drawn: no image has regions of interest"):
        scatter_page(rank_images([ImageStatistics("void", 0, None, None)]), 2)
    with pytest.raises(OutputError, match="choose another --page"):
        write_scatter_page(tmp_path / "no" / "page.html", rank_images(CROSS), 2)
