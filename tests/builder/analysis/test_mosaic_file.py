"""PNG files written block by block are those images, to every reader."""

import io
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from builder.analysis.mosaic_file import write_png_rows


@given(st.data(), st.sampled_from([8, 16]))
def test_any_image_in_any_blocks_reads_back(data: st.DataObject, bit_depth: int) -> None:
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    pixels = data.draw(arrays(f"u{bit_depth // 8}", shape))
    cuts = sorted(data.draw(st.sets(st.integers(1, shape[0] - 1)))) if shape[0] > 1 else []
    file = io.BytesIO()
    write_png_rows(file, np.split(pixels, cuts), shape=shape, bit_depth=bit_depth, pixels_per_m=None)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        assert np.array_equal(np.asarray(image), pixels)
    decoded = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    assert np.array_equal(decoded, pixels)


def test_the_scale_is_in_the_file() -> None:
    file = io.BytesIO()
    write_png_rows(file, [np.zeros((2, 3), np.uint8)], shape=(2, 3), bit_depth=8, pixels_per_m=8_045_300)
    with Image.open(file) as image:
        assert image.info["dpi"][0] == pytest.approx(8_045_300 * 0.0254)


@pytest.mark.parametrize(
    "blocks", [[np.zeros((2, 4), np.uint8)], [np.zeros((2, 3), np.uint16)], [np.zeros((1, 3), np.uint8)]]
)
def test_another_image_than_announced_is_refused(blocks: list[npt.NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match=r"a block is|the blocks have 1 rows, not 2"):
        write_png_rows(io.BytesIO(), blocks, shape=(2, 3), bit_depth=8, pixels_per_m=None)
