"""Filter Up is undone as the PNG specification says, for cells of every bit depth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nucleusnet_core.cells.png import encode_gray, encode_mask, png_layout
from nucleusnet_core.cells.unfilter import UnfilteredCells, block_rows, segment_rows

DEPTHS = [1, 8, 16]


def noise(bit_depth: int, seed: int) -> npt.NDArray[Any]:
    """An image (256, 256) whose rows add up to far more than a byte holds."""
    values = np.random.default_rng(seed).integers(0, 2**bit_depth, (256, 256))
    return values.astype({1: np.bool_, 8: np.uint8, 16: np.uint16}[bit_depth])


def packed_rows(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of its pixels, without any filter."""
    if image.dtype == np.bool_:
        return np.packbits(image, axis=1)
    return image.astype(image.dtype.newbyteorder(">")).view(np.uint8)


@pytest.mark.parametrize("bit_depth", DEPTHS)
def test_some_of_many_cells_are_written_to_their_places(bit_depth: int) -> None:
    encode: Callable[[Any], bytes] = encode_mask if bit_depth == 1 else encode_gray
    images = [noise(bit_depth, seed) for seed in range(5)]
    cells = np.stack([np.frombuffer(encode(image), np.uint8) for image in images])
    layout = png_layout(256, 256, bit_depth)
    packed = np.full((4, 256, layout.row_bytes), 77, np.uint8)
    UnfilteredCells([cells[:2], cells[2:]], layout).write([4, 1, 2], packed, [0, 3, 1])
    for place, image in ((0, images[4]), (3, images[1]), (1, images[2])):
        np.testing.assert_array_equal(packed[place], packed_rows(image))
    assert (packed[2] == 77).all()


@pytest.mark.parametrize("size", [(256, 256), (97, 30), (1, 5), (300, 700)])
@pytest.mark.parametrize("bit_depth", DEPTHS)
def test_the_rows_of_blocks_hold_every_row_once_and_stay_inside_their_stored_block(
    size: tuple[int, int], bit_depth: int
) -> None:
    layout = png_layout(*size, bit_depth)
    length = segment_rows(layout.height)
    found = []
    for rows, segments, offset in block_rows(layout):
        places = [segment * length + row for segment in segments for row in rows]
        block = next(block for block in layout.blocks if block.start_row <= places[0] < block.stop_row)
        assert places == list(range(places[0], places[-1] + 1))
        assert places[-1] < block.stop_row
        assert offset == block.offset + (places[0] - block.start_row) * (layout.row_bytes + 1)
        found += places
    assert found == list(range(layout.height))


@pytest.mark.parametrize("height", [1, 97, 256, 300])
def test_cells_of_any_height_are_written(height: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, 700), np.uint8)
    layout = png_layout(height, 700, 8)
    packed = np.zeros((1, height, 700), np.uint8)
    UnfilteredCells([np.frombuffer(encode_gray(image), np.uint8)[None]], layout).write([0], packed, [0])
    np.testing.assert_array_equal(packed[0], image)


def test_a_crop_has_as_many_segments_as_a_segment_has_rows() -> None:
    assert segment_rows(256) == 16
    assert [(len(rows), len(segments)) for rows, segments, _ in block_rows(png_layout(256, 256, 1))] == [(16, 16)]
