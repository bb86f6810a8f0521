"""Label runs from arrays and from mask files, and what is refused."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from builder.masks import LabelRuns, read_label_runs, runs_from_array
from nucleusnet_source.errors import InputMaskError

SMALL = np.array([[0, 1, 1, 2], [3, 3, 0, 3], [0, 0, 0, 0], [4, 4, 4, 4]], np.uint16)


def painted(runs: LabelRuns) -> NDArray[np.uint32]:
    labels = np.zeros(runs.shape, np.uint32)
    for y, x0, x1, label in zip(runs.row, runs.x0, runs.x1, runs.label, strict=True):
        assert not labels[y, x0:x1].any()
        labels[y, x0:x1] = label
    return labels


def tiff_bytes(labels: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, labels, **options)
    return stream.getvalue()


def encoded_png(pixels: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.png_encode(pixels))


def png_bytes(width: int, height: int, bit_depth: int, color_type: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_runs_are_maximal_stretches_in_raster_order() -> None:
    runs = runs_from_array(SMALL)
    assert runs.shape == (4, 4)
    assert runs.row.tolist() == [0, 0, 1, 1, 3]
    assert runs.x0.tolist() == [1, 3, 0, 3, 0]
    assert runs.x1.tolist() == [3, 4, 2, 4, 4]
    assert runs.label.tolist() == [1, 2, 3, 3, 4]
    assert [runs.row.dtype, runs.x0.dtype, runs.x1.dtype, runs.label.dtype] == [np.int32, np.int32, np.int32, np.uint32]


@settings(deadline=None)
@given(
    npst.arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32, np.int32, np.float32, np.float64]),
        npst.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.integers(0, 100),
    )
)
def test_painting_the_runs_gives_the_label_image_back(labels: NDArray[Any]) -> None:
    runs = runs_from_array(labels)
    assert np.array_equal(painted(runs), labels)
    keys = list(zip(runs.row.tolist(), runs.x0.tolist(), strict=True))
    assert keys == sorted(keys)
    touching = (runs.row[1:] == runs.row[:-1]) & (runs.x0[1:] == runs.x1[:-1])
    assert (runs.label[1:][touching] != runs.label[:-1][touching]).all()


def test_an_image_without_labels_has_no_runs() -> None:
    assert len(runs_from_array(np.zeros((3, 5), np.uint16)).row) == 0


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_images_of_one_row_or_column_work(shape: tuple[int, int]) -> None:
    labels = np.arange(1, 1 + shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert np.array_equal(painted(runs_from_array(labels)), labels)


TIFF_LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "imagej": {"imagej": True},
    "bigtiff": {"bigtiff": True},
    "lzw": {"compression": "lzw"},
    "predictor": {"compression": "lzw", "predictor": True},
    "strips": {"compression": "zlib", "rowsperstrip": 2},
    "tiled": {"compression": "zlib", "tile": (16, 16)},
}
TIFF_TYPES = {
    "imagej": ["u1", "<u2", ">u2", "<f4", ">f4"],  # others do not exist
    "predictor": ["u1", "<u2", ">u2", "<u4", ">u4", "<i4"],  # floats have another one
}
ALL_TYPES = ["u1", "<u2", ">u2", "<u4", ">u4", "<i4", "<f4", ">f4", "<f8"]


@pytest.mark.parametrize(
    ("layout", "dtype"), [(layout, dtype) for layout in TIFF_LAYOUTS for dtype in TIFF_TYPES.get(layout, ALL_TYPES)]
)
def test_tiff_masks_of_every_layout_give_the_same_labels(layout: str, dtype: str) -> None:
    order = {} if dtype == "u1" else {"byteorder": dtype[0]}
    data = tiff_bytes(SMALL.astype(dtype), **(TIFF_LAYOUTS[layout] | order))
    assert np.array_equal(painted(read_label_runs(data, "a.tif")), SMALL)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_masks_of_8_and_16_bits_are_read(dtype: Any) -> None:
    data = encoded_png(SMALL.astype(dtype))
    assert np.array_equal(painted(read_label_runs(data, "a.png")), SMALL)


def test_labels_beyond_16_bits_are_kept() -> None:
    labels = np.array([[70_000, 0, 4_000_000_000]], np.uint32)
    assert runs_from_array(labels).label.tolist() == [70_000, 4_000_000_000]
    assert read_label_runs(tiff_bytes(labels), "a.tif").label.tolist() == [70_000, 4_000_000_000]


@pytest.mark.parametrize(
    ("labels", "largest"),
    [
        (np.array([[0, 255]], np.uint8), 255),
        (np.array([[0, 65535]], np.uint16), 65535),
        (np.array([[1, 32767]], np.int16), 32767),
        (np.array([[1, 2**24]], np.float32), 2**24),
    ],
)
def test_a_label_at_the_end_of_its_type_is_refused(labels: NDArray[Any], largest: int) -> None:
    with pytest.raises(InputMaskError, match=rf"a\.tif: more labels than the type holds: .*{largest}.*uint32"):
        read_label_runs(tiff_bytes(labels), "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_full_type_is_refused_in_png_files_too(dtype: Any) -> None:
    labels = np.array([[0, np.iinfo(dtype).max]], dtype)
    with pytest.raises(InputMaskError, match="more labels than the type holds"):
        read_label_runs(encoded_png(labels), "a.png")


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf, 2.0**33])
def test_floats_that_are_no_labels_are_refused(value: float) -> None:
    with pytest.raises(InputMaskError, match=r"a\.tif: expected (whole numbers|labels of 0 to 4294967295)"):
        read_label_runs(tiff_bytes(np.array([[0, value]], np.float32)), "a.tif")


def test_negative_labels_are_refused() -> None:
    with pytest.raises(InputMaskError, match="expected labels of 0 to 4294967295, found -3 to 2"):
        runs_from_array(np.array([[-3, 2]], np.int32))


def test_a_stack_is_refused() -> None:
    with pytest.raises(InputMaskError, match=r"expected a label image \(height, width\), found shape \(2, 3, 4\)"):
        runs_from_array(np.zeros((2, 3, 4), np.uint8))


RGB = np.zeros((4, 5, 3), np.uint8)
BAD_FILES = {
    "empty": (b"", "found an empty file"),
    "text": (b"label,area\n1,20\n", "expected a PNG or TIFF label image"),
    "npy": (b"\x93NUMPY\x01\x00rest", "NumPy file of pickled objects"),
    "rgb png": (encoded_png(RGB), "found RGB of 8 bits"),
    "palette png": (png_bytes(2, 1, 8, 3, b"\0\1\2"), "found palette of 8 bits"),
    "1-bit png": (png_bytes(8, 1, 1, 0, b"\0\xf0"), "found greyscale of 1 bits"),
    "rgb tiff": (tiff_bytes(RGB, photometric="rgb"), "expected one label image"),
    "stack tiff": (tiff_bytes(np.zeros((3, 40, 50), np.uint8), photometric="minisblack"), "expected one label image"),
    "complex tiff": (tiff_bytes(np.zeros((4, 5), np.complex64)), "expected integer labels, found complex64"),
    "truncated png": (encoded_png(SMALL)[:-20], "truncated"),
    "png of a signature": (b"\x89PNG\r\n\x1a\n", "truncated"),
    "truncated tiff": (tiff_bytes(np.ones((40, 50), np.uint16))[:-100], "truncated"),
    "cut deflate tiff": (tiff_bytes(np.ones((40, 50), np.uint16), compression="zlib")[:-4], r"truncated|decoded"),
    "tiff of a header": (b"II*\0\x08\0\0\0", "found .* on 0 pages"),
    "short rows in png": (png_bytes(40, 40, 16, 0, b"\1\0\0"), "cannot be decoded"),
    "empty png": (png_bytes(0, 3, 16, 0, b""), r"found shape \(3, 0\)"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_mask_is_one_error_that_names_it(name: str) -> None:
    data, message = BAD_FILES[name]
    with pytest.raises(InputMaskError, match=f"^cells_cp_masks: .*(?:{message})"):
        read_label_runs(data, "cells_cp_masks")


def test_every_damaged_byte_of_a_png_is_noticed() -> None:
    data = encoded_png(SMALL)
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(InputMaskError):
            read_label_runs(damaged, "a.png")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_bytes(60_000, 60_000, 16, 0, b"\1"), "declares 7200000000 bytes of pixels"),
        (png_bytes(60_001, 1, 8, 0, b"\1"), "expected at most 60000 px a side, found 1 x 60001"),
        (png_bytes(2**31 - 1, 2**31 - 1, 16, 0, b"\1"), "expected at most 60000 px a side"),
        (tiff_bytes(np.zeros((60_001, 1), np.uint8)), "expected at most 60000 px a side, found 60001 x 1"),
    ],
)
def test_a_huge_mask_is_refused_by_its_header(data: bytes, message: str) -> None:
    with pytest.raises(InputMaskError, match=message):
        read_label_runs(data, "a")


def test_a_huge_tiff_of_few_bytes_is_refused_by_its_header() -> None:
    data = bytearray(tiff_bytes(np.zeros((16, 16), np.uint8), compression="zlib"))
    for tag in (256, 257, 278):  # width, height, rows per strip
        entry = data.index(struct.pack("<H", tag), 8)
        data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 50_000)
    with pytest.raises(InputMaskError, match="declares 2500000000 bytes of pixels"):
        read_label_runs(bytes(data), "a.tif")
