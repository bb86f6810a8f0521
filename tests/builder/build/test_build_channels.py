"""Datasets of several channels: each is, bit for bit, what a dataset of that channel alone would be."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tifffile

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Outside, Recipe
from builder.dataset_folder import read_manifest
from builder.verify.verify import verify
from nucleusnet_core.contract import INTENSITY_COLUMNS
from nucleusnet_core.inputs.channels import ChannelOptions
from nucleusnet_core.stitched_names import DEFAULT_NAME_PATTERN
from tests.builder.build.test_any_lab import field
from tests.builder.commands import contents, nucleusnet

NAMES = ("dapi", "actin", "golgi")
SCALE = 6.0
OF_IMAGE = ("image_sha256", "mask_sha256")


def planes_of(seed: int) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.uint16]]:
    """Three channels of a field, the second dim, the third of 16 bits, and its mask."""
    image, labels = field(seed, SCALE)
    rng = np.random.default_rng(seed)
    actin = rng.integers(0, 90, image.shape).astype(np.uint8)
    golgi = (image[::-1].astype(np.uint16) * 200) + actin
    return [image, actin, golgi], labels


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `files`, `planes` (in another order, 16 bits) and one of each channel alone, with the same images."""
    root = tmp_path_factory.mktemp("channels")
    for name in ("files", "planes", *NAMES):
        (root / name).mkdir()
    for number in range(3):
        stem, (channels, labels) = f"Run{number}TL_top_left", planes_of(number)
        for name, channel in zip(NAMES, channels, strict=True):
            tifffile.imwrite(root / "files" / f"{stem}_{name}.tif", channel)
            tifffile.imwrite(root / name / f"{stem}.tif", channel)
        tifffile.imwrite(
            root / "planes" / f"{stem}.ome.tif",
            np.stack([channel.astype(np.uint16) for channel in (channels[1], channels[0], channels[2])]),
            ome=True,
            metadata={"axes": "CYX", "Channel": {"Name": ["Actin", "DAPI", "Golgi"]}},
        )
        tifffile.imwrite(root / "files" / f"{stem}_dapi_masks.tif", labels)
        for name in ("planes", *NAMES):
            tifffile.imwrite(root / name / f"{stem}_masks.tif", labels)
    return root


def options(folders: Path, name: str, **wanted: Any) -> BuildOptions:
    usual = BuildOptions(folders / name, folders / f"{name}-out", pixels_per_um=SCALE, splits="train=1", overwrite=True)
    pattern = rf"{DEFAULT_NAME_PATTERN}_(?P<channel>\w+)" if name == "files" else None
    return replace(usual, name_pattern=pattern, **wanted)


def table(out: Path, config: str = "default") -> Any:
    folder = "data" if config == "default" else config
    return pq.read_table(sorted((out / folder).glob("train-*"))[0])


def pixels(column: Any) -> list[npt.NDArray[Any]]:
    feature = datasets.Image()
    return [np.asarray(feature.decode_example(cell)) for cell in column.to_pylist()]


@pytest.mark.parametrize("recipe", list(Recipe))
@pytest.mark.parametrize("outside", list(Outside))
def test_every_channel_is_cut_as_it_would_be_alone(folders: Path, recipe: Recipe, outside: Outside) -> None:
    wanted: dict[str, Any] = {"recipe": recipe, "outside": outside}
    assert build(options(folders, "files", **wanted)).failures == []
    out = folders / "files-out"
    assert verify(out).problems == []
    assert read_manifest(out).channels == list(NAMES)
    joined = table(out)
    assert joined.column_names[:4] == ["image", "image_actin", "image_golgi", "mask"]
    for name in NAMES:
        build(options(folders, name, **wanted))
        alone = table(folders / f"{name}-out")
        suffix = "" if name == NAMES[0] else f"_{name}"
        assert joined.column("nucleus_id") == alone.column("nucleus_id")
        assert joined.column("mask") == alone.column("mask")
        for together, single in zip(
            pixels(joined.column(f"image{suffix}")), pixels(alone.column("image")), strict=True
        ):
            np.testing.assert_array_equal(together, single)
        for column in INTENSITY_COLUMNS:
            assert joined.column(f"{column}{suffix}") == alone.column(column)


def test_planes_of_a_file_are_the_same_dataset_as_files_of_their_own(folders: Path) -> None:
    build(options(folders, "files", recipe=Recipe.refined, crop_px=64))
    build(
        options(
            folders, "planes", recipe=Recipe.refined, crop_px=64, channels=ChannelOptions.of_text(None, None, "dapi")
        )
    )
    files, planes = table(folders / "files-out"), table(folders / "planes-out")
    assert read_manifest(folders / "planes-out").channels == ["dapi", "actin", "golgi"]
    # Both have 16 bits a pixel, since one channel has; a file of three channels of 16 bits saturates elsewhere.
    assert files.drop_columns(["saturated_px", "warnings"]) == planes.drop_columns(["saturated_px", "warnings"])
    stitched = table(folders / "files-out", "stitched")
    assert stitched.column_names[-4:] == ["image_sha256", "image_sha256_actin", "image_sha256_golgi", "mask_sha256"]
    assert stitched.column("image_sha256_actin")[0].as_py() != stitched.column("image_sha256")[0].as_py()
    one = table(folders / "planes-out", "stitched")
    assert one.column("image_sha256_actin") == one.column("image_sha256")


def test_one_channel_of_several_is_a_dataset_without_others(folders: Path) -> None:
    build(options(folders, "planes", channels=ChannelOptions.of_text(None, "Golgi")))
    build(options(folders, "golgi"))
    taken, alone = table(folders / "planes-out"), table(folders / "golgi-out")
    assert taken.column_names == alone.column_names
    assert taken == alone
    assert read_manifest(folders / "planes-out").channels == ["golgi"]


def test_one_channel_costs_nothing_new_in_the_files(folders: Path) -> None:
    """A dataset of images without names of channels says nothing of channels but in its manifest."""
    build(options(folders, "dapi"))
    manifest = json.loads((folders / "dapi-out" / "manifest.json").read_bytes())
    assert manifest["channels"] == []
    assert [name for name in table(folders / "dapi-out").column_names if "image" in name] == ["image", "stitched_image"]


def test_images_with_other_channels_are_listed_and_left_out(folders: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(folders / "planes", images)
    odd = np.zeros((2, 900, 900), np.uint16)
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "Actin"]}}
    tifffile.imwrite(images / "Run1TL_top_left.ome.tif", odd, ome=True, metadata=metadata)
    tifffile.imwrite(images / "Run2TL_top_left.ome.tif", odd[0])
    tifffile.imwrite(images / "Run3TL_top_left.ome.tif", tifffile.imread(images / "Run0TL_top_left.ome.tif"))
    shutil.copy(images / "Run0TL_top_left_masks.tif", images / "Run3TL_top_left_masks.tif")
    common = ("build", images, "--out", tmp_path / "out", "--pixels-per-um", "6", "--quiet")
    shown = nucleusnet(*common, "--mask-channel", "dapi", cwd=tmp_path)
    assert shown.returncode == 1
    assert "Run1TL_top_left.ome.tif has 2 planes, and the other images have 3" in shown.stderr
    assert "Run2TL_top_left.ome.tif has 1 planes, and the other images have 3" in shown.stderr
    assert read_manifest(tmp_path / "out").channels == ["dapi", "actin", "golgi"]


def test_a_resumed_build_takes_the_same_channels(folders: Path, tmp_path: Path) -> None:
    one = replace(options(folders, "files"), out=tmp_path / "out", overwrite=False)
    (folders / "files" / "Run7TL_top_left_dapi.tif").write_bytes(b"damaged")
    (folders / "files" / "Run7TL_top_left_actin.tif").write_bytes(b"damaged")
    (folders / "files" / "Run7TL_top_left_golgi.tif").write_bytes(b"damaged")
    (folders / "files" / "Run7TL_top_left_dapi_masks.tif").write_bytes(b"damaged")
    try:
        assert len(build(one).failures) == 1
        before = contents(tmp_path / "out")
        assert len(build(replace(one, overwrite=True)).failures) == 1
        assert contents(tmp_path / "out") == before
    finally:
        for path in (folders / "files").glob("Run7*"):
            path.unlink()


def test_a_dry_run_says_the_channels(folders: Path) -> None:
    said = nucleusnet("build", "planes", "--pixels-per-um", "6", "--dry-run", "--mask-channel", "dapi", cwd=folders)
    line = "channels: dapi (image), actin (image_actin), golgi (image_golgi); the masks belong to dapi"
    assert line in said.stdout
    as_json = nucleusnet("build", "planes", "--pixels-per-um", "6", "--dry-run", "--json", cwd=folders)
    assert json.loads(as_json.stdout)["channels"] == ["actin", "dapi", "golgi"]
