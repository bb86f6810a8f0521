"""TIFF files whose directory and strips or tiles contradict each other, from which tifffile would show something."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from nucleusnet_core.errors import InputImageError, InputMaskError
from nucleusnet_core.inputs.images import decode_image
from nucleusnet_core.inputs.lzw import lzw_decoded
from nucleusnet_core.inputs.masks import painted_rows, read_label_runs

LABELS = np.zeros((70, 90), np.uint16)
LABELS[10:30, 20:40], LABELS[40:60, 50:80] = 1, 7
TILES = {"tile": (16, 32), "metadata": None}


def tiff(**options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, LABELS, **{"metadata": None, **options})
    return stream.getvalue()


def entry_of(data: bytes, code: int) -> int:
    """Where the field begins in the directory of a little-endian TIFF."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    return next(
        place
        for place in range(at + 2, at + 2 + count * 12, 12)
        if data[place : place + 2] == code.to_bytes(2, "little")
    )


def with_field(data: bytes, code: int, value: int, *, count: int = 1, kind: int = 4, name: int | None = None) -> bytes:
    """The same file with one field that has this value in its directory, perhaps under another name."""
    place = entry_of(data, code)
    return data[:place] + struct.pack("<HHII", name or code, kind, count, value) + data[place + 12 :]


def with_first_place(data: bytes, value: int) -> bytes:
    """The same file with its first strip or tile elsewhere."""
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        page = opened.pages.first
        place = page.tags[324 if page.is_tiled else 273].valueoffset
    return data[:place] + value.to_bytes(4, "little") + data[place + 4 :]


STRIPS, LZW = tiff(rowsperstrip=10), tiff(rowsperstrip=10, compression="lzw")
DEFLATE = tiff(rowsperstrip=10, compression="zlib")
CONTRADICTIONS: dict[str, bytes] = {
    "LZW strips of longer rows": with_field(LZW, 256, 80),
    "LZW strips of shorter rows": with_field(LZW, 256, 91),
    "deflated strips of fewer bits": with_field(DEFLATE, 258, 15),
    "LZW strips of fewer bits": with_field(LZW, 258, 15),
    "a field twice": with_field(STRIPS, 262, 1, name=259),
    "a list that cannot be read": with_field(STRIPS, 279, 1 << 24, count=7),
    "no sizes": with_field(STRIPS, 279, 0, name=4595),
    "several numbers of bits": with_field(STRIPS, 258, 8 + (13 << 16), count=2, kind=3),
    "a compression of black and white": with_field(DEFLATE, 259, 2),
    "more tiles than the page has": with_field(tiff(**TILES), 256, 60),
    "more strips than the page has": with_field(STRIPS, 257, 20),
    "pixels over the header": with_first_place(tiff(), 2),
    "pixels over the directory": with_first_place(STRIPS, 6),
    "tiles of no end": with_field(tiff(compression="lzw", **TILES), 323, 1 << 31),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(name: str) -> None:
    with pytest.raises(InputImageError, match=r"^a\.tif (is not a readable TIFF image|was not written|declares)"):
        decode_image(CONTRADICTIONS[name], "a.tif")
    with pytest.raises(InputMaskError, match=r"^a\.tif (is not a readable TIFF image|was not written|declares)"):
        read_label_runs(CONTRADICTIONS[name], "a.tif")


RIGHT: dict[str, dict[str, Any]] = {
    "LZW": {"compression": "lzw"},
    "LZW in strips, the last one shorter": {"compression": "lzw", "rowsperstrip": 16, "predictor": 2},
    "LZW in tiles": {"compression": "lzw", "predictor": 2, **TILES},
    "LZW of a big-endian file": {"compression": "lzw", "byteorder": ">", "predictor": 2},
    "LZMA": {"compression": "lzma", "rowsperstrip": 16},
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_without_contradictions_is_read(name: str) -> None:
    data = tiff(**RIGHT[name])
    assert np.array_equal(decode_image(data, "a.tif")[0], LABELS)
    runs = read_label_runs(data, "a.tif")
    assert np.array_equal(painted_rows(runs, 0, 70), LABELS)


def test_a_predictor_without_compression_is_undone() -> None:
    stored = np.diff(LABELS.astype(np.int32), axis=1, prepend=0).astype(np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, stored, metadata=None)
    data = with_field(stream.getvalue(), 305, 2, name=317)
    assert np.array_equal(decode_image(data, "a.tif")[0], LABELS)


def test_the_last_strip_may_have_as_many_rows_as_the_others() -> None:
    padded = np.zeros((80, 90), np.uint16)
    padded[:70] = LABELS
    stream = io.BytesIO()
    tifffile.imwrite(stream, padded, rowsperstrip=16, compression="lzw", metadata=None)
    data = with_field(stream.getvalue(), 257, 70)
    assert np.array_equal(decode_image(data, "a.tif")[0], LABELS)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 5000, 200_000])
@pytest.mark.parametrize("values", [1, 2, 5, 256])
def test_lzw_gives_what_another_encoder_took(count: int, values: int) -> None:
    plain = np.random.default_rng(count).integers(0, values, count).astype(np.uint8)
    stored = bytes(imagecodecs.lzw_encode(plain.tobytes())) if count else bytes([0x80, 0x40, 0x40])
    assert np.array_equal(lzw_decoded(stored, count), plain)
    if count:
        with pytest.raises(ValueError, match=r"^an LZW stream of more than"):
            lzw_decoded(stored, count - 1)


def test_a_code_that_an_lzw_stream_has_not_defined_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a damaged LZW stream$"):
        lzw_decoded(bytes.fromhex("80642050382416"), 2048)  # ends the process in imagecodecs 2026.3.6
