"""Panoramas: every mask in a colour of its own, every tile where it belongs, every click at the right nucleus."""

import functools
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import Page

from browser.page.export import export_site
from browser.page.server import Server
from browser.page.site import make_site, panorama_files
from browser.page.sources import hub_source, served_source
from browser.zoom.mosaic import mosaic_strips
from browser.zoom.panoramas import IMAGE_SUFFIXES, MASK_SUFFIXES, Files, choose_images, find_part, grid_place
from browser.zoom.pyramids import coloured, contours, labels_of, open_mask
from browser.zoom.zoom import ZoomOptions, is_panorama_folder, make_panoramas
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.simulate.simulate import simulate
from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import (
    InputImageError,
    InputMaskError,
    ManifestError,
    NucleusNetError,
    OutputError,
    PairingError,
    SelectionError,
)
from nucleusnet_core.files.whole_folder import whole_folder
from nucleusnet_core.pictures.label_colours import label_colours, packed, unpacked
from nucleusnet_core.stitched_names import IMAGE_SUFFIXES as BUILT_IMAGE_SUFFIXES
from nucleusnet_core.stitched_names import MASK_SUFFIXES as BUILT_MASK_SUFFIXES
from nucleusnet_core.stitched_names import SEGMENTATION_SUFFIX
from nucleusnet_core.storage.hub_names import HubRepository
from tests.browser.conftest import running
from tests.builder.commands import COMMAND, contents, environment
from tests.chromium import NewTab
from tests.root import ROOT

SIZE_PX = 1100


def silent(_what: str, _percent: int) -> None:
    """Take no notice of progress."""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def opened(stitched: Path) -> OpenDataset:
    out = stitched.parent / "nucleusnet"
    assert build(BuildOptions(stitched, out, workers=1, splits="train=1")).failures == []
    return open_dataset(out)


@pytest.fixture(scope="module")
def panoramas(stitched: Path, opened: OpenDataset) -> Path:
    """Two images apart, the coverslip joined, and the mosaic."""
    out = stitched.parent / "panoramas"
    names = ("Run07TL_top_left", "sample_x")
    make_panoramas(ZoomOptions(stitched, out, images=names, join=True, mosaic=True), opened, silent)
    return out


@dataclass(frozen=True)
class Named:
    """A dataset whose runs are names, and its panoramas."""

    opened: OpenDataset
    panoramas: Path
    url: str


SLIDE = "slide#3 50%"


@pytest.fixture(scope="module")
def named(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    """Two images of a run with a name, one of another, and one that names no run and is one of its own."""
    root = tmp_path_factory.mktemp("named")
    (root / "stitched").mkdir()
    for image, name in zip(sorted(stitched.glob("*.tif")), ("plateA_1", "plateA_2", "plateB_1", SLIDE), strict=True):
        for suffix in (".tif", "_cp_masks.png"):
            shutil.copy(image.with_name(f"{image.stem}{suffix}"), root / "stitched" / f"{name}{suffix}")
    options = BuildOptions(
        root / "stitched", root / "nucleusnet", workers=1, splits="train=1", name_pattern=r"(?P<run>plate[A-Z])_\d"
    )
    assert build(options).failures == []
    opened = open_dataset(root / "nucleusnet")
    zoomed = ZoomOptions(root / "stitched", root / "panoramas", images=("plateA_2", SLIDE), mosaic=True)
    make_panoramas(zoomed, opened, silent)
    with running(Server(make_site(served_source("nucleusnet"), opened, root / "panoramas"))) as server:
        yield Named(opened, root / "panoramas", server.url)


@pytest.fixture(scope="module")
def zoom_server(opened: OpenDataset, panoramas: Path) -> Iterator[Server]:
    with running(Server(make_site(served_source("nucleusnet"), opened, panoramas))) as server:
        yield server


def entry(folder: Path, name: str) -> dict[str, Any]:
    listed = json.loads((folder / "panoramas.json").read_text("utf-8"))
    (found,) = [one for one in listed["panoramas"] if one["name"] == name]
    return dict(found)


def whole(szi: Path) -> npt.NDArray[np.uint8]:
    """The full-size picture of a pyramid, put together from its tiles."""
    with zipfile.ZipFile(szi) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        tiles = {name for name in archive.namelist() if "_files/" in name and name.endswith((".png", ".jpg"))}
        top = max(int(name.split("/")[2]) for name in tiles)
        found = {}
        for name in tiles:
            _, _, level, tile = name.split("/")
            if int(level) == top:
                x, y = map(int, tile.split(".")[0].split("_"))
                picture = np.asarray(Image.open(io.BytesIO(archive.read(name))))
                found[y, x] = picture[1 if y else 0 :, 1 if x else 0 :][:510, :510]
    rows, columns = (1 + max(place[axis] for place in found) for axis in (0, 1))
    return np.concatenate([np.concatenate([found[y, x] for x in range(columns)], axis=1) for y in range(rows)])


def test_levels_and_tiles_of_a_small_pyramid_are_these(panoramas: Path) -> None:
    with zipfile.ZipFile(panoramas / "sample_x" / "fill.szi") as archive:
        names = sorted(name.split("_files/")[1] for name in archive.namelist() if name.endswith(".png"))
    assert names == [
        "0/0_0.png",
        "1/0_0.png", "1/0_1.png", "1/1_0.png", "1/1_1.png",
        *(f"2/{x}_{y}.png" for x, y in itertools.product(range(3), range(3))),
    ]  # fmt: skip


def test_every_label_has_its_colour_and_the_background_none(stitched: Path, panoramas: Path) -> None:
    mask = np.asarray(Image.open(stitched / "sample_x_cp_masks.png"))
    fill = whole(panoramas / "sample_x" / "fill.szi")
    listed = json.loads((panoramas / "sample_x" / "nuclei.json").read_text("utf-8"))["labels"]
    colour_of = np.zeros(mask.max() + 1, np.uint32)
    for colour, number, label in listed:
        assert number == 0
        colour_of[label] = colour
    assert sorted(label for _, _, label in listed) == np.unique(mask)[1:].tolist()
    assert (packed(fill.reshape(-1, 4)[:, :3]).reshape(mask.shape)[mask > 0] == colour_of[mask][mask > 0]).all()
    assert ((fill[..., 3] == 255) == (mask > 0)).all()


def test_outlines_lie_on_borders_of_labels_only(stitched: Path, panoramas: Path) -> None:
    mask = np.asarray(Image.open(stitched / "sample_x_cp_masks.png")).astype(int)
    drawn = whole(panoramas / "sample_x" / "contours.szi")[..., 3] > 0
    padded = np.pad(mask, 1, mode="edge")
    around = np.stack(
        [padded[y : y + mask.shape[0], x : x + mask.shape[1]] for y, x in itertools.product(range(3), range(3))]
    )
    border = (around.max(axis=0) != around.min(axis=0)) & (mask > 0)
    assert (drawn == border).all()


def test_the_image_is_the_image(stitched: Path, panoramas: Path) -> None:
    image = tifffile.imread(stitched / "sample_x.tif").astype(int)
    shown = whole(panoramas / "sample_x" / "image.szi").astype(int)
    assert shown.shape == image.shape
    assert np.abs(shown - image).mean() < 3
    with Image.open(panoramas / "sample_x" / "thumbnail.jpg") as thumbnail:
        assert max(thumbnail.size) == 320


def test_a_joined_coverslip_has_every_image_at_its_place_and_no_colour_twice(stitched: Path, panoramas: Path) -> None:
    found = entry(panoramas, "Run7")
    assert [(image["name"], image["x"], image["y"]) for image in found["images"]] == [
        ("Run07TL_top_left", 0, 0),
        ("Run07TL_top_right", SIZE_PX, 0),
        ("Run07TR_bottom_left", 2 * SIZE_PX, SIZE_PX),
    ]
    assert (found["width"], found["height"]) == (3 * SIZE_PX, 2 * SIZE_PX)
    fill = whole(panoramas / "Run7" / "fill.szi")
    assert not fill[SIZE_PX:, : 2 * SIZE_PX].any()
    assert not fill[:SIZE_PX, 2 * SIZE_PX :].any()
    for image in found["images"]:
        mask = np.asarray(Image.open(stitched / f"{image['name']}_cp_masks.png"))
        part = fill[image["y"] : image["y"] + SIZE_PX, image["x"] : image["x"] + SIZE_PX]
        assert ((part[..., 3] > 0) == (mask > 0)).all()
    colours = [colour for colour, _, _ in json.loads((panoramas / "Run7/nuclei.json").read_text("utf-8"))["labels"]]
    assert len(colours) == len(set(colours)) == found["masks"]


def test_what_is_known_of_a_nucleus_is_its_row_of_the_dataset(opened: OpenDataset, panoramas: Path) -> None:
    import pyarrow.parquet as pq

    entries = opened.shards("default", "train")
    rows = [row for shard in entries for row in pq.read_table(Path(opened.store.name) / shard.path).to_pylist()]
    known: dict[str, dict[str, Any]] = {}
    for name in ("Run7", "sample_x"):
        known |= {
            nucleus["nucleus_id"]: nucleus
            for nucleus in json.loads((panoramas / name / "nuclei.json").read_text("utf-8"))["nuclei"].values()
        }
    assert len(known) == len(rows) == opened.manifest.kept
    for number, row in enumerate(rows):
        nucleus = known[row["nucleus_id"]]
        assert (nucleus["split"], nucleus["row"]) == ("train", number)
        assert nucleus["area_px"] == row["area_px"]


def test_the_mosaic_is_a_row_of_crops_for_each_run(opened: OpenDataset, panoramas: Path) -> None:
    strips = list(mosaic_strips(opened))
    assert [run for run, _ in strips] == [7, "sample_x"]
    found = entry(panoramas, "10k")
    assert (found["width"], found["height"], found["runs"]) == (25_600, 512, [7, "sample_x"])
    shown = whole(panoramas / "10k" / "image.szi").astype(int)
    assert np.abs(shown - np.concatenate([strip for _, strip in strips])).mean() < 2
    assert not (panoramas / "10k" / "pixels.raw").exists()


def test_runs_that_are_names_have_one_row_each_in_the_mosaic_and_are_known_of_nuclei(named: Named) -> None:
    assert [run for run, _ in mosaic_strips(named.opened)] == ["plateA", "plateB", SLIDE]
    assert entry(named.panoramas, "10k")["runs"] == ["plateA", "plateB", SLIDE]
    for image, run in (("plateA_2", "plateA"), (SLIDE, SLIDE)):
        nuclei = json.loads((named.panoramas / image / "nuclei.json").read_text("utf-8"))["nuclei"].values()
        assert {nucleus["run"] for nucleus in nuclei} == {run}


def test_the_cell_browser_filters_by_runs_that_are_names(tab: NewTab, named: Named) -> None:
    page = tab().page
    page.goto(f"{named.url}#split=train&n={named.opened.manifest.kept}&seed=1")
    page.wait_for_selector("body[data-drawn]")
    assert page.eval_on_selector_all("#run option", "all => all.map(one => one.value)") == [
        "", "plateA", "plateB", SLIDE,
    ]  # fmt: skip
    page.select_option("#run", "plateA")
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


@given(count=st.integers(0, 3000), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=25, deadline=None)
def test_colours_are_bright_different_and_do_not_depend_on_how_many_there_are(count: int, seed: int) -> None:
    colours = label_colours(count, seed=seed)
    assert colours.shape == (count, 3)
    assert len(set(packed(colours).tolist())) == count
    assert (unpacked(packed(colours)) == colours).all()
    if count:
        assert colours.max(axis=1).min() >= 190
        assert (label_colours(count // 2, seed=seed) == colours[: count // 2]).all()


def test_images_are_chosen_by_rank_or_name() -> None:
    rows = [{"name": name, "rank": rank} for name, rank in (("b", 2), ("a", 1), ("empty", None), ("c", 3))]
    assert choose_images(rows, top=2, names=()) == ["a", "b"]
    assert choose_images(rows, top=2, names=("empty", "c", "c")) == ["empty", "c"]
    with pytest.raises(SelectionError, match="'d' found"):
        choose_images(rows, top=2, names=("d",))


@pytest.mark.parametrize(
    ("quarter", "position", "place"),
    [
        ("TL", "top_left", (0, 0)),
        ("TR", "bottom_left", (1, 2)),
        ("BR", "bottom_right", (3, 3)),
        (None, "top_left", None),
    ],
)
def test_the_place_of_an_image_on_its_coverslip(quarter: str, position: str, place: tuple[int, int] | None) -> None:
    assert grid_place({"quarter": quarter, "position": position}) == place


@pytest.mark.parametrize("name", ["../sample_x", "/etc/passwd", ".hidden", "a/b", "", "..", "a\\b", "C:b"])
def test_names_that_lead_out_of_the_folder_are_refused(stitched: Path, name: str) -> None:
    with pytest.raises(SelectionError, match="plain name"):
        find_part(Files(stitched), name)


def test_masks_are_found_in_another_folder_and_names_in_any_spelling(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for path in (images / "u\u0308bung.TIF", masks / "\u00fcbung_cp_masks.png"):
        path.parent.mkdir()
        path.touch()
    part = find_part(Files(images, masks), "\u00fcbung")
    assert [part.image_path.parent, part.mask_path.parent] == [images, masks]
    (images / "b.tif").touch()
    with pytest.raises(PairingError, match=r"masks: a mask b_cp_masks\.png expected"):
        find_part(Files(images, masks), "b")
    with pytest.raises(PairingError, match="with --masks"):
        find_part(Files(images), "\u00fcbung")
    (images / "b_seg.npy").touch()
    with pytest.raises(PairingError, match=r"zoom reads no b_seg\.npy, save its masks as PNG or TIFF"):
        find_part(Files(images), "b")


def test_files_have_the_suffixes_that_a_build_reads() -> None:
    assert set(IMAGE_SUFFIXES) == {*BUILT_IMAGE_SUFFIXES, ".png"}
    assert set(MASK_SUFFIXES) == {*BUILT_MASK_SUFFIXES} - {SEGMENTATION_SUFFIX}


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int16"])
def test_masks_of_other_integers_look_the_same(
    stitched: Path, opened: OpenDataset, panoramas: Path, tmp_path: Path, dtype: str
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    shutil.copy(stitched / "sample_x.tif", folder)
    labels = np.asarray(Image.open(stitched / "sample_x_cp_masks.png")).astype(dtype)
    tifffile.imwrite(folder / "sample_x_cp_masks.tif", labels, compression="zlib", metadata=None)
    make_panoramas(ZoomOptions(folder, tmp_path / "out", images=("sample_x",)), opened, silent)
    for layer in ("fill", "contours"):
        shown, expected = (whole(folder / "sample_x" / f"{layer}.szi") for folder in (tmp_path / "out", panoramas))
        assert (shown == expected).all()


LARGE_LABELS = (1, 2, 65_534, 65_535, 65_536, 65_537, 131_070, 131_071, 200_000, 262_143)


def test_labels_above_16_bits_have_their_own_colours(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint32)
    for number, label in enumerate(LARGE_LABELS):
        mask[4:36, 6 * number + 1 : 6 * number + 7] = label  # neighbours touch
    path = tmp_path / "m_cp_masks.tif"
    tifffile.imwrite(path, mask)
    assert labels_of(path) == list(LARGE_LABELS)
    colours = label_colours(LARGE_LABELS[-1] + 1, seed=0)
    expected = np.where(mask[..., None] > 0, np.dstack([colours[mask], np.full_like(mask, 255, np.uint8)]), 0)
    assert (coloured(open_mask(path), colours).numpy() == expected).all()
    lines = contours(open_mask(path), colours).numpy()
    border = lines[..., 3] > 0
    assert (lines[border] == expected[border]).all()
    assert (border[4:36, 1:] == (np.arange(1, 60) % 6 < 2)).sum() > 0
    assert not border[6:34, 3:5].any()
    assert border[6:34, 6:8].all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((9, 9), 262_144, np.uint32), r"labels of at most 262143 expected, 262144 found; number the labels"),
        (np.full((9, 9), 0.5, np.float32), r"integer labels of 8 to 32 bits expected, 1 of float found; save"),
    ],
)
def test_masks_that_cannot_be_coloured_are_refused(tmp_path: Path, labels: npt.NDArray[Any], message: str) -> None:
    tifffile.imwrite(tmp_path / "m_cp_masks.tif", labels)
    with pytest.raises(InputMaskError, match=message):
        labels_of(tmp_path / "m_cp_masks.tif")


@pytest.mark.skipif(os.name == "nt", reason="no such signals there")
def test_interrupted_it_stops_in_silence_and_leaves_nothing(
    stitched: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    large, tmp_path = tmp_path_factory.mktemp("large"), tmp_path_factory.mktemp("interrupted")
    parts = {suffix: np.asarray(Image.open(stitched / f"sample_x{suffix}")) for suffix in (".tif", "_cp_masks.png")}
    labels = parts["_cp_masks.png"].astype(np.uint16)
    own = [np.where(labels, labels + number * labels.max(), 0).astype(np.uint16) for number in range(36)]
    # So large that there is something left to interrupt.
    Image.fromarray(np.tile(parts[".tif"], (6, 6))).save(large / "sample_x.tif")
    Image.fromarray(np.block([own[row : row + 6] for row in range(0, 36, 6)])).save(large / "sample_x_cp_masks.png")
    build(BuildOptions(large, large / "built"))
    command = [
        *COMMAND,
        "zoom",
        large,
        "--dataset",
        large / "built",
        "--images",
        "sample_x",
        "--out",
        tmp_path / "out",
    ]
    for steps in (1, 4):  # at moments that differ
        with subprocess.Popen(
            list(map(str, command)),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        ) as running:
            assert running.stderr is not None
            said = b""
            while said.count(b"%") < steps:
                said += (byte := running.stderr.read(1))
                assert byte, said
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        assert (running.returncode, out) == (130, b"")
        assert err.endswith(b"nucleusnet: interrupted.\n")
        assert b"Traceback" not in err
        assert list(tmp_path.iterdir()) == []


def test_killed_half_way_it_leaves_no_panoramas_and_the_next_call_makes_the_same_bytes(
    stitched: Path, opened: OpenDataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, "zoom", stitched, "--dataset", opened.store.name, "--out", out, "--quiet"]
    with subprocess.Popen(list(map(str, command)), env=environment(), stdout=subprocess.PIPE) as running:
        while not list(tmp_path.glob(".out.*.tmp/*/*.szi")):
            assert running.poll() is None
            time.sleep(0.005)
        running.kill()
    assert running.returncode != 0
    assert not out.exists()
    (left,) = tmp_path.glob(".out.*.tmp")
    assert not is_panorama_folder(left)
    options = ZoomOptions(stitched, out)
    make_panoramas(options, opened, silent)
    assert list(tmp_path.iterdir()) == [out]
    make_panoramas(replace(options, out=tmp_path / "again"), opened, silent)
    assert len(contents(out)) == 4 * 5 + 1
    assert contents(out) == contents(tmp_path / "again")


def test_two_that_write_into_one_folder_do_not_disturb_each_other(
    stitched: Path, opened: OpenDataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with whole_folder(out) as partial:
        with pytest.raises(OutputError, match="another process is writing there"):
            make_panoramas(ZoomOptions(stitched, out), opened, silent)
        assert partial.exists()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(os.name == "nt", reason="no such limits there")
def test_a_full_disk_is_no_damaged_image(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    import resource  # not on Windows

    for limit in (2_000, 40_000):
        done = subprocess.run(
            [
                *COMMAND,
                "zoom",
                str(stitched),
                "--dataset",
                opened.store.name,
                "--out",
                str(tmp_path / "out"),
                "--quiet",
            ],
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
            preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.returncode == 1
        assert re.search(r"\.szi cannot be written \(.+\); free disk space, or choose another --out", done.stderr)
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


def damaged(stitched: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    folder.mkdir()
    for suffix in (".tif", "_cp_masks.png"):
        (folder / f"sample_x{suffix}").write_bytes((stitched / f"sample_x{suffix}").read_bytes())
    change(folder)
    return folder


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_both(folder: Path, size_px: int) -> None:
    Image.new("L", (size_px, size_px)).save(folder / "sample_x.tif")
    Image.new("I;16", (size_px, size_px)).save(folder / "sample_x_cp_masks.png")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda folder: (folder / "sample_x_cp_masks.png").unlink(), PairingError, "a mask sample_x_cp_masks.png"),
        (lambda folder: (folder / "sample_x.tif").write_bytes(b"II*\0"), NucleusNetError, "sample_x.tif"),
        (lambda folder: (folder / "sample_x_cp_masks.png").write_bytes(b"nothing"), InputMaskError, "a mask expected"),
        (
            lambda folder: truncate(folder / "sample_x_cp_masks.png"),
            InputMaskError,
            r"sample_x_cp_masks\.png: a whole mask expected",
        ),
        (lambda folder: truncate(folder / "sample_x.tif"), InputImageError, "sample_x: a whole image or mask expected"),
        (
            lambda folder: replace_both(folder, 9),
            InputImageError,
            "sample_x.tif: 1100 x 1100 px expected, as the dataset was built from, 9 x 9 found",
        ),
        (
            lambda folder: Image.new("I;16", (9, 9)).save(folder / "sample_x_cp_masks.png"),
            NucleusNetError,
            f"{SIZE_PX} x {SIZE_PX} px expected",
        ),
    ],
)
def test_bad_input_is_one_error_and_leaves_nothing(  # noqa: PLR0917
    stitched: Path,
    opened: OpenDataset,
    tmp_path: Path,
    change: Callable[[Path], object],
    error: type[NucleusNetError],
    message: str,
) -> None:
    folder = damaged(stitched, tmp_path / "stitched", change)
    with pytest.raises(error, match=message):
        make_panoramas(ZoomOptions(folder, tmp_path / "out", images=("sample_x",)), opened, silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stitched"]


def test_the_current_folder_is_refused(
    stitched: Path, opened: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    for here, out in (("here/sub", "."), ("here/sub", "../sub"), ("here/sub", ""), ("here", "sub/..")):
        monkeypatch.chdir(tmp_path / here)
        empty = not any(Path.cwd().iterdir())
        refusal = "another folder than the current one expected" if empty else "choose another --out"
        with pytest.raises(OutputError, match=refusal):
            make_panoramas(ZoomOptions(stitched, Path(out), images=("sample_x",)), opened, silent)
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "sub"]


def test_only_earlier_panoramas_are_replaced(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work", "utf-8")
    options = ZoomOptions(stitched, tmp_path / "thesis", images=("sample_x",), overwrite=True)
    with pytest.raises(OutputError, match="choose another --out"):
        make_panoramas(options, opened, silent)
    assert (tmp_path / "thesis" / "chapter.tex").read_text("utf-8") == "years of work"


def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    ways_out = (("..", "passwd"), ("a", "../b"), ("a/b", "c"), (".a", "b"), ("a", ".b"), ("a\\b", "c"), ("C:a", "b"))
    for name, file in ways_out:
        listed = {"format": 1, "panoramas": [{"name": name, "files": {file: 3}}]}
        (tmp_path / "panoramas.json").write_text(json.dumps(listed), "utf-8")
        with pytest.raises(ManifestError, match="plain names"):
            panorama_files(tmp_path)
    (tmp_path / "panoramas.json").write_text("[]", "utf-8")
    with pytest.raises(ManifestError, match="cannot be read"):
        panorama_files(tmp_path)


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
    assert "no panorama of Run99" in page.inner_text("#failure-text")


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


def test_the_command_says_what_it_made_and_where_to_look(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "nucleusnet_core.terminal.program",
        "zoom",
        str(stitched),
        "--dataset",
        opened.store.name,
    ]
    command += ["--images", "sample_x", "--out", str(tmp_path / "panoramas"), "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"sample_x: {SIZE_PX} x {SIZE_PX} px"
    assert f"--panoramas {tmp_path / 'panoramas'}" in done.stdout
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert again.returncode == 1
    assert "pass --overwrite" in again.stderr


def test_without_pyvips_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pyvips'] = None; from browser.pyramids import vips; vips()"
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, encoding="utf-8", check=False)
    assert 'python -m pip install "nucleusnet[browse]"' in done.stderr


def test_panoramas_are_part_of_an_export(panoramas: Path, tmp_path: Path) -> None:
    out = tmp_path / "space"
    files = export_site(hub_source(HubRepository("lab/set", None)), "lab/set", out, panoramas=panoramas)
    assert json.loads((out / "source.json").read_text("utf-8"))["panoramas"] == "panoramas/"
    szi = "sample_x/fill.szi"
    assert f"panoramas/{szi}" in files
    assert (out / "panoramas" / szi).read_bytes() == (panoramas / szi).read_bytes()
    assert "Content-Security-Policy" in (out / "panorama.html").read_text("utf-8")
