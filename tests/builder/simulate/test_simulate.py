"""Simulated images: names, masks in cellpose's layout, truth that is true, the same pixels again."""

import hashlib
import json
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.simulate.look import generator, run_look
from builder.simulate.nuclei import KINDS, Kind, draw_nucleus
from builder.simulate.parameters import Like
from builder.simulate.sample_sheet import SAMPLES_NAME
from builder.simulate.set_folder import RECEIPT_NAME, SimulatedImage, place_of
from builder.simulate.simulate import EMPTY_INDEX, simulate, simulate_image
from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.inputs.pairs import FindOptions, find_sources
from nucleusnet_core.inputs.samples import read_samples
from tests.builder.commands import contents, nucleusnet, start


@pytest.fixture(scope="module")
def image() -> SimulatedImage:
    return simulate_image(0, size_px=1500, seed=0)


def test_the_first_names_are_spread_over_runs_and_places() -> None:
    assert [place_of(index) for index in (0, 1, 11, 12, 23, 24, 192)] == [
        (1, "TL", "top_left"),
        (2, "TR", "bottom_right"),
        (12, "BR", "top_right"),
        (1, "TR", "top_right"),
        (12, "TL", "bottom_left"),
        (1, "BL", "bottom_left"),
        (13, "TL", "top_left"),
    ]


def test_twenty_four_images_cover_twelve_runs_and_no_name_comes_twice() -> None:
    assert Counter(place_of(index)[0] for index in range(24)) == dict.fromkeys(range(1, 13), 2)
    assert len({place_of(index) for index in range(1600)}) == 1600


def test_pixels_are_the_same_for_the_same_seed_and_index_only() -> None:
    first, again = (simulate_image(1, size_px=512, seed=5) for _ in range(2))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.truth == again.truth
    for other in (simulate_image(1, size_px=512, seed=6), simulate_image(2, size_px=512, seed=5)):
        assert other.pixels.tobytes() != first.pixels.tobytes()


def test_images_of_100x_stay_the_same_to_the_byte() -> None:
    image = simulate_image(0, size_px=900, seed=5)
    data = image.pixels.tobytes() + image.labels.tobytes() + image.truth.to_json()
    assert hashlib.sha256(data).hexdigest() == "9f9f7aa689ab90e3b66dc8661defe6fb08a0613f6743d78bf34231467bd59185"


def test_faults_are_planted_in_some_nuclei_and_the_others_stay() -> None:
    sound, faulty = (simulate_image(1, size_px=1500, seed=2, faults=share) for share in (0.0, 0.4))
    assert '"fault"' not in sound.truth.to_json().decode()
    said = json.loads(faulty.truth.to_json())
    assert "faults" not in said
    faults = Counter(nucleus["fault"] for nucleus in said["nuclei"])
    assert set(faults) == {"", "blurred", "saturated", "debris", "merged", "blank", "cut"}
    assert {nucleus.fault for nucleus in faulty.truth.nuclei if nucleus.touches_border} >= {"cut"}
    same = {nucleus.bbox: nucleus for nucleus in sound.truth.nuclei}
    for nucleus in faulty.truth.nuclei:
        y0, x0, y1, x1 = nucleus.bbox
        inside = faulty.labels[y0:y1, x0:x1] == nucleus.label
        seen, before = (image.pixels[y0:y1, x0:x1][inside].astype(int) for image in (faulty, sound))
        if nucleus.fault in ("", "cut"):
            assert same[nucleus.bbox].area_px == nucleus.area_px == inside.sum()
            assert np.median(np.abs(seen - before)) <= 6  # neighbours may glow into it
        if nucleus.fault == "blank":
            assert len(set(seen)) == 1
        if nucleus.fault == "saturated":
            assert np.median(seen) == 255
        if nucleus.fault == "merged":
            assert nucleus.bbox not in same


def test_images_like_20x_show_hundreds_of_small_nuclei() -> None:
    image = simulate_image(1, size_px=1000, seed=0, **Like.air_20x.parameters())
    whole = [record for record in image.truth.nuclei if not record.touches_border]
    assert 200 <= len(image.truth.nuclei) <= 450
    widths = [2 * (record.area_px / np.pi) ** 0.5 for record in whole if record.kind == "interphase"]
    assert 25 <= np.median(widths) <= 35


@pytest.mark.parametrize(("like", "size_px"), [(Like.oil_100x, 2000), (Like.air_20x, 700)])
def test_masks_fit_what_is_brighter_than_half_of_their_nucleus(like: Like, size_px: int) -> None:
    """Of nuclei of one body that lie alone: half is half way from the dark around them to the median inside."""
    ratios = []
    for index in (1, 2, 5):
        image = simulate_image(index, size_px=size_px, seed=0, **like.parameters())
        around_px = round(3 * image.truth.pixels_per_um)
        pixels = cv2.GaussianBlur(image.pixels.astype(np.float32), (0, 0), 1.0)
        for record in image.truth.nuclei:
            y0, x0, y1, x1 = record.bbox
            window = np.s_[max(y0 - around_px, 0) : y1 + around_px, max(x0 - around_px, 0) : x1 + around_px]
            labels, seen = image.labels[window], pixels[window]
            mask = labels == record.label
            if record.kind == "interphase" and not record.touches_border and not labels[~mask].any():
                half = (np.median(seen[mask]) + np.median(seen[~mask])) / 2
                ratios.append(record.area_px / np.count_nonzero(seen > half))
    assert len(ratios) >= 30
    low, median, high = np.percentile(ratios, [10, 50, 90])
    assert 0.85 <= low <= high <= 1.15
    assert 0.95 <= median <= 1.1


def test_the_command_makes_images_like_20x_that_state_their_scale(tmp_path: Path) -> None:
    done = nucleusnet("simulate", "s", "--like", "20x", "--images", "1", "--size", "600", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["nuclei"] >= 60
    with tifffile.TiffFile(tmp_path / "s" / "Run01TL_top_left.tif") as tiff:
        assert tiff.pages.first.tags["XResolution"].value == (20000, 1)
        assert tiff.pages.first.tags["ResolutionUnit"].value == 3
    truth = json.loads((tmp_path / "s" / "Run01TL_top_left_truth.json").read_text("utf-8"))
    assert truth["pixels_per_um"] == 2.0
    refused = nucleusnet("simulate", "s", "--images", "1", "--size", "600", cwd=tmp_path)
    assert refused.returncode == 2
    assert "pixels_per_um (--like) is 2.0 there, not 8.0453" in " ".join(refused.stderr.split())


def test_the_sample_sheet_has_one_row_for_each_run_and_can_be_read(tmp_path: Path) -> None:
    simulate(tmp_path, images=14, size_px=512, nuclei_per_mm2=0)
    text = (tmp_path / SAMPLES_NAME).read_text("utf-8")
    assert text.splitlines()[:4] == [
        "run_name,treatment,dose_uM,passage",
        "1,control,0.0,5",
        "2,nocodazole,0.1,5",
        "3,control,0.0,5",
    ]
    sheet = read_samples(tmp_path / SAMPLES_NAME, ["run"])
    assert sheet.keys == ("run_name",)
    assert sheet.columns == {"treatment": "string", "dose_uM": "float64", "passage": "int64"}
    assert sorted(sheet.rows) == sorted((str(run),) for run in range(1, 13))
    assert {row.values[0] for row in sheet.rows.values()} == {"control", "nocodazole"}
    found = find_sources(tmp_path, FindOptions(samples=tmp_path / SAMPLES_NAME))
    assert found.failures == []
    assert dict(found.sources[0].columns) == {"treatment": "control", "dose_uM": 0.0, "passage": 5}


def test_a_missing_sample_sheet_is_made_again_and_one_that_is_there_kept_until_overwriting(tmp_path: Path) -> None:
    simulate(tmp_path, images=2, size_px=512)
    before = contents(tmp_path)
    (tmp_path / SAMPLES_NAME).unlink()
    assert all(one.was_there for one in simulate(tmp_path, images=2, size_px=512))
    assert contents(tmp_path) == before
    (tmp_path / SAMPLES_NAME).write_text("run_name,mine\n1,x\n", "utf-8")
    simulate(tmp_path, images=2, size_px=512)
    assert (tmp_path / SAMPLES_NAME).read_text("utf-8") == "run_name,mine\n1,x\n"
    simulate(tmp_path, images=2, size_px=512, overwrite=True)
    assert contents(tmp_path) == before


def test_truth_is_what_the_labels_say(image: SimulatedImage) -> None:
    size_px = 1500
    assert [record.label for record in image.truth.nuclei] == np.unique(image.labels)[1:].tolist()
    for record in image.truth.nuclei:
        mask = image.labels == record.label
        ys, xs = np.nonzero(mask)
        y0, x0, y1, x1 = record.bbox
        assert (y0, x0, y1, x1) == (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1)
        assert record.area_px == ys.size
        assert record.components == cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
        assert record.touches_border == (min(y0, x0) == 0 or max(y1, x1) == size_px)


def test_labels_rise_in_the_order_of_a_scan_with_gaps(image: SimulatedImage) -> None:
    labels, first = np.unique(image.labels.ravel(), return_index=True)
    labels, first = labels[1:], first[1:]
    assert labels[0] == 1
    assert (np.diff(first) > 0).all()
    assert labels[-1] > len(labels)


def test_some_neighbours_touch_and_some_nuclei_are_cut_by_the_border(image: SimulatedImage) -> None:
    left, right = image.labels[:, :-1], image.labels[:, 1:]
    touching = {tuple(pair) for pair in np.stack([left, right], -1)[(left != right) & (left * right > 0)].tolist()}
    assert len(touching) >= 3
    assert sum(record.touches_border for record in image.truth.nuclei) >= 3


def test_the_default_set_holds_every_kind_and_labels_of_two_parts() -> None:
    truths = [simulate_image(index, size_px=1500).truth for index in (0, 1, 2, 4, 5, 6)]
    nuclei = [record for truth in truths for record in truth.nuclei]
    assert {record.kind for record in nuclei} == set(KINDS)
    assert {record.components for record in nuclei if record.kind == "interphase"} == {1}
    assert 2 in {record.components for record in nuclei if record.kind == "anaphase"}
    assert {record.bodies for record in nuclei if record.kind != "interphase"} == {2}


def test_a_bright_foreign_object_has_no_label_of_its_own(image: SimulatedImage) -> None:
    y0, x0, y1, x1 = image.truth.debris[0]
    assert image.pixels[y0:y1, x0:x1].max() >= 200
    assert (y0, x0, y1, x1) not in {record.bbox for record in image.truth.nuclei}


def test_one_image_is_empty_but_not_black() -> None:
    empty = simulate_image(EMPTY_INDEX, size_px=600)
    assert not empty.labels.any()
    assert empty.truth.nuclei == ()
    assert 1 <= np.median(empty.pixels) <= 5


def test_nuclei_have_the_size_and_brightness_of_nuclei_at_100x(image: SimulatedImage) -> None:
    whole = [record for record in image.truth.nuclei if not record.touches_border]
    areas = [record.area_px for record in whole if record.kind == "interphase"]
    assert 10_000 <= np.median(areas) <= 14_500
    means = [image.pixels[image.labels == record.label].mean() for record in whole]
    assert 40 <= np.median(means) <= 120
    assert 2 <= np.median(image.pixels[image.labels == 0]) <= 6


def test_twice_the_scale_gives_nuclei_of_four_times_the_pixels() -> None:
    rng_seed, look = 3, replace(run_look(0, 1), blur_um=0.2)
    small = draw_nucleus("interphase", look, generator(rng_seed), pixels_per_um=4.0)
    large = draw_nucleus("interphase", look, generator(rng_seed), pixels_per_um=8.0)
    assert np.count_nonzero(large.core) / np.count_nonzero(small.core) == pytest.approx(4, rel=0.1)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**40), st.floats(1.0, 12.0))
def test_the_mask_of_any_nucleus_fits_its_patch(kind: Kind, seed: int, pixels_per_um: float) -> None:
    nucleus = draw_nucleus(kind, run_look(0, 1), generator(seed), pixels_per_um=pixels_per_um)
    margin_px = int(nucleus.margin_um * pixels_per_um)
    ys, xs = np.nonzero(nucleus.core)
    height, width = nucleus.core.shape
    assert min(ys.min(), xs.min()) >= margin_px
    assert ys.max() + margin_px < height
    assert xs.max() + margin_px < width
    assert nucleus.light.shape == nucleus.core.shape
    assert np.isfinite(nucleus.light).all()
    assert nucleus.light.min() >= 0


def test_files_have_the_published_names_and_layouts(tmp_path: Path) -> None:
    folder = tmp_path / "Bilder für später"
    files = simulate(folder, images=2, size_px=520, seed=1)
    stems = [one.stem for one in files]
    assert stems == ["Run01TL_top_left", "Run02TR_bottom_right"]
    names = [f"{stem}{ending}" for stem in stems for ending in (".tif", "_cp_masks.png", "_truth.json")]
    assert sorted(path.name for path in folder.iterdir()) == sorted([RECEIPT_NAME, SAMPLES_NAME, *names])
    expected = simulate_image(0, size_px=520, seed=1)
    assert np.array_equal(tifffile.imread(files[0].image_path), expected.pixels)
    mask = cv2.imdecode(np.frombuffer(files[0].mask_path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.dtype == np.uint16
    assert np.array_equal(mask, expected.labels)
    truth = json.loads((folder / f"{stems[0]}_truth.json").read_text("utf-8"))
    assert len(truth["nuclei"]) == files[0].nuclei == len(expected.truth.nuclei)
    assert truth["nuclei"][0]["bbox"] == list(expected.truth.nuclei[0].bbox)


def test_the_image_is_one_uncompressed_strip_that_states_its_scale(tmp_path: Path) -> None:
    files = simulate(tmp_path, images=1, size_px=512)
    with tifffile.TiffFile(files[0].image_path) as tiff:
        page = tiff.pages.first
        assert (page.compression, page.is_contiguous, page.dtype) == (1, True, np.dtype("uint8"))
        assert page.tags["XResolution"].value == (80453, 1)
        assert page.tags["ResolutionUnit"].value == 3


def test_the_mask_png_is_16_bit_gray_with_filter_sub_on_every_row(tmp_path: Path) -> None:
    data = simulate(tmp_path, images=1, size_px=512)[0].mask_path.read_bytes()
    assert data[16:29] == bytes.fromhex("00000200000002001000000000")
    packed, at = b"", 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    assert set(zlib.decompress(packed)[:: 1 + 2 * 512]) == {1}


def test_images_of_other_parameters_are_refused_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    simulate(tmp_path, images=2, size_px=512)
    before = contents(tmp_path)
    with pytest.raises(UsageError) as refused:
        simulate(tmp_path, images=1, size_px=512, seed=9)
    assert str(refused.value) == (
        f"{tmp_path} holds images that were simulated in another way (images (--images) is 2 there, not 1, seed "
        "(--seed) is 0 there, not 9); choose another folder, or pass --overwrite to replace them."
    )
    assert contents(tmp_path) == before
    simulate(tmp_path, images=1, size_px=512, seed=9, overwrite=True)
    fresh = tmp_path.with_name("fresh")
    simulate(fresh, images=1, size_px=512, seed=9)
    assert contents(tmp_path) == contents(fresh)


@pytest.mark.parametrize("receipt", [None, "{}x", '{"images": "many"}', "[]"])
def test_images_of_another_origin_are_refused_unless_overwriting_is_asked_for(
    tmp_path: Path, receipt: str | None
) -> None:
    (tmp_path / "Run01TL_top_left.tif").write_bytes(b"of a microscope")
    if receipt is not None:
        (tmp_path / RECEIPT_NAME).write_text(receipt, "utf-8")
    with pytest.raises(UsageError, match=r"holds Run01TL_top_left\.tif, and nothing says .* --overwrite"):
        simulate(tmp_path, images=1, size_px=512)
    assert (tmp_path / "Run01TL_top_left.tif").read_bytes() == b"of a microscope"
    assert not simulate(tmp_path, images=1, size_px=512, overwrite=True)[0].was_there


@pytest.mark.parametrize("ending", [".tif", "_cp_masks.png", "_truth.json"])
def test_an_image_of_which_a_file_is_missing_is_made_again_and_no_other(tmp_path: Path, ending: str) -> None:
    simulate(tmp_path, images=2, size_px=512)
    before = contents(tmp_path)
    (tmp_path / f"Run02TR_bottom_right{ending}").unlink()
    assert [one.was_there for one in simulate(tmp_path, images=2, size_px=512)] == [True, False]
    assert contents(tmp_path) == before


def test_a_killed_call_is_resumed_by_the_next_and_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    command = ["simulate", "stitched", "--images", "5", "--size", "1000", "--json"]
    folder = tmp_path / "stitched"
    running = start(*command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(folder.glob("*_truth.json")) and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.005)
    running.kill()
    running.communicate()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*_truth.json")}
    assert 1 <= len(finished) < 5
    # What a kill in the midst of writing leaves.
    (folder / ".Run05BR_top_left.tif.0123abcd.tmp").write_bytes(b"half")
    done = nucleusnet(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = simulate(tmp_path / "undisturbed", images=5, size_px=1000)
    expected = {"folder": "stitched", "images": 5, "nuclei": sum(one.nuclei for one in files)}
    assert json.loads(done.stdout) == expected
    assert contents(folder) == contents(tmp_path / "undisturbed")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = nucleusnet(*command[:-1], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == (
        f"stitched: 5 images of 1000 x 1000 px, {expected['nuclei']} nuclei (all were there already)\n"
    )
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError, match="taken"):
        simulate(tmp_path / "taken", images=1, size_px=512)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", 0),
        ("size_px", 511),
        ("size_px", 30_001),
        ("seed", -1),
        ("pixels_per_um", 0.0),
        ("pixels_per_um", float("nan")),
        ("nuclei_per_mm2", -1.0),
    ],
)
def test_values_that_cannot_work_are_named(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        simulate(tmp_path / "new", **{name: value})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
