"""Whole builds from every kind of file that may hold an image or a mask, and from images of odd sizes."""

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.verify.verify import verify
from nucleusnet_core.cells.png import decode_cell
from tests.builder.commands import contents

UM_PER_PX = 1 / 8.0453
IMAGES: tuple[tuple[str, dict[str, Any]], ...] = (
    (".tif", {"compression": "lzw"}),
    (".tiff", {"compression": "zlib", "rowsperstrip": 100}),
    (".tif", {"tile": (256, 256), "compression": "lzw"}),
    (".tif", {"bigtiff": True}),
    (".ome.tif", {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": UM_PER_PX, "PhysicalSizeY": UM_PER_PX}}),
    (".tif", {"imagej": True}),
    (".tif", {"byteorder": ">"}),
)


def write_mask(kind: int, stem: Path, labels: NDArray[np.uint16]) -> None:
    if kind == 0:
        assert labels.max() < 255
        cv2.imwrite(f"{stem}_cp_masks.png", labels.astype(np.uint8))
    elif kind == 1:
        tifffile.imwrite(f"{stem}_cp_masks.tif", labels.astype(np.uint32), compression="zlib")
    elif kind == 2:
        tifffile.imwrite(f"{stem}_cp_masks.tif", labels.astype(np.float32), imagej=True)
    elif kind == 3:
        np.save(f"{stem}_seg.npy", np.array({"masks": labels}, object), allow_pickle=True)
    else:
        cv2.imwrite(f"{stem}_cp_masks.png", labels, [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED])


def converted(stitched: Path, folder: Path, scale: int, dtype: Any) -> Path:
    """Write the same images and masks in other kinds of files, each kind in its turn."""
    folder.mkdir()
    for number, path in enumerate(sorted(stitched.glob("*.tif"))):
        suffix, options = IMAGES[number % len(IMAGES)]
        tifffile.imwrite(folder / f"{path.stem}{suffix}", tifffile.imread(path).astype(dtype) * dtype(scale), **options)
        labels = np.asarray(Image.open(stitched / f"{path.stem}_cp_masks.png")).astype(np.uint16)
        write_mask(number % 5, folder / path.stem, labels)
    return folder


def test_the_same_pixels_give_the_same_nuclei_whatever_files_hold_them(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    folder = converted(stitched, tmp_path / "converted", 1, np.uint8)
    assert build(BuildOptions(folder, tmp_path / "nucleusnet", pixels_per_um=8.0453, allow_pickle=True)).failures == []
    built = contents(tmp_path / "nucleusnet")
    nuclei = [path for path in built if path.startswith(("data/", "metadata/", "10k/"))]
    assert len(nuclei) >= 6
    assert {path: built[path] for path in nuclei} == {path: undisturbed[path] for path in nuclei}


def rows(folder: Path) -> pa.Table:
    return pq.read_table(folder / "data" / "train-00000-of-00001.parquet")


def test_16_bit_images_give_16_bit_crops_of_the_same_nuclei(stitched: Path, tmp_path: Path) -> None:
    folder = converted(stitched, tmp_path / "converted", 257, np.uint16)
    build(BuildOptions(folder, tmp_path / "deep", pixels_per_um=8.0453, allow_pickle=True, splits="train=1"))
    build(BuildOptions(stitched, tmp_path / "shallow", splits="train=1"))
    deep, shallow = rows(tmp_path / "deep"), rows(tmp_path / "shallow")
    same = ["nucleus_id", "mask", "area_px", "bbox_x0", "orientation_deg", "rotation_deg", "clipped"]
    assert deep.select(same).equals(shallow.select(same))
    assert np.array_equal(deep["integrated_intensity"], 257 * shallow["integrated_intensity"].to_numpy())
    pixels, pixels_8 = (decode_cell(table["image"][0]["bytes"].as_py()) for table in (deep, shallow))
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - pixels_8).max() < 0.51  # both are rounded
    assert len(deep) > 50


def test_images_that_are_odd_narrow_or_smaller_than_a_crop_are_counted_and_never_stop_a_build(
    stitched: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in stitched.glob("Run01TL*"):
        shutil.copyfile(path, folder / path.name)
    for height, width in ((1, 1), (1, 900), (363, 363), (365, 1001), (2003, 377)):
        labels = np.zeros((height, width), np.uint16)
        labels[height // 3 : height // 3 + 40, width // 2 : width // 2 + 60] = 7
        tifffile.imwrite(folder / f"{height}x{width}.tif", np.full(labels.shape, 9, np.uint8))
        cv2.imwrite(str(folder / f"{height}x{width}_cp_masks.png"), labels)
    assert build(BuildOptions(folder, tmp_path / "nucleusnet", pixels_per_um=8.0453, splits="train=1")).failures == []
    table = pq.read_table(tmp_path / "nucleusnet" / "stitched" / "train-00000-of-00001.parquet")
    found = {row["name"]: (row["num_rois"], row["kept"]) for row in table.to_pylist()}
    del found["Run01TL_top_left"]
    assert found == {"1x1": (1, 0), "1x900": (1, 0), "363x363": (1, 0), "365x1001": (1, 0), "2003x377": (1, 0)}
    assert pytest.approx(table.column("mean_intensity").to_pylist()[0]) == 9


def test_beside_images_of_16_bits_those_of_8_keep_their_values(stitched: Path, tmp_path: Path) -> None:
    folder = converted(stitched, tmp_path / "converted", 1, np.uint8)
    first = min(folder.glob("*.tif"))
    tifffile.imwrite(first, tifffile.imread(first).astype(np.uint16))
    options = BuildOptions(folder, tmp_path / "mixed", pixels_per_um=8.0453, allow_pickle=True, splits="train=1")
    assert build(options).failures == []
    build(BuildOptions(stitched, tmp_path / "shallow", pixels_per_um=8.0453, splits="train=1"))
    mixed, shallow = rows(tmp_path / "mixed"), rows(tmp_path / "shallow")
    assert mixed.drop_columns(["image"]).equals(shallow.drop_columns(["image"]))
    shown = [(mixed, "stitched_image"), (mixed, "image"), (shallow, "image")]
    for name, deep, flat in zip(*(table[column].to_pylist() for table, column in shown), strict=True):
        pixels, pixels_8 = decode_cell(deep["bytes"]), decode_cell(flat["bytes"])
        assert pixels.dtype == np.uint16
        # Between the pixels of an image, the published warp weighs 8 bits in whole numbers, and 16 bits in fractions.
        assert np.abs(pixels.astype(int) - pixels_8).max() <= (1 if name == first.stem else 0)
    assert verify(tmp_path / "mixed").problems == []
