"""Input that cannot be used: one clear error each, and everything else is built."""

import io
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.build.work_folder import is_dataset_folder
from builder.workers.log import logging_to
from nucleusnet_core.errors import BuildError, OutputError, PairingError, UsageError
from nucleusnet_core.files.disk_space import check_space
from tests.builder.commands import contents, nucleusnet

GOOD = ("Run01TL_top_left", "Run02TR_bottom_right", "Run03BR_bottom_left")
SHAPE_PX = (1000, 1000)


def tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    tifffile.imwrite(sink, pixels, **options)
    return sink.getvalue()


def png(pixels: npt.NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


GREY = np.full(SHAPE_PX, 40, np.uint8)
NO_LABELS = np.zeros(SHAPE_PX, np.uint16)
GRADIENT = (np.arange(1_000_000).reshape(SHAPE_PX) * 7919 % 251).astype(np.uint8)
FULL = np.full(SHAPE_PX, 255, np.uint8)

# name: (image, mask, what the message says); None where there is no such file.
BAD: dict[str, tuple[bytes | None, bytes | None, tuple[str, ...]]] = {
    "image_alone": (
        tiff(GREY),
        None,
        ("image_alone.tif has no mask image_alone_cp_masks.png", "--masks"),
    ),
    "mask_without_image": (
        None,
        png(NO_LABELS),
        ("mask_without_image_cp_masks.png has no image mask_without_image.tif", "remove the mask"),
    ),
    "other_shape": (
        tiff(GREY),
        png(NO_LABELS[:900]),
        ("other_shape_cp_masks.png has 900 x 1000 px, but other_shape.tif has 1000 x 1000;",),
    ),
    "colours": (tiff(np.dstack([GREY] * 3), photometric="rgb"), png(NO_LABELS), ("colours.tif", "channels or colours")),
    "channels": (tiff(np.stack([GREY] * 4), photometric="minisblack"), png(NO_LABELS), ("channels.tif",)),
    "float_image": (tiff(GREY + np.float32(0.5)), png(NO_LABELS), ("float_image.tif", "float32 with fractions")),
    "mask_float": (tiff(GREY), None, ("mask_float_cp_masks.tif", "1.5")),
    "mask_coloured": (tiff(GREY), png(np.dstack([GREY] * 3)), ("mask_coloured_cp_masks.png", "RGB")),
    "mask_full": (tiff(GREY), png(FULL), ("mask_full_cp_masks.png", "255")),
    "short_image": (
        tiff(GRADIENT)[:-5000],
        png(NO_LABELS),
        ("short_image.tif was not written to its end; export it again.",),
    ),
    "mask_short": (tiff(GREY), png(GRADIENT)[:-5000], ("mask_short_cp_masks.png",)),
    "empty_image": (b"", png(NO_LABELS), ("empty_image.tif", "empty")),
    "mask_empty": (tiff(GREY), b"", ("mask_empty_cp_masks.png", "empty")),
    "text": (b"no image at all", png(NO_LABELS), ("text.tif",)),
    "other_scale": (
        tiff(GREY, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}),
        png(NO_LABELS),
        ("other_scale.tif states 4 px/µm in its OME header, but --pixels-per-um is 8.0453",),
    ),
}


@pytest.fixture(scope="module")
def mixed(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good images among one of each bad kind."""
    folder = tmp_path_factory.mktemp("mixed") / "stitched"
    folder.mkdir()
    for path in stitched.iterdir():
        if path.name.startswith(GOOD):
            shutil.copyfile(path, folder / path.name)
    for name, (image, mask, _) in BAD.items():
        if image is not None:
            (folder / f"{name}.tif").write_bytes(image)
        if mask is not None:
            (folder / f"{name}_cp_masks.png").write_bytes(mask)
    fractional = NO_LABELS.astype(np.float32)
    fractional[10:20, 10:20] = 1.5
    (folder / "mask_float_cp_masks.tif").write_bytes(tiff(fractional))
    for suffix in ("tif", "tiff"):
        (folder / f"twice.{suffix}").write_bytes(tiff(GREY))
    (folder / "twice_cp_masks.png").write_bytes(png(NO_LABELS))
    return folder


@pytest.fixture(scope="module")
def reported(mixed: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Messages by name, and the whole summary."""
    options = ("--pixels-per-um", "8.0453", "--workers", "2", "--json", "--quiet")
    done = nucleusnet("build", mixed, "--out", "nucleusnet", *options, cwd=mixed.parent)
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert f"{len(BAD) + 1} inputs are not in the dataset" in done.stderr
    return {failure["name"]: failure["message"] for failure in summary["failures"]}, summary


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_reported_with_its_file_and_the_reason(
    name: str, reported: tuple[dict[str, str], dict[str, Any]]
) -> None:
    messages, _ = reported
    for words in BAD[name][2]:
        assert words in messages[name]
    assert "Traceback" not in messages[name]
    assert "unexpected" not in messages[name]


def test_stems_that_occur_twice_are_reported_and_nothing_else_is(
    reported: tuple[dict[str, str], dict[str, Any]],
) -> None:
    messages, summary = reported
    assert "'twice' is the name of 2 images: " in messages["twice"]
    assert set(messages) == {*BAD, "twice"}
    assert summary["images"] == len(GOOD)


def test_the_good_images_become_the_dataset_that_they_are_alone(
    reported: tuple[dict[str, str], dict[str, Any]], mixed: Path, stitched: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "stitched"
    alone.mkdir()
    for path in stitched.iterdir():
        if path.name.startswith(GOOD):
            shutil.copyfile(path, alone / path.name)
    build(BuildOptions(alone, tmp_path / "nucleusnet", pixels_per_um=8.0453))
    assert contents(mixed.parent / "nucleusnet") == contents(tmp_path / "nucleusnet")


def test_after_mending_only_the_mended_images_are_made_again(mixed: Path, stitched: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "stitched", tmp_path / "nucleusnet"
    folder.mkdir()
    for path in mixed.iterdir():
        if path.name.startswith((*GOOD, "empty_image", "text")):
            shutil.copy2(path, folder / path.name)
    first = build(BuildOptions(folder, out))
    assert [failure.name for failure in first.failures] == ["empty_image", "text"]
    assert first.work is not None
    made = {path.name: path.stat().st_mtime_ns for path in (first.work / "pieces").iterdir()}
    for suffix in (".tif", "_cp_masks.png"):
        shutil.copyfile(stitched / f"Run04TR_top_right{suffix}", folder / f"empty_image{suffix}")
    second = build(BuildOptions(folder, out, overwrite=True))
    assert [failure.name for failure in second.failures] == ["text"]
    assert second.images == len(GOOD) + 1
    again = {path.name: path.stat().st_mtime_ns for path in (first.work / "pieces").iterdir()}
    assert {name for name in again if again[name] != made.get(name)} == {
        f"empty_image.{kind}" for kind in ("rows.arrow", "labels.arrow", "receipt.json")
    }


def test_a_build_of_which_nothing_is_usable_leaves_no_dataset_and_goes_on_when_mended(
    stitched: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(stitched, tmp_path / "broken")
    images = sorted(folder.glob("*.tif"))
    for image in images:
        image.write_bytes(image.read_bytes()[:3000])
    out = tmp_path / "nucleusnet"
    with pytest.raises(BuildError) as caught:
        build(BuildOptions(folder, out))
    message, *listed = str(caught.value).splitlines()
    assert message == (
        f"No dataset was made: none of the images could be used ({len(images)} inputs failed). Fix what is listed. "
        f"Call again to go on with {tmp_path / 'nucleusnet.work'}, or remove it."
    )
    assert [line.split(":")[0].strip() for line in listed] == [image.stem for image in images]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "nucleusnet.work"]
    assert not is_dataset_folder(tmp_path / "nucleusnet.work")
    for image in images:
        shutil.copyfile(stitched / image.name, image)
    assert build(BuildOptions(folder, out)).failures == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "nucleusnet"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda _folder: None, PairingError, "among its 0 files"),
        (lambda folder: folder.rmdir(), UsageError, "does not exist; give a folder of this machine"),
        (
            lambda folder: [
                (folder / "a.tif").write_bytes(tiff(GREY)),
                (folder / "a_cp_masks.png").write_bytes(png(NO_LABELS)),
            ],
            BuildError,
            "No dataset was made: there is no nucleus in the masks of 1 usable image",
        ),
        (
            lambda folder: [
                (folder / "a.tif").write_bytes(b""),
                (folder / "a_cp_masks.png").write_bytes(png(NO_LABELS)),
            ],
            BuildError,
            r"none of the images could be used \(1 input failed\)\. Fix what is listed.*\n.*a: .*empty",
        ),
    ],
)
def test_a_build_without_any_nucleus_is_refused(
    make: Callable[[Path], object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    make(folder)
    with pytest.raises(error, match=message):
        build(BuildOptions(folder, tmp_path / "nucleusnet", pixels_per_um=8.0453))
    assert not (tmp_path / "nucleusnet").exists()


def test_what_is_refused_at_once_comes_without_a_progress_bar(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("simulate", "made", "--size", "100"),
        ("archive", "empty", "--out", "zips"),
        ("build", "empty"),
        ("verify", "empty"),
        ("stats", "empty"),
    ):
        done = nucleusnet(*arguments, cwd=tmp_path)
        assert done.returncode in {1, 2}
        assert done.stderr.startswith("nucleusnet: ")
        assert len(done.stderr.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_log_file_that_cannot_be_is_refused_before_anything_is_made(stitched: Path, tmp_path: Path) -> None:
    places = {tmp_path: "is a folder", tmp_path / "none" / "build.log": "does not exist; make it first"}
    for log, message in places.items():
        with pytest.raises(UsageError, match=f"--log: .*{message}"):
            BuildOptions(stitched, tmp_path / "nucleusnet", log=log)
    with pytest.raises(OutputError, match="or choose another --log"), logging_to(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_after_a_build_the_messages_of_the_builder_go_where_they_went_before(tmp_path: Path) -> None:
    log = logging.getLogger("nucleusnet")
    before = (log.level, log.propagate, list(log.handlers))
    log.setLevel(logging.DEBUG)
    try:
        with logging_to(tmp_path / "build.log"):
            log.info("begun")
        assert (log.level, log.propagate, log.handlers) == (logging.DEBUG, True, before[2])
    finally:
        log.setLevel(before[0])
        log.propagate = before[1]
    assert "INFO begun" in (tmp_path / "build.log").read_text("utf-8")


def test_too_little_space_is_said_before_starting(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"has .* free space; about 1000000000\.0 GB are needed for 3 images"):
        check_space(tmp_path, 10**18, "3 images")


def test_an_output_below_a_file_is_refused(stitched: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"--out: the folder .*file.inner cannot be made"):
        build(BuildOptions(stitched, tmp_path / "file" / "inner" / "nucleusnet"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder that even its owner cannot write to")
def test_an_output_that_cannot_be_made_is_refused(stitched: Path, tmp_path: Path) -> None:
    for options in ([], ["--task", "0", "--tasks", "2"]):
        done = nucleusnet("build", stitched, "--out", "/proc/nucleusnet", *options, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("nucleusnet: /proc/nucleusnet")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a permission there")
def test_a_link_to_an_image_that_is_gone_is_reported_and_the_others_are_built(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in stitched.iterdir():
        if path.name.startswith(GOOD[0]):
            shutil.copyfile(path, folder / path.name)
    (folder / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    (folder / "gone_cp_masks.png").write_bytes(png(NO_LABELS))
    result = build(BuildOptions(folder, tmp_path / "nucleusnet"))
    assert result.images == 1
    assert [failure.name for failure in result.failures] == ["gone"]
    assert "gone.tif cannot be read (No such file or directory); put it back" in result.failures[0].message


def test_masks_of_cellposes_npy_files_are_read_only_when_allowed(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in stitched.glob("*.tif"):
        shutil.copyfile(path, folder / path.name)
        masks = np.asarray(Image.open(stitched / f"{path.stem}_cp_masks.png"))
        content = np.array({"masks": masks, "filename": path.name}, object)
        np.save(folder / f"{path.stem}_seg.npy", content, allow_pickle=True)
    with pytest.raises(BuildError, match="--allow-pickle"):
        build(BuildOptions(folder, tmp_path / "nucleusnet", fresh=True))
    build(BuildOptions(folder, tmp_path / "nucleusnet", allow_pickle=True, fresh=True))
    built = contents(tmp_path / "nucleusnet")
    assert built["10k/train-00000-of-00001.parquet"] == undisturbed["10k/train-00000-of-00001.parquet"]
    assert built["stitched/train-00000-of-00001.parquet"] != undisturbed["stitched/train-00000-of-00001.parquet"]
