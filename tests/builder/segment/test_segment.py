"""Images to masks with receipts: resumed, refused, and in the command line as a user has it."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from builder.segment.compare.compare import compare_masks
from builder.segment.network.weights import WeightsFile
from builder.segment.options import SegmentOptions
from builder.segment.receipts import read_receipt
from builder.segment.segment import find_images, segment_folder, segment_parameters
from builder.segment.segment_task import ComputePlace, SegmentTask, finished, segment_image
from builder.simulate.set_folder import SimulatedImage
from nucleusnet_core.errors import (
    InputImageError,
    OutputError,
    PairingError,
    SegmentationError,
    UsageError,
    WeightsError,
)
from nucleusnet_core.inputs.channels import ALL_CHANNELS, ChannelOptions, Channels, find_one_channel
from nucleusnet_core.inputs.images import read_image
from nucleusnet_core.inputs.masks import LabelRuns, read_label_runs, runs_from_array
from nucleusnet_core.inputs.pairs import FindOptions, find_sources
from nucleusnet_core.terminal.progress import NoProgress
from tests.builder.commands import nucleusnet, start

from .conftest import MODEL

ROOM = 10**11


@pytest.fixture
def folder(fields: list[SimulatedImage], tmp_path: Path) -> Path:
    """Two images (400, 400) at a third of the scale, nuclei of 51 px, and one without nuclei."""
    for name, pixels in (("a", fields[0].pixels), ("b", fields[1].pixels), ("empty", np.full((600, 600), 9, np.uint8))):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ascontiguousarray(pixels[::3, ::3]))
    return tmp_path


def task(folder: Path, stem: str, weights: WeightsFile, **changed: object) -> SegmentTask:
    options = SegmentOptions(folder, str(MODEL), diameter_px=51.0, flow_threshold=0.0, cellprob_threshold=-1.0)
    parameters = segment_parameters(replace(options, **changed), weights)  # type: ignore[arg-type]
    place = ComputePlace("cpu", workers=2, memory_bytes=ROOM)  # two share the cores: fewer threads beside other tests
    return SegmentTask(stem, folder / f"{stem}.tif", folder, weights, parameters, place, batch_size=8)


def labels_of(path: Path) -> LabelRuns:
    return read_label_runs(path.read_bytes(), path.name)


def rois(path: Path) -> int:
    return len(np.unique(labels_of(path).label))


def test_a_mask_and_its_receipt_lie_beside_the_image_and_can_be_built_from(
    folder: Path, weights: WeightsFile, fields: list[SimulatedImage]
) -> None:
    receipt = segment_image(task(folder, "a", weights))
    assert (receipt.labelled, receipt.device) == ("whole image", "cpu")
    assert receipt.weights["kind"] == "cellpose-3"
    assert rois(folder / "a_cp_masks.png") == receipt.rois
    truth = fields[0].labels[::3, ::3]
    compared = compare_masks("a", runs_from_array(truth), labels_of(folder / "a_cp_masks.png"))
    assert compared.true == 21
    assert compared.matched[0] >= 17
    assert read_receipt(folder, "a") is not None
    assert finished(task(folder, "a", weights)) == read_receipt(folder, "a")
    sources = find_sources(folder, FindOptions()).sources
    assert [source.stem for source in sources] == ["a"]
    assert sorted(path.name for path in folder.iterdir() if path.stem.startswith("a_")) == [
        "a_cp_masks.png",
        "a_segment.json",
    ]


def test_the_same_image_gives_the_same_bytes_whole_and_in_blocks(folder: Path, weights: WeightsFile) -> None:
    first = segment_image(task(folder, "a", weights))
    assert first.rois >= 15
    assert segment_image(task(folder, "a", weights)).mask_sha256 == first.mask_sha256
    whole = labels_of(folder / "a_cp_masks.png")
    blocks = segment_image(task(folder, "a", weights, block_px=300))
    assert (blocks.labelled, blocks.mask_sha256) == ("blocks of 300 px", first.mask_sha256)
    assert segment_image(task(folder, "a", weights, fast=True)).labelled == "network scale"
    fast = compare_masks("a", whole, labels_of(folder / "a_cp_masks.png"))
    assert fast.matched[0] >= 0.9 * first.rois


def test_an_image_without_nuclei_gets_an_empty_mask(folder: Path, weights: WeightsFile) -> None:
    assert segment_image(task(folder, "empty", weights)).rois == 0
    assert rois(folder / "empty_cp_masks.png") == 0


def test_another_parameter_image_or_mask_is_not_finished(folder: Path, weights: WeightsFile) -> None:
    segment_image(task(folder, "empty", weights))
    assert finished(task(folder, "empty", weights)) is not None
    assert finished(task(folder, "empty", weights, diameter_px=52.0)) is None
    assert finished(task(folder, "empty", replace(weights, sha256="0" * 64))) is None
    kept = (folder / "empty_cp_masks.png").read_bytes()
    (folder / "empty_cp_masks.png").write_bytes(kept + b"\0")
    assert finished(task(folder, "empty", weights)) is None
    (folder / "empty_cp_masks.png").write_bytes(kept)
    tifffile.imwrite(folder / "empty.tif", np.full((200, 201), 9, np.uint8))
    assert finished(task(folder, "empty", weights)) is None


def test_what_a_killed_process_left_is_removed_and_a_mask_of_another_kind_replaced(
    folder: Path, weights: WeightsFile
) -> None:
    (folder / ".empty_cp_masks.png.0123abcd.tmp").write_bytes(b"half")
    tifffile.imwrite(folder / "empty_cp_masks.tif", np.zeros((200, 200), np.uint32))
    segment_image(task(folder, "empty", weights))
    assert sorted(path.name for path in folder.glob("*empty*")) == [
        "empty.tif",
        "empty_cp_masks.png",
        "empty_segment.json",
    ]
    assert sorted(path.name for path in folder.glob(".*")) == []


def test_an_rgb_image_and_too_little_memory_are_refused_and_nothing_is_written(
    folder: Path, weights: WeightsFile
) -> None:
    tifffile.imwrite(folder / "rgb.tif", np.zeros((30, 30, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputImageError, match=r"rgb\.tif.* grey "):
        segment_image(task(folder, "rgb", weights))
    poor = replace(task(folder, "a", weights), place=ComputePlace("cpu", memory_bytes=5 * 10**8))
    with pytest.raises(
        SegmentationError, match=r"takes about 1\.0 GB of memory, but only 500 MB is free; use --fast, a smaller"
    ):
        segment_image(poor)
    assert list(folder.glob("*_cp_masks*")) == []


@pytest.mark.parametrize("name", ["T_cells", "memory_T_cells"])
def test_a_missing_image_is_one_clear_error_whatever_its_folder_is_called(
    name: str, weights: WeightsFile, tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(InputImageError, match=r"^a\.tif.* cannot be read.*No such file or directory.*; check the file"):
        segment_image(task(folder, "a", weights))
    assert list(folder.iterdir()) == []


def test_a_receipt_that_cannot_be_written_is_one_clear_error(folder: Path, weights: WeightsFile) -> None:
    (folder / "empty_segment.json").mkdir()
    with pytest.raises(OutputError, match=r"empty_cp_masks\.png cannot be written \(.*\); .* another --out"):
        segment_image(task(folder, "empty", weights))
    assert not (folder / "empty_cp_masks.png").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"diameter_px": 0.0}, "--diameter is 0.0; choose a value from 1 to 10,000 px"),
        ({"diameter_px": float("nan")}, "--diameter"),
        ({"flow_threshold": -1.0}, "--flow-threshold"),
        ({"min_size_px": -1}, "--min-size"),
        ({"fast": True, "block_px": 900}, "--fast and --block-size"),
        ({"block_px": 200}, "--block-size is 200 px; .* at least 255 px"),
    ],
)
def test_values_that_cannot_work_are_refused(
    folder: Path, weights: WeightsFile, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        task(folder, "a", weights, **changed)


def test_weights_under_the_name_of_a_published_model_of_another_kind_are_refused(folder: Path) -> None:
    shutil.copy(MODEL, folder / "cpsam_v2")
    with pytest.raises(WeightsError, match="published cellpose-sam model, but holds cellpose-3 weights"):
        segment_folder(SegmentOptions(folder, str(folder / "cpsam_v2"), device="cpu"), NoProgress())
    assert list(folder.glob("*_cp_masks*")) == []


@pytest.mark.parametrize("name", ["workers", "batch_size"])
def test_no_workers_and_empty_batches_are_refused(folder: Path, name: str) -> None:
    option = name.replace("_", "-")
    with pytest.raises(UsageError, match=rf"--{option} is 0; it must be 1 or more"):
        replace(SegmentOptions(folder, str(MODEL), device="cpu"), **{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "more", "message"),
    [
        ("nowhere", (), "nowhere does not exist; give a folder of this machine."),
        (".", ("--diameter", "0"), "--diameter is 0.0; choose a value from 1 to 10,000 px."),
        (".", ("--flow-threshold", "-1"), "--flow-threshold is -1.0; choose a value from 0 (keep all) to 100."),
        (".", ("--cellprob-threshold", "21"), "--cellprob-threshold is 21.0; choose a value from -20 to 20."),
        (".", ("--block-size", "9"), "--block-size is 9 px;"),
        (".", ("--workers", "0"), "--workers is 0; it must be 1 or more."),
    ],
)
def test_folder_and_numbers_are_checked_before_the_weights(
    folder: Path, place: str, more: tuple[str, ...], message: str
) -> None:
    done = nucleusnet("segment", place, "--model", "no_weights", *more, cwd=folder)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "no_weights" not in done.stderr


def test_images_are_found_with_and_without_masks_and_twins_refused(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match=r"holds no stitched image <name>\.tif or \.png among its 0 files"):
        find_images(tmp_path, recursive=False)
    for name in ("x.tif", "x_cp_masks.png", "y.ome.tif", "z.tif", "z.tiff", "notes.txt", "p.png"):
        (tmp_path / name).touch()
    images, failures = find_images(tmp_path, recursive=False)
    assert sorted(images) == ["p", "x", "y"]
    assert [failure.name for failure in failures] == ["z"]


def test_a_mask_beside_its_image_is_called_after_it_and_elsewhere_after_its_folders_too(
    tmp_path: Path, weights: WeightsFile
) -> None:
    for folder in ("control", "treated"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "f1.tif").touch()
    images, failures = find_images(tmp_path, recursive=True)
    assert (sorted(images), failures) == (["control__f1", "treated__f1"], [])
    one = replace(task(tmp_path, "f1", weights), stem="control__f1", image_path=images["control__f1"])
    assert replace(one, out=tmp_path / "control").mask_stem == "f1"
    assert replace(one, out=tmp_path / "masks").mask_stem == "control__f1"


def test_a_scale_that_cannot_be_does_not_matter_to_a_mask(folder: Path, weights: WeightsFile) -> None:
    pixels = tifffile.imread(folder / "empty.tif")
    tifffile.imwrite(folder / "stretched.tif", pixels, resolution=(20_000, 40_000), resolutionunit="CENTIMETER")
    with pytest.raises(InputImageError, match="images must have square pixels"):
        read_image(folder / "stretched.tif")
    assert segment_image(task(folder, "stretched", weights)).rois == 0


def test_a_foreign_mask_is_kept_until_it_may_be_replaced_and_a_bad_image_costs_no_other(folder: Path) -> None:
    foreign = cv2.imencode(".png", np.zeros((200, 200), np.uint16))[1].tobytes() + b"foreign"
    (folder / "empty_cp_masks.png").write_bytes(foreign)
    (folder / "a.tif").write_bytes((folder / "a.tif").read_bytes()[:5000])
    options = SegmentOptions(
        folder, str(MODEL), diameter_px=51.0, flow_threshold=0.0, cellprob_threshold=-1.0, fast=True, device="cpu"
    )
    result = segment_folder(options, NoProgress())
    assert [receipt.image_file for receipt in result.receipts] == ["b.tif"]
    assert [failure.name for failure in result.failures] == ["a", "empty"]
    assert "was not written to its end" in result.failures[0].message
    assert "--overwrite to replace it" in result.failures[1].message
    assert (folder / "empty_cp_masks.png").read_bytes() == foreign
    (folder / "a.tif").unlink()
    again = segment_folder(replace(options, overwrite=True), NoProgress())
    assert (len(again.receipts), again.resumed, again.failures) == (2, 1, [])
    assert (folder / "empty_cp_masks.png").read_bytes() != foreign


def test_a_killed_command_is_resumed_by_the_next_and_its_masks_compared(folder: Path) -> None:
    for number in range(6):
        shutil.copy(folder / "a.tif", folder / f"a{number}.tif")
    command: list[str | Path] = [
        "segment",
        ".",
        "--model",
        MODEL,
        "--diameter",
        "51",
        "--flow-threshold",
        "0",
        "--fast",
    ]
    command += ["--cellprob-threshold", "-1", "--out", "masks", "--device", "cpu", "--quiet", "--json"]
    running = start(*command, cwd=folder)
    deadline = time.monotonic() + 400
    while not list(folder.glob("masks/*_cp_masks.png")) and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.02)
    running.kill()
    running.communicate()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("masks/*_cp_masks.png")}
    assert before
    done = nucleusnet(*command, "--compare", "masks", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["images"] == 9
    assert report["resumed"] >= 1
    assert report["comparison"]["total"]["average_precision"]["0.9"] == 1.0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [path.name for path in (folder / "masks").iterdir() if path.name.endswith(".tmp")] == []


def test_a_wrong_diameter_and_the_weights_are_said_and_masks_without_nuclei_named(folder: Path) -> None:
    command: list[str | Path] = [
        "segment",
        ".",
        "--model",
        MODEL,
        "--fast",
        "--device",
        "cpu",
        "--cellprob-threshold",
        "20",
    ]
    done = nucleusnet(*command, cwd=folder)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert f"weights: {MODEL.name} from {MODEL.parent}, cellpose-3, nuclei of 30 px in the network." in said
    found = re.search(
        r"Nuclei in a\.tif and b\.tif look about (\d+) px wide, and --diameter is 152\.91; try (.*?)\. ", said
    )
    assert found
    assert 30 <= int(found[1]) <= 51
    assert found[2] == f"--diameter {found[1]}"
    nothing = "No nuclei were found in a.tif and b.tif, where some can be seen; check --diameter, or lower"
    assert nothing in said
    again = " ".join(nucleusnet(*command, cwd=folder).stderr.split())
    assert nothing in again
    assert "px wide" not in again


def test_a_receipt_of_before_doubts_were_noted_holds(folder: Path, weights: WeightsFile) -> None:
    assert segment_image(task(folder, "empty", weights)).doubt == ""
    receipt = read_receipt(folder, "empty")
    assert receipt is not None
    path = folder / "empty_segment.json"
    shown = json.loads(path.read_text("utf-8"))
    del shown["doubt"]
    path.write_text(json.dumps(shown), "utf-8")
    assert finished(task(folder, "empty", weights)) == receipt


def test_the_command_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    done = nucleusnet("segment", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "Give --model FILE to segment, or --compare TRUTH to score masks" in done.stderr


def test_the_channel_that_shows_the_nuclei_is_segmented(folder: Path, tmp_path: Path, weights: WeightsFile) -> None:
    alone = segment_image(task(folder, "a", weights))
    pixels = tifffile.imread(folder / "a.tif")
    planes = np.stack([np.random.default_rng(0).integers(0, 255, pixels.shape).astype(np.uint8), pixels])
    several = tmp_path / "several"
    several.mkdir()
    names = {"axes": "CYX", "Channel": {"Name": ["Actin", "DAPI"]}}
    tifffile.imwrite(several / "a.ome.tif", planes, ome=True, metadata=names)
    channels = find_one_channel([several / "a.ome.tif"], ChannelOptions.of_text(None, "DAPI"))
    one = task(several, "a", weights)
    one = replace(one, image_path=several / "a.ome.tif", parameters=replace(one.parameters, channels=channels))
    receipt = segment_image(one)
    assert (receipt.rois, receipt.mask_sha256) == (alone.rois, alone.mask_sha256)
    assert (there := finished(one)) is not None
    assert there.mask_sha256 == receipt.mask_sha256
    assert (
        finished(replace(one, parameters=replace(one.parameters, channels=Channels(("actin",), channels.planes))))
        is None
    )
    with pytest.raises(UsageError, match=r"the images have the channels actin, dapi; pass --channel with the one"):
        find_one_channel([several / "a.ome.tif"], ALL_CHANNELS)


def test_files_of_one_channel_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("f1_dapi", "f1_actin", "f2_dapi", "f2_actin"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 20), np.uint8))
    pattern = re.compile(r"(?P<run>\w+)_(?P<channel>\w+)")
    images, failures = find_images(tmp_path, recursive=False, pattern=pattern, channel="dapi")
    assert (list(images), failures) == (["f1_dapi", "f2_dapi"], [])
    with pytest.raises(UsageError, match=r"no image has a channel cy5; the channels are actin, dapi"):
        find_images(tmp_path, recursive=False, pattern=pattern, channel="cy5")
    with pytest.raises(UsageError, match="belong together"):
        find_images(tmp_path, recursive=False, pattern=re.compile(r"(?P<run>\w+)"), channel="dapi")
