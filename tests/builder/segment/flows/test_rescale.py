"""Resizing gives the numbers of OpenCV, for the whole and for every part."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.segment.flows.rescale import bilinear, intensity_range, nearest, normalised
from builder.segment.network.cellpose_modules import cellpose_modules

SIDES = st.integers(2, 40)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_bilinear_is_that_of_opencv(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=old).astype(np.float32)
    expected = cv2.resize(image, (new[1], new[0]), interpolation=cv2.INTER_LINEAR)
    assert bilinear(image, new) == pytest.approx(expected, abs=1e-5)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_part_has_the_numbers_of_the_whole(data: st.DataObject) -> None:
    old, new = data.draw(st.tuples(SIDES, SIDES)), data.draw(st.tuples(st.integers(2, 600), SIDES))
    image = np.random.default_rng(0).normal(size=(3, *old)).astype(np.float32)
    y0, x0 = data.draw(st.integers(0, new[0] - 1)), data.draw(st.integers(0, new[1] - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, new[0])), data.draw(st.integers(x0 + 1, new[1]))
    part = bilinear(image, new, rows=(y0, y1), columns=(x0, x1))
    assert np.array_equal(part, bilinear(image, new)[:, y0:y1, x0:x1])


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
@settings(max_examples=60, deadline=None)
def test_nearest_is_that_of_opencv(old: tuple[int, int], new: tuple[int, int]) -> None:
    labels = np.arange(old[0] * old[1], dtype=np.uint16).reshape(old)
    expected = cv2.resize(labels, (new[1], new[0]), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(nearest(labels, new), expected)


@pytest.mark.parametrize("shape", [(50, 60), (3400, 3500)])
def test_intensities_are_normalised_as_cellpose_does(shape: tuple[int, int]) -> None:
    cellpose_modules()
    from cellpose import transforms

    pixels = np.random.default_rng(1).integers(0, 4000, shape, np.uint16)
    expected = transforms.normalize_img(pixels[None, :, :, None].copy())[0, :, :, 0]
    ours = normalised(pixels.astype(np.float32), intensity_range(pixels))
    assert float(np.abs(ours - expected).max()) < 1e-6
