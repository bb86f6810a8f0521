"""`nucleusnet zoom`: every mask in a colour of its own, every tile where it belongs, and what becomes of bad input."""

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
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from browser.zoom.mosaic import mosaic_strips
from browser.zoom.panoramas import LIST_NAME
from browser.zoom.zoom import ZoomOptions, make_panoramas
from builder.build.build import build
from builder.build.options import BuildOptions
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import (
    InputImageError,
    InputMaskError,
    NucleusNetError,
    OutputError,
    PairingError,
    UsageError,
)
from nucleusnet_core.files.whole_folder import whole_folder
from nucleusnet_core.inputs.pairs import FindOptions
from nucleusnet_core.pictures.label_colours import packed
from tests.browser.zoom.conftest import SIZE_PX, SLIDE, Named, entry
from tests.builder.commands import COMMAND, contents, environment, nucleusnet
from tests.root import ROOT


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
    assert [run for run, _ in strips] == ["7", "sample_x"]
    found = entry(panoramas, "10k")
    assert (found["width"], found["height"], found["runs"]) == (25_600, 512, ["7", "sample_x"])
    shown = whole(panoramas / "10k" / "image.szi").astype(int)
    assert np.abs(shown - np.concatenate([strip for _, strip in strips])).mean() < 2
    assert not (panoramas / "10k" / "pixels.raw").exists()


def test_runs_that_are_names_have_one_row_each_in_the_mosaic_and_are_known_of_nuclei(named: Named) -> None:
    assert [run for run, _ in mosaic_strips(named.opened)] == ["plateA", "plateB", SLIDE]
    assert entry(named.panoramas, "10k")["runs"] == ["plateA", "plateB", SLIDE]
    for image, run in (("plateA_2", "plateA"), (SLIDE, SLIDE)):
        nuclei = json.loads((named.panoramas / image / "nuclei.json").read_text("utf-8"))["nuclei"].values()
        assert {nucleus["run_name"] for nucleus in nuclei} == {run}


def save_segmentation(path: Path, labels: npt.NDArray[Any]) -> None:
    np.save(path.with_name("sample_x_seg.npy"), np.array({"masks": labels}), allow_pickle=True)


def save_as(dtype: str) -> Callable[[Path, npt.NDArray[Any]], object]:
    return lambda path, labels: tifffile.imwrite(path, labels.astype(dtype), compression="zlib")


SAVED_MASKS: dict[str, Callable[[Path, npt.NDArray[Any]], object]] = {
    **{dtype: save_as(dtype) for dtype in ("uint32", "int32", "int16", "int64", "float32")},
    "white is zero": lambda path, labels: tifffile.imwrite(path, labels, photometric="miniswhite"),
    "one plane": lambda path, labels: tifffile.imwrite(path, labels[None, :, :, None]),
    "cellpose": save_segmentation,
}
SAVED_IMAGES: dict[str, Callable[[Path, npt.NDArray[Any]], object]] = {
    "float64": lambda path, pixels: tifffile.imwrite(path, pixels.astype(np.float64)),
    "white is zero": lambda path, pixels: tifffile.imwrite(path, pixels, photometric="miniswhite"),
    "one plane": lambda path, pixels: tifffile.imwrite(path, pixels[None, :, :, None]),
    "PNG": lambda path, pixels: Image.fromarray(pixels).save(path.with_suffix(".png")),
}


@pytest.mark.parametrize("kind", SAVED_MASKS)
def test_masks_of_every_kind_that_a_build_reads_look_the_same(
    stitched: Path, opened: OpenDataset, panoramas: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    shutil.copy(stitched / "sample_x.tif", folder)
    labels = np.asarray(Image.open(stitched / "sample_x_cp_masks.png")).astype(np.uint16)
    SAVED_MASKS[kind](folder / "sample_x_cp_masks.tif", labels)
    make_panoramas(
        ZoomOptions(folder, tmp_path / "out", images=("sample_x",), find=FindOptions(allow_pickle=True)), opened
    )
    for layer in ("fill", "contours"):
        shown, expected = (whole(folder / "sample_x" / f"{layer}.szi") for folder in (tmp_path / "out", panoramas))
        assert (shown == expected).all()


@pytest.mark.parametrize("kind", SAVED_IMAGES)
def test_images_of_every_kind_that_a_build_reads_look_the_same(
    stitched: Path, opened: OpenDataset, panoramas: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    shutil.copy(stitched / "sample_x_cp_masks.png", folder)
    SAVED_IMAGES[kind](folder / "sample_x.tif", tifffile.imread(stitched / "sample_x.tif"))
    make_panoramas(ZoomOptions(folder, tmp_path / "out", images=("sample_x",)), opened)
    shown, expected = (whole(folder / "sample_x" / "image.szi") for folder in (tmp_path / "out", panoramas))
    assert (shown == expected).all()


@pytest.mark.skipif(os.name == "nt", reason="no such signals there")
def test_interrupted_it_stops_in_silence_and_leaves_nothing(
    stitched: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    large, tmp_path = tmp_path_factory.mktemp("large") / "stitched", tmp_path_factory.mktemp("interrupted")
    large.mkdir()
    parts = {suffix: np.asarray(Image.open(stitched / f"sample_x{suffix}")) for suffix in (".tif", "_cp_masks.png")}
    labels = parts["_cp_masks.png"].astype(np.uint16)
    own = [np.where(labels, labels + number * labels.max(), 0).astype(np.uint16) for number in range(36)]
    # So large that there is something left to interrupt.
    Image.fromarray(np.tile(parts[".tif"], (6, 6))).save(large / "sample_x.tif")
    Image.fromarray(np.block([own[row : row + 6] for row in range(0, 36, 6)])).save(large / "sample_x_cp_masks.png")
    build(BuildOptions(large, large.parent / "built", pixels_per_um=8.0453))
    command = [
        *COMMAND,
        "zoom",
        large,
        large.parent / "built",
        "--images",
        "sample_x",
        "--out",
        tmp_path / "out",
    ]
    for moment in (rb"%", rb"sample_x: +\d\d%"):  # while it reads, and in the middle of a pyramid
        with subprocess.Popen(
            list(map(str, command)),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        ) as running:
            assert running.stderr is not None
            said = b""
            while not re.search(moment, said):
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
    command = [*COMMAND, "zoom", stitched, opened.store.name, "--out", out, "--quiet"]
    with subprocess.Popen(list(map(str, command)), env=environment(), stdout=subprocess.PIPE) as running:
        while not list(tmp_path.glob(".out.*.tmp/*/*.szi")):
            assert running.poll() is None
            time.sleep(0.005)
        running.kill()
    assert running.returncode != 0
    assert not out.exists()
    (left,) = tmp_path.glob(".out.*.tmp")
    assert not (left / LIST_NAME).exists()
    options = ZoomOptions(stitched, out)
    make_panoramas(options, opened)
    assert list(tmp_path.iterdir()) == [out]
    make_panoramas(replace(options, out=tmp_path / "again"), opened)
    assert len(contents(out)) == 4 * 5 + 1
    assert contents(out) == contents(tmp_path / "again")


def test_two_that_write_into_one_folder_do_not_disturb_each_other(
    stitched: Path, opened: OpenDataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with whole_folder(out) as partial:
        with pytest.raises(OutputError, match="Another process is writing to"):
            make_panoramas(ZoomOptions(stitched, out), opened)
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
        assert re.search(r"out cannot be written \(.+\); check its folder and the free space, or choose", done.stderr)
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
        (lambda folder: (folder / "sample_x_cp_masks.png").unlink(), PairingError, "holds no mask <name>_cp_masks.png"),
        (lambda folder: (folder / "sample_x.tif").write_bytes(b"II*\0"), NucleusNetError, "sample_x.tif"),
        (
            lambda folder: (folder / "sample_x_cp_masks.png").write_bytes(b"nothing"),
            InputMaskError,
            "is neither a PNG nor a TIFF",
        ),
        (
            lambda folder: truncate(folder / "sample_x_cp_masks.png"),
            InputMaskError,
            "sample_x_cp_masks.png",
        ),
        (lambda folder: truncate(folder / "sample_x.tif"), InputImageError, "sample_x.tif was not written to its end"),
        (
            lambda folder: replace_both(folder, 9),
            InputImageError,
            "sample_x.tif is 9 x 9 px, and the dataset was built from 1100 x 1100",
        ),
        (
            lambda folder: Image.new("I;16", (9, 9)).save(folder / "sample_x_cp_masks.png"),
            NucleusNetError,
            rf"sample_x_cp_masks\.png has 9 x 9 px, but sample_x\.tif has {SIZE_PX} x {SIZE_PX}",
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
        make_panoramas(ZoomOptions(folder, tmp_path / "out", images=("sample_x",)), opened)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stitched"]


def test_a_bad_image_is_listed_and_the_others_are_made(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stitched, tmp_path / "stitched"))
    truncate(folder / "Run07TL_top_left.tif")
    (folder / "Run07TL_top_right_cp_masks.png").unlink()
    out = tmp_path / "panoramas"
    done = nucleusnet("zoom", folder, opened.store.name, "--out", out, "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert sorted(one["name"] for one in said["panoramas"]) == ["Run07TR_bottom_left", "sample_x"]
    assert sorted(one["name"] for one in said["failures"]) == ["Run07TL_top_left", "Run07TL_top_right"]
    assert done.stderr.startswith("2 images are not shown:\n  ")
    assert "Run07TL_top_left.tif was not written to its end" in done.stderr
    assert f"{folder / 'Run07TL_top_right.tif'} has no mask Run07TL_top_right_cp_masks.png" in done.stderr
    listed = json.loads((out / LIST_NAME).read_text("utf-8"))["panoramas"]
    assert sorted(one["name"] for one in listed) == ["Run07TR_bottom_left", "sample_x"]
    assert not (out / "Run07TL_top_left").exists()


def test_a_bad_image_is_left_out_of_its_coverslip(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stitched, tmp_path / "stitched"))
    truncate(folder / "Run07TL_top_right_cp_masks.png")
    options = ZoomOptions(folder, tmp_path / "out", images=("Run07TL_top_left",), join=True)
    result = make_panoramas(options, opened)
    (found,) = result.panoramas
    assert [(image["name"], image["x"], image["y"]) for image in found["images"]] == [
        ("Run07TL_top_left", 0, 0),
        ("Run07TR_bottom_left", 2 * SIZE_PX, SIZE_PX),
    ]
    assert list(result.failures) == ["Run07TL_top_right"]
    assert "Run07TL_top_right_cp_masks.png" in result.failures["Run07TL_top_right"]


def test_if_no_image_can_be_shown_all_are_named_and_nothing_is_made(
    stitched: Path, opened: OpenDataset, tmp_path: Path
) -> None:
    shutil.copytree(stitched, tmp_path / "elsewhere")
    names = ("Run07TL_top_left", "sample_x")
    for name in names:
        truncate(tmp_path / "elsewhere" / f"{name}.tif")
    with pytest.raises(InputImageError, match=r"none of the 2 images can be shown:\n.*Run07TL_top_left.*\n.*sample_x"):
        make_panoramas(ZoomOptions(tmp_path / "elsewhere", tmp_path / "out", images=names), opened)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_the_current_folder_is_refused(
    stitched: Path, opened: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    for here, out in (("here/sub", "."), ("here/sub", "../sub"), ("here/sub", ""), ("here", "sub/..")):
        monkeypatch.chdir(tmp_path / here)
        empty = not any(Path.cwd().iterdir())
        kind, refusal = (OutputError, "current") if empty else (UsageError, "choose another --out")
        with pytest.raises(kind, match=refusal):
            make_panoramas(ZoomOptions(stitched, Path(out), images=("sample_x",)), opened)
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "sub"]


def test_only_earlier_panoramas_are_replaced(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work", "utf-8")
    options = ZoomOptions(stitched, tmp_path / "thesis", images=("sample_x",), overwrite=True)
    with pytest.raises(UsageError, match="holds something else; choose another --out"):
        make_panoramas(options, opened)
    assert (tmp_path / "thesis" / "chapter.tex").read_text("utf-8") == "years of work"


def test_the_command_says_what_it_made_and_where_to_look(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "nucleusnet_core.terminal.program",
        "zoom",
        str(stitched),
        opened.store.name,
    ]
    command += ["--images", "sample_x", "--out", str(tmp_path / "panoramas"), "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"sample_x: {SIZE_PX} x {SIZE_PX} px"
    assert f"--panoramas {tmp_path / 'panoramas'}" in done.stdout
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert again.returncode == 2
    assert "pass --overwrite to replace it." in again.stderr


def test_the_dataset_beside_or_in_the_variable_is_the_default(
    stitched: Path, opened: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEUSNET_DATA", opened.store.name)
    done = nucleusnet("zoom", stitched, "--images", "sample_x", "--out", "made", "--json", cwd=tmp_path)
    assert done.returncode == 0
    shown = {"name": "sample_x", "kind": "image", "width": SIZE_PX, "height": SIZE_PX}
    assert json.loads(done.stdout) == {"out": "made", "panoramas": [shown], "failures": []}
    assert "sample_x" in done.stderr


def test_panoramas_are_not_written_into_what_is_read(stitched: Path, opened: OpenDataset, tmp_path: Path) -> None:
    for out in (stitched / "panoramas", Path(opened.store.name) / "panoramas"):
        done = nucleusnet("zoom", stitched, opened.store.name, "--out", out, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"nucleusnet: --out: {out} lies inside ")
        assert not out.exists()


def test_without_pyvips_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pyvips'] = None; from browser.zoom.libvips import vips; vips()"
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, encoding="utf-8", check=False)
    assert 'python -m pip install "nucleusnet[browse]"' in done.stderr
