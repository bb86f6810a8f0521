"""A second reader of TIFF files, for fuzzing: it shares no code with ours, and refuses whatever it is not sure of.

It reads the first directory; strips or tiles of one sample a pixel, of 1 to 64 bits; without compression, or with
deflate, LZW, PackBits or zstd; any byte order, BigTIFF too, with or without the horizontal predictor.

Source: TIFF 6.0, sections 2, 3, 8, 9, 13, 14 and 15; BigTIFF.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow

WIDTH, HEIGHT, BITS, COMPRESSION, FILL, SAMPLES, PREDICTOR, FORMAT = 256, 257, 258, 259, 266, 277, 317, 339
STRIP_PLACES, ROWS_PER_STRIP, STRIP_SIZES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_PLACES, TILE_SIZES = 322, 323, 324, 325
_USED = {256, 257, 258, 259, 266, 273, 277, 278, 279, 317, 322, 323, 324, 325, 339}
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}


class UnsureError(Exception):
    """The file is damaged, or not of the few kinds that this reader knows."""


@dataclass(frozen=True)
class _Layout:
    """How pixels are stored: size of image and chunk (strip or tile), type, and what was done to the bytes."""

    height: int
    width: int
    chunk_height: int
    chunk_width: int
    bits: int
    sample_format: int
    compression: int
    predictor: int
    fill: int
    order: Any
    is_tiled: bool


def read(data: bytes) -> npt.NDArray[Any]:
    """Return the pixels (height, width) of the first directory.

    Raises:
        UnsureError: it cannot tell them for certain.
    """
    try:
        return _read(data)
    except (struct.error, zlib.error, KeyError, ValueError, IndexError, OverflowError) as error:
        raise UnsureError(f"{type(error).__name__}: {error}") from error


def _read(data: bytes) -> npt.NDArray[Any]:
    order, tags = _tags(data)
    is_tiled = TILE_WIDTH in tags
    layout = _layout(order, tags, is_tiled=is_tiled)
    places, sizes = tags[TILE_PLACES if is_tiled else STRIP_PLACES], tags[TILE_SIZES if is_tiled else STRIP_SIZES]
    down = -(-layout.height // layout.chunk_height)
    across = -(-layout.width // layout.chunk_width)
    if not len(places) == len(sizes) == down * across:
        raise UnsureError(f"{len(places)} places and {len(sizes)} sizes of {down} x {across} chunks")
    image = np.zeros((down * layout.chunk_height, across * layout.chunk_width), _dtype(layout))
    for number, (place, size) in enumerate(zip(places, sizes, strict=True)):
        y, x = number // across * layout.chunk_height, number % across * layout.chunk_width
        if size <= 0 or place < 8 or place + size > len(data):
            raise UnsureError(f"chunk {number} is not in the file")
        rows = layout.chunk_height if is_tiled else min(layout.chunk_height, layout.height - y)
        chunk = _chunk(data[place : place + size], layout, rows)
        image[y : y + rows, x : x + layout.chunk_width] = chunk
    return image[: layout.height, : layout.width]


def _tags(data: bytes) -> tuple[str, dict[int, tuple[int, ...]]]:
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    big = {42: False, 43: True}[struct.unpack_from(order + "H", data, 2)[0]]
    if big and struct.unpack_from(order + "HH", data, 4) != (8, 0):
        raise UnsureError("no BigTIFF")
    word, count_type, entry_bytes = ("Q", "Q", 20) if big else ("I", "H", 12)
    (at,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count_type, data, at)
    at += struct.calcsize(order + count_type)
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(at, at + entries * entry_bytes, entry_bytes):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        (count,) = struct.unpack_from(order + word, data, entry + 4)
        if kind not in _TYPES or tag not in _USED:
            continue
        if tag in tags or count > len(data):
            raise UnsureError(f"tag {tag}")
        values = f"{order}{count}{_TYPES[kind]}"
        place = entry + 4 + struct.calcsize(order + word)
        if struct.calcsize(values) > struct.calcsize(order + word):
            (place,) = struct.unpack_from(order + word, data, place)
        tags[tag] = struct.unpack_from(values, data, place)
    return order, tags


def _layout(order: str, tags: dict[int, tuple[int, ...]], *, is_tiled: bool) -> _Layout:
    def one(tag: int, default: int | None = None) -> int:
        if tag not in tags and default is not None:
            return default
        (value,) = tags[tag]
        return value

    height, width = one(HEIGHT), one(WIDTH)
    if one(SAMPLES, 1) != 1 or not 0 < height <= 60_000 or not 0 < width <= 60_000:
        raise UnsureError("not one plane")
    rows = min(one(ROWS_PER_STRIP, height), height)
    chunk = (one(TILE_HEIGHT), one(TILE_WIDTH)) if is_tiled else (rows, width)
    if 0 in chunk:
        raise UnsureError("empty chunks")
    stored = (one(BITS, 1), one(FORMAT, 1), one(COMPRESSION, 1), one(PREDICTOR, 1), one(FILL, 1))
    return _Layout(height, width, *chunk, *stored, order, is_tiled)


def _dtype(layout: _Layout) -> np.dtype[Any]:
    if layout.sample_format == 1 and 1 <= layout.bits <= 64:
        bits = next(bits for bits in (8, 16, 32, 64) if bits >= layout.bits)
        return np.dtype(f"u{bits // 8}")
    return np.dtype(
        {(2, 8): "i1", (2, 16): "i2", (2, 32): "i4", (3, 32): "f4", (3, 64): "f8"}[layout.sample_format, layout.bits]
    )


def _chunk(stored: bytes, layout: _Layout, rows: int) -> npt.NDArray[Any]:
    if layout.fill not in (1, 2):
        raise UnsureError("unknown order of bits")
    if layout.fill == 2:
        stored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in stored)
    row_bytes = -(-layout.chunk_width * layout.bits // 8)
    full = layout.chunk_height * row_bytes
    plain = _inflated(stored, layout.compression, rows * row_bytes)[
        : rows * row_bytes if layout.compression == 1 else None
    ]
    if len(plain) not in (rows * row_bytes, full):
        raise UnsureError(f"{len(plain)} bytes of {rows * row_bytes}")
    plain = plain[: rows * row_bytes]
    dtype = _dtype(layout)
    pixels: npt.NDArray[Any]
    if layout.bits == dtype.itemsize * 8:
        pixels = np.frombuffer(plain, dtype.newbyteorder(layout.order)).reshape(rows, layout.chunk_width).astype(dtype)
    else:
        pixels = _unpacked(plain, layout, rows)
    if layout.predictor == 2 and layout.sample_format != 3 and layout.bits == dtype.itemsize * 8:
        return np.cumsum(pixels, axis=1, dtype=dtype)
    if layout.predictor != 1:
        raise UnsureError("unknown predictor")
    return pixels


def _unpacked(plain: bytes, layout: _Layout, rows: int) -> npt.NDArray[Any]:
    """Return pixels of other than whole bytes: each row begins with a new byte, the highest bit first."""
    bits = np.unpackbits(np.frombuffer(plain, np.uint8).reshape(rows, -1), axis=1)
    used = bits[:, : layout.chunk_width * layout.bits].reshape(rows, layout.chunk_width, layout.bits)
    weights = [1 << bit for bit in range(layout.bits)][::-1]
    values: npt.NDArray[Any] = (used * np.array(weights, np.uint64)).sum(axis=2, dtype=np.uint64)
    return values.astype(_dtype(layout))


def _inflated(stored: bytes, compression: int, plain_bytes: int) -> bytes:
    if compression == 1:
        return stored
    if compression in (8, 32946):
        inflate = zlib.decompressobj()
        plain = inflate.decompress(stored, 1 << 24)
        if not inflate.eof:
            raise UnsureError("a deflate stream without its end")
        return plain
    if compression == 32773:
        return _packbits(stored)
    if compression == 5:
        return _lzw(stored)
    if compression == 50000:
        return _zstd(stored, plain_bytes)
    raise UnsureError(f"compression {compression}")


def _packbits(stored: bytes) -> bytes:
    plain, at = bytearray(), 0
    while at < len(stored):
        count = stored[at]
        if count < 128:
            if at + 2 + count > len(stored):
                raise UnsureError("a run beyond the end")
            plain += stored[at + 1 : at + 2 + count]
            at += 2 + count
        elif count > 128:
            plain += stored[at + 1 : at + 2] * (257 - count)
            at += 2
        else:
            at += 1
    return bytes(plain)


def _lzw(stored: bytes) -> bytes:
    """Return what a stream of LZW codes says, up to the code of its end, or to the end of its bytes."""
    plain, table, before = bytearray(), [bytes([byte]) for byte in range(256)] + [b"", b""], b""
    at, width = 0, 9
    while at + width <= len(stored) * 8:
        window = int.from_bytes(stored[at // 8 : at // 8 + 4].ljust(4, b"\0"), "big")
        code = window >> (32 - width - at % 8) & ((1 << width) - 1)
        at += width
        if code == 257:
            return bytes(plain)
        if code == 256:
            table, before, width = table[:258], b"", 9
            continue
        if code > len(table) or (code == len(table) and not before):
            raise UnsureError("an LZW code that is not known yet")
        entry = table[code] if code < len(table) else before + before[:1]
        plain += entry
        if before:
            table.append(before + entry[:1])
        before = entry
        width = min(12, max(9, (len(table) + 1).bit_length()))
    return bytes(plain)


def _zstd(stored: bytes, plain_bytes: int) -> bytes:
    try:
        return bytes(pyarrow.Codec("zstd").decompress(stored, plain_bytes, asbytes=True))
    except OSError as error:
        raise UnsureError(str(error)) from error
