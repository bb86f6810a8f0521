"""Where the bytes of a stored PNG cell lie (see `nucleusnet_core.cells.png`).

Source: PNG specification (https://www.w3.org/TR/png-3/), sections 5, 9.2 and 10; RFC 1950; RFC 1951, 3.2.4.
"""

import functools
import struct
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .png_chunks import SIGNATURE, chunk

FILTER_UP = 2
STORED_BLOCK_LIMIT_BYTES = 65_535
IDAT_TYPE_OFFSET = len(SIGNATURE) + 25 + 4
"""Where the letters IDAT stand, the first bytes that the CRC of that chunk covers."""

BitDepth = Literal[1, 8, 16]


@dataclass(frozen=True)
class RowBlock:
    """Rows `start_row`..`stop_row` (half-open) of one stored block; `offset` is its first filter byte."""

    start_row: int
    stop_row: int
    offset: int


@dataclass(frozen=True)
class PngLayout:
    """Where everything lies in a stored PNG cell of one size and bit depth.

    Attributes:
        height: rows of pixels.
        width: pixels of a row.
        bit_depth: bits of a pixel: 1 (mask), 8 or 16 (big-endian).
        row_bytes: bytes of a row of packed pixels, without its filter byte.
        blocks: the stored blocks in order.
        adler_offset: offset of the four bytes of the zlib checksum; the CRC of IDAT follows them.
        cell_bytes: size of a whole cell.
        template: a cell with all pixels and both checksums zero.
    """

    height: int
    width: int
    bit_depth: BitDepth
    row_bytes: int
    blocks: tuple[RowBlock, ...]
    adler_offset: int
    cell_bytes: int
    template: bytes = field(repr=False)

    @property
    def crc_offset(self) -> int:
        """Offset of the four bytes of the CRC of IDAT."""
        return self.adler_offset + 4

    def filtered_rows(self, cells: npt.NDArray[np.uint8], block: RowBlock) -> npt.NDArray[np.uint8]:
        """View one block's rows: `(..., cell_bytes)` -> `(..., rows, 1 + row_bytes)`, filter byte first."""
        rows, stride = block.stop_row - block.start_row, self.row_bytes + 1
        flat = cells[..., block.offset : block.offset + rows * stride]
        return flat.reshape(*flat.shape[:-1], rows, stride)

    @functools.cached_property
    def constants(self) -> tuple[tuple[slice, ...], npt.NDArray[np.uint8]]:
        """Slices of the bytes that are the same in every cell, and these bytes; pixels and checksums vary."""
        slices, end = [], 0
        for block in self.blocks:
            stride = self.row_bytes + 1
            stop = block.offset + (block.stop_row - block.start_row) * stride
            slices += [slice(end, block.offset), slice(block.offset, stop, stride)]
            end = stop
        slices.append(slice(self.crc_offset + 4, self.cell_bytes))
        template = np.frombuffer(self.template, np.uint8)
        return tuple(slices), np.concatenate([template[part] for part in slices])


@functools.lru_cache(maxsize=64)
def png_layout(height: int, width: int, bit_depth: int) -> PngLayout:
    """Return the layout of a stored PNG cell.

    Args:
        height: rows, at least 1.
        width: pixels of a row, at least 1; a row must fit a stored block of 65,535 bytes.
        bit_depth: 1, 8 or 16.

    Raises:
        UsageError: no cell has that size or bit depth.
    """
    row_bytes = (width * bit_depth + 7) // 8
    fits = height >= 1 and width >= 1 and row_bytes < STORED_BLOCK_LIMIT_BYTES and height * row_bytes < 1 << 30
    if bit_depth not in (1, 8, 16) or not fits:
        raise UsageError(
            f"An image of {height} x {width} px with {bit_depth} bits a pixel cannot be stored: a pixel has 1, 8 or 16 "
            "bits, a row 1 to 65,534 bytes, the whole less than 1 GiB; crop the image or convert it."
        )
    rows_per_block = STORED_BLOCK_LIMIT_BYTES // (row_bytes + 1)
    blocks, stream = [], bytearray(b"\x78\x01")
    for start_row in range(0, height, rows_per_block):
        stop_row = min(start_row + rows_per_block, height)
        size = (stop_row - start_row) * (row_bytes + 1)
        stream += struct.pack("<BHH", stop_row == height, size, size ^ 0xFFFF)
        blocks.append(RowBlock(start_row, stop_row, IDAT_TYPE_OFFSET + 4 + len(stream)))
        stream += (bytes([FILTER_UP]) + bytes(row_bytes)) * (stop_row - start_row)
    head = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, 0, 0, 0, 0))
    start = head + struct.pack(">I", len(stream) + 4) + b"IDAT" + bytes(stream)
    template = start + bytes(8) + chunk(b"IEND", b"")
    depth: BitDepth = 1 if bit_depth == 1 else 8 if bit_depth == 8 else 16
    return PngLayout(height, width, depth, row_bytes, tuple(blocks), len(start), len(template), template)
