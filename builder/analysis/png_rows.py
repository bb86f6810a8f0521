"""A large grey PNG written block by block, so that only one block of rows is ever in memory."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP = 2
_LEVEL = 6


def write_png_rows(
    file: BinaryIO, blocks: Iterable[NDArray[Any]], *, shape: tuple[int, int], bit_depth: int, pixels_per_m: int | None
) -> None:
    """Write a grey PNG with filter Up on every row.

    Args:
        file: open for writing.
        blocks: (rows, width) uint8 or uint16 each; together they are the image from top to bottom.
        shape: (height, width) of the image, px.
        bit_depth: bits of a pixel, 8 or 16.
        pixels_per_m: scale, None if unknown.

    Raises:
        ValueError: the blocks are not the image that was announced.

    Source: W3C, Portable Network Graphics (Third Edition).
    """
    height, width = shape
    file.write(_SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, 0, 0, 0, 0)))
    if pixels_per_m is not None:
        file.write(chunk(b"pHYs", struct.pack(">IIB", pixels_per_m, pixels_per_m, 1)))
    packer = zlib.compressobj(_LEVEL)
    previous = np.zeros(width * bit_depth // 8, np.uint8)
    done = 0
    for block in blocks:
        if block.shape[1:] != (width,) or block.dtype.itemsize * 8 != bit_depth:
            raise ValueError(f"rows of {width} px of {bit_depth} bits expected, {block.dtype} {block.shape} found")
        rows = block.astype(f">u{bit_depth // 8}").view(np.uint8)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = _FILTER_UP
        np.subtract(rows[0], previous, out=filtered[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        previous, done = rows[-1].copy(), done + len(rows)
        file.write(chunk(b"IDAT", packer.compress(filtered.data)))
    if done != height:
        raise ValueError(f"{height} rows expected, {done} found")
    file.write(chunk(b"IDAT", packer.flush()))
    file.write(chunk(b"IEND", b""))


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
