import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from nucleusnet_core.cells import png as cells
from nucleusnet_core.errors import CorruptDataError, UsageError

DTYPES = {1: np.bool_, 8: np.uint8, 16: np.uint16}
sizes = st.tuples(st.integers(1, 40), st.integers(1, 70))
images = st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: hnp.arrays(dtype, sizes))
masks = hnp.arrays(np.bool_, sizes)


def encode(pixels: npt.NDArray[Any]) -> bytes:
    return cells.encode_mask(pixels) if pixels.dtype == np.bool_ else cells.encode_gray(pixels)


def decode_with_opencv(data: bytes, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return np.asarray(decoded).reshape(shape)


def random_pixels(n: int, size: tuple[int, int], bit_depth: int) -> npt.NDArray[Any]:
    values = np.random.default_rng(n).integers(0, 1 << bit_depth, (n, *size))
    return values.astype(DTYPES[bit_depth])


@pytest.mark.parametrize(
    ("size", "bit_depth", "cell_bytes"),
    [((256, 256), 8, 65_865), ((256, 256), 1, 8_516), ((256, 256), 16, 131_406), ((1, 1), 8, 70)],
)
def test_the_size_of_a_cell_depends_on_its_layout_only(size: tuple[int, int], bit_depth: int, cell_bytes: int) -> None:
    assert cells.png_layout(*size, bit_depth).cell_bytes == cell_bytes
    assert {len(encode(pixels)) for pixels in random_pixels(3, size, bit_depth)} == {cell_bytes}


def test_a_one_pixel_cell_has_the_bytes_that_the_standards_ask_for() -> None:
    idat = b"\x78\x01" + b"\x01\x02\x00\xfd\xff" + b"\x02\x07" + struct.pack(">I", zlib.adler32(b"\x02\x07"))
    expected = (
        b"\x89PNG\r\n\x1a\n"
        b"\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55"
        + struct.pack(">I", 13)
        + b"IDAT"
        + idat
        + struct.pack(">I", zlib.crc32(b"IDAT" + idat))
        + b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
    )
    assert cells.encode_gray(np.array([[7]], np.uint8)) == expected


@given(images)
def test_pillow_opencv_and_our_reader_see_the_same_pixels(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
) -> None:
    data = cells.encode_gray(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    np.testing.assert_array_equal(decode_with_opencv(data, pixels.shape), pixels)
    decoded = cells.decode_cell(data)
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)


@given(masks)
def test_pillow_opencv_and_our_reader_see_the_same_mask(mask: npt.NDArray[np.bool_]) -> None:
    data = cells.encode_mask(mask)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "1"
        np.testing.assert_array_equal(np.asarray(image), mask)
    np.testing.assert_array_equal(decode_with_opencv(data, mask.shape) > 0, mask)
    assert cells.decode_cell(data).dtype == np.bool_
    np.testing.assert_array_equal(cells.decode_cell(data), mask)


@pytest.mark.parametrize("bit_depth", [1, 8, 16])
@pytest.mark.parametrize("size", [(256, 256), (300, 257), (3, 40_000 // 2), (700, 333)])
def test_images_of_several_stored_blocks_survive(size: tuple[int, int], bit_depth: int) -> None:
    pixels = random_pixels(1, size, bit_depth)[0]
    data = encode(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    np.testing.assert_array_equal(cells.decode_cell(data), pixels)
    cells.check_cell(data)


@pytest.mark.parametrize("bit_depth", [1, 8, 16])
def test_a_batch_is_decoded_from_a_strided_view_into_part_of_a_buffer(bit_depth: int) -> None:
    pixels = random_pixels(300, (20, 30), bit_depth)
    layout = cells.png_layout(20, 30, bit_depth)
    page = np.frombuffer(b"".join(b"\x99\x99\x99\x99" + encode(one) for one in pixels), np.uint8)
    view = page.reshape(300, 4 + layout.cell_bytes)[:, 4:]
    out: npt.NDArray[Any] = np.zeros((302, 20, 30), DTYPES[bit_depth])
    cells.decode_batch(view, out[1:301])
    np.testing.assert_array_equal(out[1:301], pixels)
    assert not out[0].any()
    assert not out[301].any()
    assert cells.are_stored_cells(view, layout).all()


def test_an_empty_batch_decodes_to_nothing() -> None:
    cells.decode_batch(np.empty((0, 65_865), np.uint8), np.empty((0, 256, 256), np.uint8))


@settings(max_examples=200)
@given(st.data(), st.sampled_from([1, 8, 16]))
def test_every_changed_byte_is_noticed(data: st.DataObject, bit_depth: int) -> None:
    cell = bytearray(encode(random_pixels(1, (9, 21), bit_depth)[0]))
    cells.check_cell(bytes(cell))
    position = data.draw(st.integers(0, len(cell) - 1))
    cell[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptDataError):
        cells.check_cell(bytes(cell))


@given(st.integers(0, 300))
def test_every_truncated_cell_is_noticed(stop: int) -> None:
    cell = cells.encode_gray(random_pixels(1, (9, 25), 8)[0])
    assert len(cell) > 300
    with pytest.raises(CorruptDataError):
        cells.check_cell(cell[:stop])
    with pytest.raises(CorruptDataError):
        cells.decode_cell(cell[: min(stop, 250)])


def test_only_cells_with_all_constant_bytes_count_as_stored() -> None:
    layout = cells.png_layout(300, 256, 8)
    good = cells.encode_gray(random_pixels(1, (300, 256), 8)[0])
    for changed in (0, 20, 45, layout.blocks[0].offset, layout.blocks[1].offset - 2, len(good) - 1):
        cell = bytearray(good)
        cell[changed] ^= 1
        assert not cells.is_stored_cell(bytes(cell), layout), changed
    pixel = bytearray(good)
    pixel[layout.blocks[1].offset + 5] ^= 1
    assert cells.is_stored_cell(bytes(pixel), layout)
    assert not cells.is_stored_cell(good[:-1], layout)
    assert not cells.is_stored_cell(good, cells.png_layout(256, 300, 8))


@pytest.mark.parametrize("bit_depth", [1, 8, 16])
def test_ordinary_pngs_are_decoded_and_checked_too(bit_depth: int) -> None:
    pixels = random_pixels(1, (31, 17), bit_depth)[0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    data = file.getvalue()
    assert not cells.is_stored_cell(data, cells.png_layout(31, 17, bit_depth))
    cells.check_cell(data)
    decoded = cells.decode_cell(data)
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)
    damaged = bytearray(data)
    damaged[60] ^= 4
    with pytest.raises(CorruptDataError):
        cells.check_cell(bytes(damaged))


@pytest.mark.parametrize("mode", ["RGB", "LA", "P"])
def test_a_png_with_colours_is_refused(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (8, 8)).save(file, "png")
    with pytest.raises(CorruptDataError, match=f"the PNG has colour mode {mode}; a cell has one grey channel"):
        cells.decode_cell(file.getvalue())


@pytest.mark.parametrize(
    ("data", "has"),
    [
        (b"", r"it has 0 bytes\.$"),
        (b"not a picture at all", "it has 20 bytes, and begins with 6e 6f 74 20 61 20 70 69"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "it has 48 bytes, and begins with 89 50 4e 47 0d 0a 1a 0a"),
    ],
)
def test_bytes_that_are_no_png_are_refused(data: bytes, has: str) -> None:
    with pytest.raises(CorruptDataError, match=rf"the cell cannot be read as a PNG \(.*\): {has}"):
        cells.decode_cell(data)
    with pytest.raises(
        CorruptDataError, match=r"cannot be read as a PNG|the checksum of the PNG chunk at byte 8 is wrong"
    ):
        cells.check_cell(data)


@pytest.mark.parametrize(("height", "width", "bit_depth"), [(0, 8, 8), (8, 0, 1), (8, 8, 4), (2, 32_768, 16)])
def test_a_layout_that_cannot_exist_is_refused(height: int, width: int, bit_depth: int) -> None:
    with pytest.raises(UsageError, match=f"An image of {height} x {width} px with {bit_depth} bits a pixel cannot be"):
        cells.png_layout(height, width, bit_depth)


def test_pixels_of_another_type_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Pixels float32 \(4, 4\) cannot be stored; .* uint8 or uint16"):
        cells.encode_gray(np.zeros((4, 4), np.float32))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"A mask uint8 \(4, 4\) cannot be stored; give a bool array"):
        cells.encode_mask(np.zeros((4, 4), np.uint8))
    with pytest.raises(
        UsageError, match=r"Cells \(2, 70\) do not fit an output uint8 \(2, 2, 2\), which takes cells \(2, \d+\)"
    ):
        cells.decode_batch(np.zeros((2, 70), np.uint8), np.zeros((2, 2, 2), np.uint8))
