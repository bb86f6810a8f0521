"""How wide nuclei look without a network, and which masks are doubted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from builder.segment.doubts import Doubt, doubt_of, doubtful_masks
from builder.segment.estimate import doubted_diameter, estimate_nuclei, listed
from builder.segment.receipts import SegmentReceipt
from builder.simulate.parameters import Like
from builder.simulate.set_folder import SimulatedImage
from builder.simulate.simulate import EMPTY_INDEX, simulate_image

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def small() -> SimulatedImage:
    return simulate_image(1, size_px=700, seed=0, **Like.air_20x.parameters())


@pytest.mark.parametrize("shrink", [1, 3])
def test_the_estimate_lies_near_the_true_diameter(fields: list[SimulatedImage], shrink: int) -> None:
    for field in fields:
        areas = [record.area_px for record in field.truth.nuclei if not record.touches_border]
        true_px = np.median(2 * np.sqrt(np.array(areas) / np.pi)) / shrink
        found = estimate_nuclei(field.pixels[::shrink, ::shrink])
        assert found
        assert 0.65 * true_px <= found.diameter_px <= 1.2 * true_px  # masks are wider than what is bright


def test_small_nuclei_of_any_bit_depth_and_offset_are_seen(small: SimulatedImage) -> None:
    found = estimate_nuclei(small.pixels)
    assert found
    assert 25 <= found.diameter_px <= 37
    assert found.nuclei >= 60
    assert estimate_nuclei(small.pixels.astype(np.uint16) * 150 + 400) == found


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((300, 300), 9, np.uint8),
        np.zeros((1, 1), np.uint16),
        RNG.poisson(9, (600, 600)).astype(np.uint8),
        np.add.outer(np.arange(600), np.arange(600)).astype(np.uint16),
        simulate_image(EMPTY_INDEX, size_px=900).pixels,
    ],
    ids=["blank", "one pixel", "noise", "slope", "no nuclei"],
)
def test_nothing_is_seen_where_nothing_is(pixels: npt.NDArray[np.uint8]) -> None:
    assert estimate_nuclei(pixels) is None
    assert doubt_of(pixels, np.zeros(pixels.shape, np.uint16)) == ""


def test_only_a_diameter_that_is_off_by_more_than_a_factor_of_two_is_doubted(
    small: SimulatedImage, tmp_path: Path
) -> None:
    path = tmp_path / "Run01.tif"
    tifffile.imwrite(path, small.pixels)
    found = estimate_nuclei(small.pixels)
    assert found
    about = round(found.diameter_px)
    assert doubted_diameter([path], 152.91) == (
        f"Nuclei in Run01.tif look about {about} px wide, and --diameter is 152.91; try --diameter {about}."
    )
    assert doubted_diameter([path], 2 * about) == doubted_diameter([path], about / 2) == ""
    assert doubted_diameter([path], about / 2 - 0.5) != ""


def test_a_few_images_are_looked_at_and_those_that_cannot_be_read_passed_over(
    small: SimulatedImage, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.tif" for number in range(7)]
    tifffile.imwrite(paths[0], small.pixels)
    paths[3].write_bytes(b"no image")
    tifffile.imwrite(paths[6], small.pixels)
    assert doubted_diameter(paths, 152.91).startswith("Nuclei in 0.tif and 6.tif look about ")
    assert doubted_diameter(paths[3:4], 152.91) == doubted_diameter([], 152.91) == ""


def test_noise_and_nothing_found_are_doubted_and_true_masks_are_not(small: SimulatedImage) -> None:
    assert doubt_of(small.pixels, small.labels) == ""
    assert doubt_of(small.pixels, np.zeros_like(small.labels)) == Doubt.nothing_found
    assert doubt_of(small.pixels, (small.labels == 0).astype(np.uint16)) == Doubt.not_brighter
    assert doubt_of(np.full((20, 20), 9, np.uint8), np.eye(20, dtype=np.uint16)) == Doubt.not_brighter
    assert doubt_of(np.full((20, 20), 9, np.uint8), np.ones((20, 20), np.uint16)) == ""


def test_each_doubt_is_one_sentence_with_names() -> None:
    fields = dict.fromkeys(SegmentReceipt.__dataclass_fields__, "")
    receipt = SegmentReceipt(**fields)  # type: ignore[arg-type]
    nothing = [replace(receipt, image_file=f"{name}.tif", doubt="nothing_found") for name in "abcdefg"]
    noise = replace(receipt, image_file="x.tif", doubt="not_brighter")
    assert doubtful_masks([noise, receipt, *nothing]) == [
        "No nuclei were found in a.tif, b.tif, c.tif, d.tif, e.tif and 2 others, where some can be seen; check "
        "--diameter, or lower --cellprob-threshold.",
        "What was found in x.tif is not brighter than the rest of the image, so noise may have become nuclei; look at "
        "it with `nucleusnet overlay`.",
    ]
    assert doubtful_masks([receipt]) == []


def test_names_are_listed_as_a_sentence_lists_them() -> None:
    assert [listed("abcdefg"[:count]) for count in (1, 2, 5, 6)] == [
        "a",
        "a and b",
        "a, b, c, d and e",
        "a, b, c, d, e and 1 other",
    ]
