"""Mask files as programs write them, damaged ones, and made-up ones that would fill the memory."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.masks import LabelRuns, read_label_runs
from tests.builder.commands import environment


def discs(dtype: Any, labels: tuple[int, ...] = (1, 7, 90, 120)) -> npt.NDArray[Any]:
    """Four discs, two of them touching, one cut by the border."""
    image = np.zeros((120, 150), dtype)
    rows, columns = np.ogrid[:120, :150]
    for label, (y, x, radius) in zip(labels, ((30, 30, 20), (30, 68, 20), (80, 100, 25), (110, 20, 18)), strict=True):
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
    return image


def painted(runs: LabelRuns) -> npt.NDArray[np.uint32]:
    image = np.zeros(runs.shape, np.uint32)
    for y, x0, x1, label in zip(runs.row, runs.x0, runs.x1, runs.label, strict=True):
        image[y, x0:x1] = label
    return image


def tiff(labels: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, labels, **options)
    return stream.getvalue()


def png(labels: npt.NDArray[Any]) -> bytes:
    done, data = cv2.imencode(".png", labels)
    assert done
    return bytes(data)


def interlaced_png(labels: npt.NDArray[np.uint8]) -> bytes:
    """Write the seven passes of Adam7 (PNG specification, section 8.2) without filter."""
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    rows = b"".join(
        b"\0" + row.tobytes() for y, dy, x, dx in passes for row in labels[y::dy, x::dx] if labels[:, x::dx].size
    )
    return made_up_png(labels.shape[1], labels.shape[0], 8, rows, interlace=1)


def made_up_png(
    width: int, height: int, bit_depth: int, rows: bytes, *, color_type: int = 0, interlace: int = 0
) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, interlace)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


WIDE = (1, 300, 70_000, 16_000_000)
WRITTEN: dict[str, tuple[bytes, npt.NDArray[Any]]] = {
    "cellpose png": (png(discs(np.uint16)), discs(np.uint16)),
    "8-bit png": (png(discs(np.uint8)), discs(np.uint8)),
    "png of another writer": (bytes(imagecodecs.png_encode(discs(np.uint16), level=9)), discs(np.uint16)),
    "interlaced png": (interlaced_png(discs(np.uint8)), discs(np.uint8)),
    "16-bit tiff": (tiff(discs(np.uint16), compression="zlib"), discs(np.uint16)),
    "32-bit tiff": (tiff(discs(np.uint32, WIDE)), discs(np.uint32, WIDE)),
    "64-bit tiff": (tiff(discs(np.int64, WIDE)), discs(np.uint32, WIDE)),
    "bigtiff": (tiff(discs(np.uint32, WIDE), bigtiff=True, compression="lzw"), discs(np.uint32, WIDE)),
    "tiled tiff": (tiff(discs(np.uint32, WIDE), tile=(32, 64), compression="zstd"), discs(np.uint32, WIDE)),
    "ome tiff": (tiff(discs(np.uint16), ome=True, metadata={"axes": "YX"}), discs(np.uint16)),
    "imagej floats": (tiff(discs(np.float32, WIDE), imagej=True), discs(np.uint32, WIDE)),
    "double floats": (tiff(discs(np.float64, WIDE)), discs(np.uint32, WIDE)),
    "blank zstd tiff": (tiff(np.zeros((3000, 3000), np.uint32), compression="zstd"), np.zeros((3000, 3000))),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_programs_write_is_read_to_the_same_labels(name: str) -> None:
    data, labels = WRITTEN[name]
    runs = read_label_runs(data, name)
    assert runs.shape == labels.shape
    assert runs.label.dtype == np.uint32
    assert np.array_equal(painted(runs), labels)


SMALL = np.array([[0, 1, 1, 2], [3, 3, 0, 3], [0, 0, 0, 0], [4, 4, 4, 4]], np.uint16)
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
    data = tiff(SMALL.astype(dtype), **(TIFF_LAYOUTS[layout] | order))
    assert np.array_equal(painted(read_label_runs(data, "a.tif")), SMALL)


REFUSED: dict[str, tuple[bytes, str]] = {
    "zero bytes": (b"", r"is empty; write the mask again\."),
    "rgb png": (
        png(np.zeros((4, 5, 3), np.uint8)),
        "is a PNG with RGB colours of 8 bits; a mask must be greyscale .*: save the label",
    ),
    "rgba png": (png(np.zeros((4, 5, 4), np.uint8)), "is a PNG with RGBA colours of 8 bits; a mask must be greyscale"),
    "rgb tiff": (
        tiff(np.zeros((40, 50, 3), np.uint8), photometric="rgb"),
        r"has shape \(40, 50, 3\), so several channels .*: save one greyscale label image per file",
    ),
    "two channels": (
        tiff(np.zeros((2, 40, 50), np.uint16), ome=True, metadata={"axes": "CYX"}),
        r"holds 2 pages; a mask must be one label image \(height, width\): save one greyscale label image per file",
    ),
    "imagej stack of one page": (
        tiff(np.zeros((3, 40, 50), np.uint16), imagej=True, truncate=True),
        r"holds a stack of shape \(3, 40, 50\); a mask must be one label image .*: save one",
    ),
    "probabilities": (
        tiff(np.linspace(0, 1, 2000, dtype=np.float32).reshape(40, 50)),
        r"has a pixel of 0\.\d+, and labels are whole numbers: this is not a label image but perhaps a probability map",
    ),
    "half floats": (tiff(discs(np.float16)), "has labels of type float16; save them as uint16"),
    "booleans": (tiff(discs(np.uint8) > 0), "has labels of type bool"),
    "beyond 32 bits": (
        tiff(discs(np.int64, (1, 2, 3, 2**32))),
        r"has labels from 1 to 4294967296; they must lie between 0 and 4294967295",
    ),
    "full 8 bits": (
        png(discs(np.uint8, (1, 2, 3, 255))),
        r"has the label 255, but its type uint8 holds none above 255, .*uint32",
    ),
    "full 16 bits": (
        png(discs(np.uint16, (1, 2, 3, 65535))),
        "has the label 65535, but its type uint16 holds none above 65535",
    ),
    "full floats": (
        tiff(discs(np.float32, (1, 2, 3, 2**24))),
        "has the label 16777216, but its type float32 holds none above 16777216",
    ),
    "full signed 16 bits": (
        tiff(discs(np.int16, (1, 2, 3, 32767))),
        "has the label 32767, but its type int16 holds none above 32767",
    ),
    "palette png": (made_up_png(2, 1, 8, b"\0\1\2", color_type=3), "is a PNG with a palette of 8 bits"),
    "1-bit png": (made_up_png(8, 1, 1, b"\0\xf0"), "is a PNG with greyscale of 1 bits"),
    "complex tiff": (tiff(np.zeros((4, 5), np.complex64)), "has labels of type complex64"),
    "png of a signature": (b"\x89PNG\r\n\x1a\n", "the PNG is truncated"),
    "tiff of a header": (b"II*\0\x08\0\0\0", r"was not written to its end; export it again\.$"),
    "tiff without pages": (b"II*\0\0\0\0\0", "holds 0 pages; a mask must be one label image"),
    "short rows in png": (made_up_png(40, 40, 16, b"\1\0\0"), "cannot be decoded"),
    "png without pixels": (made_up_png(0, 3, 16, b""), "has 3 x 0 px; copy the mask again, or write it again"),
    "half a png": (
        png(discs(np.uint16))[:200],
        "the PNG is truncated: it ends after 200 bytes .*; copy the mask again, or write it again",
    ),
    "half a tiff": (tiff(discs(np.uint16))[:9000], r"was not written to its end; export it again\.$"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(100), "is neither a PNG nor a TIFF: it starts with"),
    "pickle": (
        b"\x93NUMPY\x01\x00" + bytes(100),
        "is a NumPy file of pickled objects, not .*; save the masks as PNG or TIFF, or pass --allow-pickle",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mask_is_one_error_that_names_it(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(InputMaskError, match=rf"^Run1 ü_cp_masks\.png:? (?:{message})"):
        read_label_runs(data, "Run1 ü_cp_masks.png")


CUT = {
    "cellpose png": png(discs(np.uint16)),
    "8-bit png": png(discs(np.uint8)),
    "tiff": tiff(discs(np.uint16), metadata=None),
    "lzw tiff": tiff(discs(np.uint16), compression="lzw", metadata=None),
    "tiled tiff": tiff(discs(np.uint16), compression="zlib", tile=(64, 64), metadata=None),
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_anywhere_is_an_error(name: str) -> None:
    data = CUT[name]
    for size in {*range(0, len(data), 97), *range(min(len(data), 60)), len(data) - 1}:
        with pytest.raises(InputMaskError, match=r"^a:? "):
            read_label_runs(data[:size], "a")


def test_every_damaged_byte_of_a_png_is_noticed() -> None:
    data = bytes(imagecodecs.png_encode(SMALL))
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(InputMaskError):
            read_label_runs(damaged, "a.png")


def test_a_tiff_whose_writing_stopped_halfway_is_refused() -> None:
    data = bytearray(tiff(discs(np.uint16), compression="zlib", rowsperstrip=10, metadata=None))
    for tag in (273, 279):
        struct.pack_into("<I", data, data.index(struct.pack("<H", tag), 8) + 4, 5)
    with pytest.raises(InputMaskError, match=r"^a was not written to its end; export it again\.$"):
        read_label_runs(bytes(data), "a")


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(CUT)), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_file_with_changed_bytes_is_read_or_refused_but_nothing_else(
    name: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(CUT[name])
    for where, difference in changes:
        data[int(where * (len(data) - 1))] ^= difference
    try:
        runs = read_label_runs(bytes(data), "a")
    except InputMaskError:
        return
    assert painted(runs).shape == runs.shape


def huge_tiff(side_px: int) -> bytes:
    data = bytearray(tiff(np.zeros((16, 16), np.uint16), compression="zlib"))
    for tag in (256, 257, 278):
        entry = data.index(struct.pack("<H", tag), 8)
        data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, side_px)
    return bytes(data)


READ_AND_MEASURE = """
import json, sys, tracemalloc
from pathlib import Path
from nucleusnet_core.inputs.masks import read_label_runs
from nucleusnet_core.errors import InputMaskError
try:
    import resource
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
except ImportError:  # Windows
    peak = lambda: 0
results = []
for name in sys.argv[1:]:
    data, before = Path(name).read_bytes(), peak()
    tracemalloc.start()
    try:
        message = f"read {read_label_runs(data, name).shape}"
    except InputMaskError as error:
        message = str(error)
    results.append([message, tracemalloc.get_traced_memory()[1], peak() - before])
    tracemalloc.stop()
print(json.dumps(results))
"""


def test_a_mask_of_60_000_px_declared_in_a_kilobyte_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    files = {
        "16 bits.png": made_up_png(60_000, 60_000, 16, bytes(400_000)),
        "8 bits.png": made_up_png(60_000, 60_000, 8, bytes(400_000)),
        "too wide.png": made_up_png(60_001, 1, 16, bytes(10)),
        "2**31.png": made_up_png(2**31 - 1, 2**31 - 1, 16, bytes(10)),
        "60,000 px.tif": huge_tiff(60_000),
        "60,001 px.tif": huge_tiff(60_001),
    }
    for name, data in files.items():
        assert len(data) < 1024
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", READ_AND_MEASURE, *files]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    results = dict(zip(files, json.loads(done.stdout), strict=True))
    for name, (message, allocated, resident) in results.items():
        expected = "px a side" if name in ("too wide.png", "2**31.png", "60,001 px.tif") else "bytes of pixels, but so"
        assert message.startswith(f"{name} ")
        assert expected in message
        assert allocated < 4 << 20, name
        assert resident < 16 << 20, name
