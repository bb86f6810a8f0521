"""Runs without a label image: the PNG that cellpose writes, and the inflater below it."""

import zlib
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nucleusnet_core.inputs.kinds import MASK
from nucleusnet_core.inputs.mask_png import png_runs, read_png
from nucleusnet_core.inputs.masks import read_label_runs, runs_from_array
from nucleusnet_core.inputs.sparse_inflate import sparse_inflate

RUN_FIELDS = ("row", "x0", "x1", "label")


def as_cellpose_writes(labels: npt.NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(".png", labels)
    assert done
    return bytes(data)


def assert_read_without_image(labels: npt.NDArray[np.uint16]) -> None:
    data = as_cellpose_writes(labels)
    assert png_runs(read_png(data, "mask", MASK)) is not None
    found, expected = read_label_runs(data, "mask"), runs_from_array(labels)
    assert found.shape == expected.shape
    for field in RUN_FIELDS:
        assert getattr(found, field).tolist() == getattr(expected, field).tolist()


@settings(deadline=None)
@given(
    npst.arrays(
        np.uint16,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.sampled_from([0, 0, 0, 1, 2, 255, 256, 257, 511, 512, 65534]),
        fill=st.just(0),
    )
)
def test_any_16_bit_mask_reads_as_an_ordinary_decoder_reads_it(labels: npt.NDArray[np.uint16]) -> None:
    data = as_cellpose_writes(labels)
    found, expected = read_label_runs(data, "mask"), runs_from_array(imagecodecs.png_decode(data))
    for field in RUN_FIELDS:
        assert getattr(found, field).tolist() == getattr(expected, field).tolist()


def blobs(shape: tuple[int, int], count: int, largest: int) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(5)
    labels = np.zeros(shape, np.uint16)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for label in rng.choice(largest, count, replace=False) + 1:
        y, x, radius = rng.integers(0, shape[0]), rng.integers(0, shape[1]), rng.integers(5, 60)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
    return labels


def test_a_mask_of_many_nuclei_is_read_without_an_image() -> None:
    assert_read_without_image(blobs((1500, 2100), 200, 60_000))


def test_labels_that_end_at_the_border_are_read_without_an_image() -> None:
    labels = np.zeros((300, 400), np.uint16)
    labels[0, :] = 3
    labels[:, 399] = 300
    labels[299, 100:] = 3
    labels[100:200, 0] = 4
    assert_read_without_image(labels)


def test_an_empty_mask_is_read_without_an_image() -> None:
    assert_read_without_image(np.zeros((700, 500), np.uint16))


def test_a_full_mask_is_read_without_an_image() -> None:
    assert_read_without_image(np.full((700, 500), 517, np.uint16))


@pytest.mark.parametrize("labels", [blobs((90, 80), 9, 9).astype(np.uint8), blobs((90, 80), 9, 9)])
def test_other_layouts_are_left_to_an_ordinary_decoder(labels: npt.NDArray[Any]) -> None:
    data = bytes(imagecodecs.png_encode(labels, filter=imagecodecs.PNG.FILTER.UP))
    assert png_runs(read_png(data, "mask", MASK)) is None
    found, expected = read_label_runs(data, "mask"), runs_from_array(labels)
    for field in RUN_FIELDS:
        assert getattr(found, field).tolist() == getattr(expected, field).tolist()


SPARSE = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 255)), max_size=60)


@settings(deadline=None)
@given(
    gaps=SPARSE,
    level=st.integers(0, 9),
    strategy=st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED]),
    tail=st.integers(0, 2000),
    repeats=st.integers(1, 4),
)
def test_the_non_zero_bytes_of_any_zlib_stream_are_found(
    gaps: list[tuple[int, int]], level: int, strategy: int, tail: int, repeats: int
) -> None:
    content = (b"".join(bytes(gap) + bytes([value]) for gap, value in gaps) + bytes(tail)) * repeats
    deflate = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    compressed = deflate.compress(content) + deflate.flush()
    found = sparse_inflate(compressed, max_nonzero=len(content) + 1)
    assert found is not None
    expected = np.frombuffer(content, np.uint8)
    assert found.length == len(content)
    assert found.position.tolist() == np.flatnonzero(expected).tolist()
    assert found.value.tolist() == expected[expected > 0].tolist()


def test_many_blocks_of_all_kinds_are_followed() -> None:
    rng = np.random.default_rng(1)
    content = np.zeros(3_000_000, np.uint8)
    content[rng.integers(0, content.size, 90_000)] = rng.integers(1, 256, 90_000)
    content[1_000_000:1_040_000] = rng.integers(0, 256, 40_000)  # incompressible: stored blocks
    found = sparse_inflate(zlib.compress(content.tobytes(), 6), max_nonzero=200_000)
    assert found is not None
    assert np.array_equal(found.position, np.flatnonzero(content))
    assert np.array_equal(found.value, content[content > 0])


def test_a_dense_stream_is_declined() -> None:
    assert sparse_inflate(zlib.compress(b"abc" * 1000), max_nonzero=100) is None


def test_a_damaged_stream_is_declined_at_every_bit_that_counts() -> None:
    content = bytes(300) + b"\1" + bytes(5000) + b"\2\3" + bytes(77)
    compressed = zlib.compress(content)
    declined = 0
    for bit in range(16, 8 * len(compressed)):
        damaged = bytearray(compressed)
        damaged[bit // 8] ^= 1 << bit % 8
        found = sparse_inflate(bytes(damaged), max_nonzero=10_000)
        declined += found is None
        if found is not None:  # a filling bit between the last block and the checksum
            assert zlib.decompress(damaged) == content
            assert found.position.tolist() == [300, 5301, 5302]
    assert declined >= 300


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_declined_or_inflated_as_zlib_does(noise: bytes) -> None:
    found = sparse_inflate(b"\x78\x9c" + noise, max_nonzero=100_000)
    if found is not None:
        assert found.length == len(zlib.decompressobj().decompress(b"\x78\x9c" + noise))


@pytest.mark.parametrize("size", range(0, 8))
def test_a_stream_cut_short_is_declined(size: int) -> None:
    assert sparse_inflate(zlib.compress(bytes(1000))[:size], max_nonzero=100) is None
