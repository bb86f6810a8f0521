"""The measured columns of a dataset, held against scikit-image on the images and masks that it was built from."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image
from skimage.measure import regionprops

from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from builder.simulate.simulate import simulate_image
from nucleusnet_core.contract import METADATA
from nucleusnet_core.dataset import open_dataset

SIDES_PX = {2.0: 512, 4.0: 640, 8.0453: 1000}
"""Side of the image at each scale, px per um."""
IMAGES = {f"scale{index}_{bits}bits": (index, bits) for index in range(len(SIDES_PX)) for bits in (8, 16)}
"""Number of the scale, and bits of a pixel, of each image of the dataset."""
RELATIVE = 2**-23
"""Numbers are stored as float32, whose rounding changes them by half of that."""
UNIT_SQUARE = 16 / 12
"""The square of an axis, px^2, gains this: a pixel is a point to scikit-image, a unit square (variance 1/12) to us."""
COLUMNS = (
    "area_px",
    "area_um2",
    "bbox_y0",
    "bbox_x0",
    "bbox_y1",
    "bbox_x1",
    "centroid_y",
    "centroid_x",
    "major_axis_um",
    "minor_axis_um",
    "eccentricity",
    "mean_intensity",
    "std_intensity",
    "max_intensity",
    "integrated_intensity",
)

Measured = dict[str, dict[str, float]]
"""By id of the nucleus, then by column."""


def independent(region: Any, pixels_per_um: float) -> dict[str, float]:
    """What scikit-image says of one nucleus, in the units of the dataset."""
    under = region.image_intensity[region.image].astype(np.float64)
    major, minor = ((length**2 + UNIT_SQUARE) ** 0.5 for length in (region.axis_major_length, region.axis_minor_length))
    return {
        "area_px": region.area,
        "area_um2": region.area / pixels_per_um**2,
        **dict(zip(("bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"), region.bbox, strict=True)),
        "centroid_y": region.centroid[0],
        "centroid_x": region.centroid[1],
        "major_axis_um": major / pixels_per_um,
        "minor_axis_um": minor / pixels_per_um,
        "eccentricity": (1 - (minor / major) ** 2) ** 0.5,
        # Theirs is the angle to the axis of the rows, which points down; ours is the angle to the x axis.
        "orientation_deg": np.degrees(region.orientation) - 90,
        "mean_intensity": region.intensity_mean,
        "std_intensity": under.std(),
        "max_intensity": region.intensity_max,
        "integrated_intensity": under.sum(),
    }


def simulated(index: int, bits: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint16]]:
    """An image of 8 or 16 bits at the scale with this index, and its mask."""
    scale, side_px = list(SIDES_PX.items())[index]
    image = simulate_image(index, size_px=side_px, pixels_per_um=scale, mask_margin_um=0.6)
    if bits == 8:
        return image.pixels, image.labels
    noise = np.random.default_rng(index).integers(0, 200, image.pixels.shape)
    return (image.pixels * np.uint16(200) + noise).astype(np.uint16), image.labels


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measured, Measured]:
    """What the dataset says of every nucleus, and what scikit-image says of every label."""
    folder = tmp_path_factory.mktemp("measured")
    stitched, out = folder / "stitched", folder / "nucleusnet"
    stitched.mkdir()
    theirs: Measured = {}
    for stem, (index, bits) in IMAGES.items():
        scale, (pixels, labels) = list(SIDES_PX)[index], simulated(index, bits)
        per_cm = round(scale * 1e4)
        tifffile.imwrite(stitched / f"{stem}.tif", pixels, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
        Image.fromarray(labels).save(stitched / f"{stem}_cp_masks.png")
        for region in regionprops(labels, pixels):
            theirs[f"{stem}_ROI_{region.label}"] = independent(region, scale)
    assert build(BuildOptions(stitched, out, splits="train=1", recipe=Recipe.refined)).failures == []
    shards = open_dataset(out).shards(METADATA, "train")
    rows = pa.concat_tables([pq.read_table(out / shard.path) for shard in shards]).to_pylist()
    return {row["nucleus_id"]: row for row in rows}, theirs


def test_every_label_is_a_nucleus_of_the_dataset(measured: tuple[Measured, Measured]) -> None:
    ours, theirs = measured
    assert sorted(ours) == sorted(theirs)
    assert min(sum(name.startswith(stem) for name in ours) for stem in IMAGES) >= 10
    assert {row["pixels_per_um"] for row in ours.values()} == {float(np.float32(scale)) for scale in SIDES_PX}
    brightest = {bits: max(ours[name]["max_intensity"] for name in ours if f"{bits}bits" in name) for bits in (8, 16)}
    assert brightest[8] <= 255
    assert brightest[16] > 40_000


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_is_what_scikit_image_measures(column: str, measured: tuple[Measured, Measured]) -> None:
    ours, theirs = measured
    assert [ours[name][column] for name in theirs] == pytest.approx(
        [theirs[name][column] for name in theirs], rel=RELATIVE, abs=0
    )


def test_the_major_axis_points_where_scikit_image_says(measured: tuple[Measured, Measured]) -> None:
    ours, theirs = measured
    degrees = np.array([ours[name]["orientation_deg"] for name in theirs])
    assert ((degrees > -90) & (degrees <= 90)).all()
    apart = degrees - [theirs[name]["orientation_deg"] for name in theirs]
    assert (apart + 90) % 180 - 90 == pytest.approx(np.zeros(len(theirs)), abs=1e-5)
