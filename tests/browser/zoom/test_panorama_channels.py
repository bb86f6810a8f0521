"""Panoramas of images with several channels: a pyramid for each, and how the page colours and adds them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from playwright.sync_api import Page

from browser.page.export import export_site
from browser.page.server import Server
from browser.page.site import make_site
from browser.page.sources import hub_source, served_source
from browser.zoom.channel_planes import further_planes, tones_of
from browser.zoom.zoom import ZoomOptions, make_panoramas
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.channels import ONE_PLANE, ChannelOptions
from nucleusnet_core.inputs.pairs import FindOptions
from nucleusnet_core.storage.hub_names import HubRepository
from tests.browser.conftest import running
from tests.browser.zoom.conftest import SIZE_PX, entry
from tests.browser.zoom.test_panorama_page import click_nucleus, compact, screen
from tests.browser.zoom.test_zoom import whole
from tests.builder.commands import nucleusnet
from tests.chromium import NewTab, Tab

SKY_BLUE, ORANGE = np.array([0x56, 0xB4, 0xE9]), np.array([0xE6, 0x9F, 0x00])
DAPI, ACTIN, GROUND = 60, 200, 20
PATTERN = r"(?P<run>field)_(?P<channel>\w+)"


@dataclass(frozen=True)
class Study:
    """Images of two channels as planes and as files of their own, with a dataset of each."""

    root: Path
    planes: OpenDataset
    files: OpenDataset

    def stitched(self, kind: str) -> Path:
        return self.root / kind


def channel_pictures() -> list[npt.NDArray[Any]]:
    """DAPI in the left half, actin in the lower half."""
    dapi = np.full((SIZE_PX, SIZE_PX), GROUND, np.uint8)
    actin = dapi.copy()
    dapi[:, : SIZE_PX // 2] = DAPI
    actin[SIZE_PX // 2 :] = ACTIN
    return [dapi, actin]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("channels")
    labels = np.zeros((SIZE_PX, SIZE_PX), np.uint16)
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    for label, (middle_y, middle_x) in enumerate([(270, 250), (260, 850), (820, 300), (800, 800)], 1):
        labels[((y - middle_y) / 40) ** 2 + ((x - middle_x) / 70) ** 2 < 1] = label
    for kind in ("planes", "files"):
        (root / kind).mkdir()
    options: dict[str, Any] = {"pixels_per_um": 4.0, "splits": "train=1", "recipe": Recipe.refined}
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "actin"]}}
    tifffile.imwrite(root / "planes" / "field.ome.tif", np.stack(channel_pictures()), metadata=metadata)
    tifffile.imwrite(root / "planes" / "field_cp_masks.tif", labels)
    for name, picture in zip(("dapi", "actin"), channel_pictures(), strict=True):
        tifffile.imwrite(root / "files" / f"field_{name}.tif", picture)
    tifffile.imwrite(root / "files" / "field_dapi_cp_masks.tif", labels)
    for kind, pattern in (("planes", None), ("files", PATTERN)):
        named: dict[str, Any] = {"name_pattern": pattern} if pattern else {}
        assert build(BuildOptions(root / kind, root / f"nucleusnet_{kind}", **named, **options)).failures == []
    return Study(root, *(open_dataset(root / f"nucleusnet_{kind}") for kind in ("planes", "files")))


@pytest.fixture(scope="module")
def zoomed(study: Study) -> Path:
    out = study.root / "panoramas"
    assert make_panoramas(ZoomOptions(study.stitched("planes"), out), study.planes).failures == {}
    return out


@pytest.fixture(scope="module")
def channel_server(study: Study, zoomed: Path) -> Iterator[Server]:
    with running(Server(make_site(served_source("nucleusnet"), study.planes, zoomed))) as server:
        yield server


def test_every_channel_is_a_pyramid_of_its_own(zoomed: Path) -> None:
    found = entry(zoomed, "field")
    assert found["channels"] == [
        {"name": "dapi", "layer": "image", "bright": DAPI},
        {"name": "actin", "layer": "image_actin", "bright": ACTIN},
    ]
    for channel, picture in zip(found["channels"], channel_pictures(), strict=True):
        shown = whole(zoomed / "field" / f"{channel['layer']}.szi").astype(int)
        assert shown.shape == picture.shape
        assert np.abs(shown - picture).mean() < 1
    assert sorted(found["files"]) == [
        "contours.szi", "fill.szi", "image.szi", "image_actin.szi", "nuclei.json", "thumbnail.jpg",
    ]  # fmt: skip


def test_channels_in_files_of_their_own_make_the_same_pyramids(study: Study, zoomed: Path, tmp_path: Path) -> None:
    out = tmp_path / "panoramas"
    make_panoramas(ZoomOptions(study.stitched("files"), out), study.files)
    assert entry(out, "field")["channels"] == entry(zoomed, "field")["channels"]
    for layer in ("image", "image_actin", "fill"):
        assert (out / "field" / f"{layer}.szi").read_bytes() == (zoomed / "field" / f"{layer}.szi").read_bytes()


def test_one_channel_of_several_makes_a_panorama_like_those_of_one(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "panoramas"
    find = FindOptions(channels=ChannelOptions(only="actin"))
    make_panoramas(ZoomOptions(study.stitched("planes"), out, find), study.planes)
    found = entry(out, "field")
    assert "channels" not in found
    assert "image_actin.szi" not in found["files"]
    assert np.abs(whole(out / "field" / "image.szi").astype(int) - channel_pictures()[1]).mean() < 1


def test_the_command_takes_channels_and_says_which_are_there(study: Study, tmp_path: Path) -> None:
    arguments = ["zoom", str(study.stitched("planes")), study.planes.store.name, "--quiet", "--out"]
    wrong = nucleusnet(
        *arguments, str(tmp_path / "a"), "--channels", "dapi,actin", "--mask-channel", "rna", cwd=tmp_path
    )
    assert wrong.returncode == 2
    assert "--mask-channel: there is no channel rna in field.ome.tif; it has dapi, actin." in wrong.stderr
    assert nucleusnet(*arguments, str(tmp_path / "b"), "--mask-channel", "actin", cwd=tmp_path).returncode == 0
    assert [channel["name"] for channel in entry(tmp_path / "b", "field")["channels"]] == ["actin", "dapi"]


def test_16_bits_are_as_bright_as_their_brightest_pixels() -> None:
    assert (tones_of(np.full((9, 9), 4000, np.uint16)).white, tones_of(np.full((9, 9), 4000, np.uint16)).bright) == (
        4000.0, 255,
    )  # fmt: skip
    assert (tones_of(np.zeros((9, 9), np.uint8)).white, tones_of(np.zeros((9, 9), np.uint8)).bright) == (255, 1)


def test_a_channel_of_another_size_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((8, 9), np.uint8))
    with pytest.raises(InputImageError, match="a further channel is 9 x 8 px, and the image is 9 x 9; export both"):
        list(further_planes(tmp_path / "a.tif", ONE_PLANE, [tmp_path / "b.tif"], (9, 9)))


def walk(tab: NewTab, server: Server, view: str = "", **options: Any) -> Tab:
    looked = tab(**options)
    looked.page.goto(f"{server.url}panorama.html#image=field{view}")
    looked.page.wait_for_selector("body[data-open='field']")
    ready(looked.page)
    return looked


def ready(page: Page) -> None:
    """Wait until all tiles of the channels that are shown are drawn."""
    page.wait_for_function(
        """() => {
            const { world } = window.panoramas.viewer;
            const items = Array.from({ length: world.getItemCount() }, (_, i) => world.getItemAt(i));
            return items.filter(item => item.opacity).every(item => item.getFullyLoaded());
        }"""
    )
    page.wait_for_timeout(400)


def colours(page: Page) -> list[npt.NDArray[Any]]:
    """Colours on the screen above and below, left and right of the middle, as read: left to right, then down."""
    at = page.evaluate(
        """(places) => places.map(([x, y]) => {
            const { picture, viewer } = window.panoramas;
            return viewer.viewport.pixelFromPoint(picture.imageToViewportCoordinates(x, y), true);
        })""",
        [[400, 400], [700, 400], [400, 700], [700, 700]],
    )
    picture = screen(page).astype(int)
    return [picture[round(point["y"]), round(point["x"])] for point in at]


def test_channels_add_up_in_their_colours_and_one_alone_is_grey(tab: NewTab, channel_server: Server) -> None:
    looked = walk(tab, channel_server)
    page = looked.page
    dapi, actin = SKY_BLUE * GROUND / DAPI, ORANGE * GROUND / ACTIN
    wanted = [SKY_BLUE + actin, dapi + actin, np.minimum(255, SKY_BLUE + ORANGE), dapi + ORANGE]
    assert np.abs(np.array(colours(page)) - np.array(wanted)).max() <= 12  # the tiles are lossy
    page.click("#channel-actin-only")
    ready(page)
    dark, bright = 255 * GROUND / ACTIN, 255
    assert np.abs(np.array(colours(page)) - np.array([[dark], [dark], [bright], [bright]])).max() <= 8
    assert "channels=actin" in page.url
    page.fill("#channel-actin-max", "100")
    page.fill("#channel-actin-min", "10")
    ready(page)
    assert np.abs(np.array(colours(page)[0]) - 255 * (GROUND - 10) / 90).max() <= 12
    assert "actin.contrast=10-100" in page.url
    assert looked.complaints == []


def test_tiles_of_channels_are_read_when_they_are_shown_and_once(tab: NewTab, channel_server: Server) -> None:
    looked = walk(tab, channel_server, "&channels=dapi")
    page = looked.page
    szi = "image_actin.szi"
    index = sum(szi in url for url in looked.requests)
    page.click("#channel-actin-shown")
    ready(page)
    shown = sum(szi in url for url in looked.requests)
    assert shown > index
    page.fill("#channel-actin-colour", "#ff00ff")
    page.click("#channel-actin-shown")
    page.click("#channel-actin-shown")
    ready(page)
    assert sum(szi in url for url in looked.requests) == shown
    assert "actin.colour=ff00ff" in page.url
    lower_right = colours(page)[3]
    assert np.abs(lower_right - np.minimum(255, SKY_BLUE * GROUND / DAPI + [255, 0, 255])).max() <= 12


def test_masks_and_clicks_work_above_channels(tab: NewTab, channel_server: Server, zoomed: Path) -> None:
    looked = walk(tab, channel_server, "&channels=actin&actin.colour=00ff00")
    page = looked.page
    nucleus = compact(zoomed, "field", 0)
    click_nucleus(page, nucleus)
    page.wait_for_selector("#crop:not([hidden])")
    facts = page.inner_text("#facts")
    assert f"Mean intensity, dapi\n{nucleus['mean_intensity']:.1f}" in facts
    assert f"Mean intensity, actin\n{nucleus['mean_intensity_actin']:.1f}" in facts
    assert f"nucleus={nucleus['nucleus_id']}" in page.url
    assert "channels=actin&actin.colour=00ff00" in page.url
    before = screen(page)
    page.select_option("#layer", "fill")
    page.wait_for_function("() => window.panoramas.mask")
    ready(page)
    assert (screen(page) != before).any()
    assert looked.complaints == []


def test_channels_are_folded_on_a_phone_and_part_of_an_export(
    tab: NewTab, channel_server: Server, zoomed: Path, tmp_path: Path
) -> None:
    page = walk(tab, channel_server, width=375, height=740, has_touch=True).page
    sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert page.is_hidden("#channel-dapi-shown")
    page.click("summary")
    assert page.is_visible("#channel-actin-auto")
    assert page.evaluate(sideways) is False
    out = tmp_path / "space"
    files = export_site(hub_source(HubRepository("lab/set", None)), "lab/set", out, panoramas=zoomed)
    assert {"panoramas/field/image_actin.szi", "panorama_channels.js"} <= set(files)
    listed = json.loads((out / "panoramas" / "panoramas.json").read_text("utf-8"))
    assert listed["panoramas"][0]["channels"][1]["layer"] == "image_actin"
