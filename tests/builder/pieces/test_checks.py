"""Which images are warned of, and which masks are refused, on simulated nuclei and on masks that do not fit them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builder.cutting.measure import sum_intensities
from builder.pieces.checks import WARNING_TEXTS, check_label_image, duplicate_warnings, image_warnings
from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import Regions, regions_from_runs

Labels = npt.NDArray[np.uint16]
RADIUS_PX = 8


def regions_of(labels: npt.NDArray[Any]) -> Regions:
    return regions_from_runs(runs_from_array(labels))


def words(pixels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> list[str]:
    regions = regions_of(labels)
    return image_warnings(pixels, regions, sum_intensities(pixels, regions))


def draw(labels: Labels, label: int, y: float, x: float, radius_px: float = RADIUS_PX) -> None:
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius_px**2] = label


def field(seed: int, size_px: int = 300, pitch_px: int = 50) -> Labels:
    """Nuclei at random places of a grid with gaps, none at the border, labels 1, 2, 3 ..."""
    rng, labels = np.random.default_rng(seed), np.zeros((size_px, size_px), np.uint16)
    for y in range(pitch_px // 2, size_px, pitch_px):
        for x in range(pitch_px // 2, size_px, pitch_px):
            if rng.random() < 0.7:
                draw(labels, int(labels.max()) + 1, *(np.array([y, x]) + rng.uniform(-12, 12, 2)))
    return labels


def shifted(labels: Labels, shift_px: int, axis: int) -> Labels:
    """The labels moved along an axis; what leaves the image is lost."""
    out, start = np.zeros_like(labels), max(shift_px, 0)
    moved = np.moveaxis(labels, axis, 0)[max(-shift_px, 0) : labels.shape[axis] - start]
    np.moveaxis(out, axis, 0)[start : start + len(moved)] = moved
    return out


def picture(labels: Labels, dtype: type = np.uint8, *, background: float = 20, seed: int = 9) -> npt.NDArray[Any]:
    """Noisy nuclei of unlike brightness on a background."""
    rng = np.random.default_rng(seed)
    brightness = np.append(0, rng.uniform(30, 120, int(labels.max())))
    return np.asarray(background + brightness[labels] + rng.normal(0, 4, labels.shape)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(4))
def test_an_ordinary_image_has_no_warning(dtype: type, seed: int) -> None:
    assert words(picture(field(seed), dtype), field(seed)) == []


def test_an_image_without_nuclei_has_no_warning() -> None:
    empty = np.zeros((300, 300), np.uint16)
    assert words(picture(empty), empty) == []


def test_faint_nuclei_on_a_bright_background_fit_their_mask() -> None:
    labels, rng = field(0), np.random.default_rng(1)
    pixels = (1000 + 10 * (labels > 0) + rng.normal(0, 20, labels.shape)).astype(np.uint16)
    assert words(pixels, labels) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(4))
def test_a_mask_of_another_image_does_not_fit(dtype: type, seed: int) -> None:
    assert words(picture(field(seed), dtype), field(seed + 10)) == ["mask_does_not_fit"]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shift_px", [-2 * RADIUS_PX, 2 * RADIUS_PX])
def test_a_mask_shifted_by_one_nucleus_does_not_fit(axis: int, shift_px: int) -> None:
    assert words(picture(field(3)), shifted(field(3), shift_px, axis)) == ["mask_does_not_fit"]


def test_a_mask_shifted_by_a_few_pixels_fits() -> None:
    assert words(picture(field(3)), shifted(field(3), 3, 0)) == []


def test_a_mask_of_dark_nuclei_does_not_fit() -> None:
    assert words(255 - picture(field(5)), field(5)) == ["mask_does_not_fit"]


@pytest.mark.parametrize(("dark", "expected"), [(1, []), (2, ["mask_does_not_fit"]), (3, ["mask_does_not_fit"])])
def test_one_dark_body_among_three_may_be_debris(dark: int, expected: list[str]) -> None:
    labels, pixels = np.zeros((100, 300), np.uint16), np.full((100, 300), 100, np.uint8)
    for label in (1, 2, 3):
        draw(labels, label, 50, 75 * label)
        pixels[labels == label] = 60 if label <= dark else 140
    assert words(pixels, labels) == expected


def test_nuclei_without_surroundings_have_nothing_to_be_held_against() -> None:
    labels = np.repeat(np.arange(1, 5, dtype=np.uint16), 4).reshape(4, 4)
    assert words((labels * 50).astype(np.uint8), labels) == ["all_at_border"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_of_nearly_one_value_is_blank_and_nothing_else(dtype: type) -> None:
    pixels: npt.NDArray[Any] = np.full((300, 300), np.iinfo(dtype).max, dtype)
    assert words(pixels, field(0)) == ["blank"]
    pixels[150:] -= 2
    assert words(pixels, field(0)) == ["blank"]
    pixels[299, 299] -= 1
    assert "blank" not in words(pixels, field(0))


@pytest.mark.parametrize("tiles", [(1, 2), (2, 2), (3, 3)])
def test_labels_that_restart_in_each_tile(tiles: tuple[int, int]) -> None:
    labels = np.vstack([np.hstack([field(10 * y + x) for x in range(tiles[1])]) for y in range(tiles[0])])
    pixels = picture((labels > 0).astype(np.uint16))
    assert words(pixels, labels) == ["labels_restart"]


def test_mitoses_micronuclei_and_one_slip_of_the_pen_are_no_restart() -> None:
    labels = field(1, size_px=600)
    for label in range(1, int(labels.max()) + 1):
        y, x = (int(values.mean()) for values in np.nonzero(labels == label))
        if label % 2:
            draw(labels, label, y + 18, x, 5)  # the other pole
        else:
            draw(labels, label, y, x + 15, 2)
    draw(labels, 2, 595, 595, 2)
    draw(labels, 1, 590, 300)
    assert words(picture((labels > 0).astype(np.uint16)), labels) == []


def saturating(maximum: int, dtype: type, share: float) -> tuple[npt.NDArray[Any], Labels]:
    """An image whose brightest nuclei are cut off at a value, and its mask."""
    labels, rng = field(0), np.random.default_rng(2)
    pixels = np.where(labels > 0, rng.uniform(0.4, 0.97, labels.shape), 0.1) * maximum
    inside = np.flatnonzero(labels)
    pixels.flat[rng.choice(inside, int(share * inside.size), replace=False)] = maximum
    return pixels.astype(dtype), labels


@pytest.mark.parametrize(
    ("maximum", "dtype"), [(255, np.uint8), (65535, np.uint16), (4095, np.uint16), (65520, np.uint16)]
)
def test_more_than_one_percent_of_nuclear_pixels_at_the_highest_value_is_saturation(maximum: int, dtype: type) -> None:
    assert words(*saturating(maximum, dtype, 0.02)) == ["saturated"]
    assert words(*saturating(maximum, dtype, 0.009)) == []


def test_a_bright_speck_in_no_mask_is_no_saturation() -> None:
    pixels, labels = saturating(255, np.uint8, 0)
    pixels[:8, :] = 255
    assert words(pixels, labels) == []


@pytest.mark.parametrize("step", [1, 16])
def test_the_highest_of_few_grey_values_is_no_saturation(step: int) -> None:
    labels, rng = field(0), np.random.default_rng(2)
    grey = np.where(labels > 0, 10 + np.minimum(rng.poisson(4, labels.shape), 9), 2)
    assert np.mean(grey[labels > 0] == 19) > 0.01
    assert words((grey * step).astype(np.uint16), labels) == []


def test_three_nuclei_that_all_touch_the_border() -> None:
    labels = np.zeros((100, 100), np.uint16)
    draw(labels, 1, 0, 30)
    draw(labels, 2, 50, 99)
    assert words(picture(labels), labels) == []
    draw(labels, 3, 99, 50)
    assert words(picture(labels), labels) == ["all_at_border"]
    draw(labels, 4, 50, 50)
    assert words(picture(labels), labels) == []


def test_words_come_in_one_order_and_each_has_its_sentence() -> None:
    labels = np.zeros((100, 200), np.uint16)
    for label, x in ((1, 20), (1, 180), (2, 70), (3, 120)):
        draw(labels, label, 0, x)
    pixels = np.where(labels > 0, 100, 220).astype(np.uint8)
    pixels[:2] = np.where(labels[:2] > 0, 255, 220)
    found = words(pixels, labels)
    assert found == ["mask_does_not_fit", "labels_restart", "saturated", "all_at_border"]
    assert list(WARNING_TEXTS)[3:] == found
    assert list(WARNING_TEXTS)[:3] == ["duplicate_image", "duplicate_mask", "blank"]
    assert all(text.count(". ") == 0 and text.endswith(".") and ";" in text for text in WARNING_TEXTS.values())


def test_a_binary_mask_is_refused() -> None:
    labels = field(0)
    count = int(labels.max())
    with pytest.raises(InputMaskError) as refused:
        check_label_image("a_cp_masks.png", regions_of((labels > 0).astype(np.uint8)))
    assert str(refused.value) == (
        f"a_cp_masks.png has one label for {count} separate bodies: it is a binary mask, not a label image, in which "
        "each nucleus has a number of its own; save the labels."
    )


def test_a_map_of_classes_is_refused() -> None:
    nuclei = field(0) > 0
    check_label_image("a.png", regions_of(field(0)))
    with pytest.raises(InputMaskError, match=r"one label for .* binary mask"):
        check_label_image("a.png", regions_of(np.where(nuclei, 2, 1).astype(np.uint8)))  # 1 is the background
    left = np.arange(300) < 150
    with pytest.raises(InputMaskError, match=r"2 labels for .* map of classes"):
        check_label_image("a.png", regions_of(np.where(nuclei, np.where(left, 1, 2), 0).astype(np.uint8)))


def test_a_binary_mask_whose_nuclei_form_one_large_cluster_is_refused() -> None:
    labels = field(0)
    labels[90:210, 90:210] = 1
    with pytest.raises(InputMaskError, match="binary mask"):
        check_label_image("a.png", regions_of((labels > 0).astype(np.uint8)))


def test_labels_that_restart_in_tiles_are_warned_of_and_not_refused() -> None:
    check_label_image("a.png", regions_of(np.hstack([field(1), field(2), field(3)])))


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [(150, 150, 20)],
        [(150, 100, 10), (150, 160, 10)],
        [(150, 150, 20), (120, 150, 3), (150, 190, 4), (185, 150, 4), (160, 200, 3)],
        [(150, 150, 10), (175, 150, 10), (162, 172, 10)],
        [(150, 150, 12), (20, 20, 1), (280, 20, 1), (20, 280, 1)],
        [(150, 150, 140)],
    ],
    ids=["no nucleus", "one", "anaphase", "micronuclei", "three poles", "specks", "one that fills the image"],
)
def test_a_mask_of_one_nucleus_is_a_label_image(bodies: list[tuple[int, int, int]]) -> None:
    labels = np.zeros((300, 300), np.uint16)
    for y, x, radius_px in bodies:
        draw(labels, 1, y, x, radius_px)
    check_label_image("a.png", regions_of(labels))


def test_an_image_under_two_names_and_a_mask_of_two_images() -> None:
    assert duplicate_warnings(
        [
            ("alone", "i0", "m0", True),
            ("first", "i1", "m1", True),
            ("copy", "i1", "m1", True),
            ("again", "i1", "m2", True),
            ("mask of left", "i2", "m3", True),
            ("mask of right", "i3", "m3", True),
            ("both", "i3", "m4", True),
        ]
    ) == {
        "first": ["duplicate_image"],
        "copy": ["duplicate_image"],
        "again": ["duplicate_image"],
        "mask of left": ["duplicate_mask"],
        "mask of right": ["duplicate_image", "duplicate_mask"],
        "both": ["duplicate_image"],
    }


def test_empty_masks_are_no_duplicates() -> None:
    assert duplicate_warnings([("a", "i0", "empty", False), ("b", "i1", "empty", False)]) == {}
    assert duplicate_warnings([]) == {}
