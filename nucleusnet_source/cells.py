"""Stored PNG cells: legal PNG files whose pixels lie at constant offsets, so that reading needs no inflate.

The IDAT chunk holds *stored* deflate blocks of whole rows, and every row has filter Up. Parquet's zstd compresses the
column; a reader undoes the filter of many cells at once by adding rows. Every PNG decoder opens such a cell.

Source: PNG specification (https://www.w3.org/TR/png-3/), sections 5, 9.2 and 10; RFC 1950 and RFC 1951 section 3.2.4.
"""

import functools
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from nucleusnet_source.errors import CorruptDataError, UsageError

try:
    from isal import isal_zlib as _checksums
except ImportError:
    _checksums = zlib

crc32: Callable[..., int] = _checksums.crc32
adler32: Callable[..., int] = _checksums.adler32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FILTER_UP = 2
STORED_BLOCK_LIMIT_BYTES = 65_535
DECODE_GROUP_CELLS = 128
"""Cells unfiltered together: enough to make a row long for numpy, few enough to stay in the cache."""

BitDepth = Literal[1, 8, 16]
_IDAT_TYPE_OFFSET = len(SIGNATURE) + 25 + 4
_IEND = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True)
class RowBlock:
    """Rows `start_row`..`stop_row` (half-open) of one stored deflate block; `offset` is its first filter byte."""

    start_row: int
    stop_row: int
    offset: int


@dataclass(frozen=True)
class PngLayout:
    """Where everything lies in a stored PNG cell of one size and bit depth.

    Attributes:
        height: Rows of pixels.
        width: Pixels of a row.
        bit_depth: Bits of a pixel: 1 (mask), 8 or 16 (big-endian).
        row_bytes: Bytes of a row of packed pixels, without its filter byte.
        blocks: The stored blocks in order.
        adler_offset: Offset of the four bytes of the zlib checksum; the CRC of IDAT follows them.
        cell_bytes: Size of a whole cell.
        template: A cell with all pixels and both checksums zero.
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
        """View the rows of one block: `(..., cell_bytes)` -> `(..., rows, 1 + row_bytes)`, filter byte first."""
        rows, stride = block.stop_row - block.start_row, self.row_bytes + 1
        flat = cells[..., block.offset : block.offset + rows * stride]
        shape = (*flat.shape[:-1], rows, stride)
        strides = (*flat.strides[:-1], stride * flat.strides[-1], flat.strides[-1])
        return np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=flat.flags.writeable)


@functools.lru_cache(maxsize=64)
def png_layout(height: int, width: int, bit_depth: int) -> PngLayout:
    """Give the layout of a stored PNG cell.

    Args:
        height: Rows, at least 1.
        width: Pixels of a row, at least 1; a row must fit a stored block of 65,535 bytes.
        bit_depth: 1, 8 or 16.

    Raises:
        UsageError: No cell has that size or bit depth.
    """
    row_bytes = (width * bit_depth + 7) // 8
    fits = (
        height >= 1 and width >= 1 and row_bytes < STORED_BLOCK_LIMIT_BYTES and height * row_bytes < 1 << 30
    )
    if bit_depth not in (1, 8, 16) or not fits:
        found = f"{height} x {width} px, {bit_depth} bit"
        raise UsageError(
            f"a cell has 1, 8 or 16 bits a pixel, rows of 1 to 65,534 bytes and less than 1 GiB; found {found}; "
            "crop the image or convert it"
        )
    rows_per_block = STORED_BLOCK_LIMIT_BYTES // (row_bytes + 1)
    blocks, stream = [], bytearray(b"\x78\x01")
    for start_row in range(0, height, rows_per_block):
        stop_row = min(start_row + rows_per_block, height)
        size = (stop_row - start_row) * (row_bytes + 1)
        stream += struct.pack("<BHH", stop_row == height, size, size ^ 0xFFFF)
        blocks.append(RowBlock(start_row, stop_row, _IDAT_TYPE_OFFSET + 4 + len(stream)))
        stream += (bytes([FILTER_UP]) + bytes(row_bytes)) * (stop_row - start_row)
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bit_depth, 0, 0, 0, 0)
    head = SIGNATURE + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    start = head + struct.pack(">I", len(stream) + 4) + b"IDAT" + bytes(stream)
    template = start + bytes(8) + _IEND
    depth: BitDepth = 1 if bit_depth == 1 else 8 if bit_depth == 8 else 16
    return PngLayout(height, width, depth, row_bytes, tuple(blocks), len(start), len(template), template)


def encode_gray(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Encode a grey image `(height, width)`, uint8 or uint16, as a stored PNG cell.

    Raises:
        UsageError: The array has another type or number of axes.
    """
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"expected a uint8 or uint16 array (height, width), found {pixels.dtype} {pixels.shape}; "
            "give one grey channel, not scaled"
        )
    layout = png_layout(*pixels.shape, 8 * pixels.dtype.itemsize)
    if pixels.dtype == np.uint8:
        return _encode_rows(pixels.view(np.uint8), layout)
    return _encode_rows(pixels.astype(">u2", order="C").view(np.uint8), layout)


def encode_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    """Encode a mask `(height, width)` of bool as a stored PNG cell of 1 bit a pixel.

    Raises:
        UsageError: The array has another type or number of axes.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise UsageError(
            f"expected a bool array (height, width), found {mask.dtype} {mask.shape}; compare it with 0 first"
        )
    return _encode_rows(np.packbits(mask, axis=1), png_layout(*mask.shape, 1))


def _encode_rows(rows: npt.NDArray[np.uint8], layout: PngLayout) -> bytes:
    """Write packed pixel rows `(height, row_bytes)` into a copy of the template and add the checksums."""
    cell = np.frombuffer(layout.template, np.uint8).copy()
    checksum = 1
    for block in layout.blocks:
        filtered = layout.filtered_rows(cell, block)
        first = block.start_row
        filtered[0, 1:] = rows[first] - rows[first - 1] if first else rows[0]
        np.subtract(rows[first + 1 : block.stop_row], rows[first : block.stop_row - 1], out=filtered[1:, 1:])
        checksum = adler32(cell[block.offset : block.offset + filtered.size], checksum)
    return _with_checksums(cell, checksum, layout)


def _with_checksums(cell: npt.NDArray[np.uint8], adler: int, layout: PngLayout) -> bytes:
    """Fill in both checksums of a cell whose rows are written."""
    struct.pack_into(">I", cell.data, layout.adler_offset, adler)
    struct.pack_into(">I", cell.data, layout.crc_offset, crc32(cell[_IDAT_TYPE_OFFSET : layout.crc_offset]))
    return cell.tobytes()


def is_stored_cell(data: bytes | memoryview, layout: PngLayout) -> bool:
    """Say whether one cell has this layout: its size and every constant byte, not the checksums."""
    if len(data) != layout.cell_bytes:
        return False
    return bool(are_stored_cells(np.frombuffer(data, np.uint8)[None], layout)[0])


def are_stored_cells(cells: npt.NDArray[np.uint8], layout: PngLayout) -> npt.NDArray[np.bool_]:
    """Say of each cell of `(n, cell_bytes)` whether all its constant bytes are those of the layout.

    The checksums are not looked at (see `check_cell`).
    """
    template = np.frombuffer(layout.template, np.uint8)
    same = np.ones(len(cells), np.bool_)
    start = 0
    for block in layout.blocks:
        same &= (cells[:, start : block.offset] == template[start : block.offset]).all(axis=1)
        rows = layout.filtered_rows(cells, block)
        same &= (rows[:, :, 0] == FILTER_UP).all(axis=1)
        start = block.offset + rows.shape[1] * rows.shape[2]
    tail = layout.crc_offset + 4
    same &= (cells[:, tail:] == template[tail:]).all(axis=1)
    return same


def decode_batch(cells: npt.NDArray[np.uint8], out: npt.NDArray[Any]) -> None:
    """Write the pixels of stored PNG cells of one layout into `out`.

    Args:
        cells: `(n, cell_bytes)`, any strides along the first axis: a view into a Parquet page will do. The bytes are
            taken as they are; ask `are_stored_cells` first when they come from outside.
        out: `(n, height, width)`, uint8 for 8-bit cells, uint16 for 16-bit cells, bool for masks; rows contiguous.

    Raises:
        UsageError: The shapes do not fit each other.
    """
    layout = png_layout(
        out.shape[1], out.shape[2], {"b": 1, "u": 8 * out.dtype.itemsize}.get(out.dtype.kind, 0)
    )
    if cells.shape != (len(out), layout.cell_bytes):
        raise UsageError(
            f"expected cells of shape ({len(out)}, {layout.cell_bytes}) for an output {out.dtype} {out.shape}, "
            f"found {cells.shape}; decode cells of another size or bit depth one by one with decode_cell"
        )
    for start in range(0, len(out), DECODE_GROUP_CELLS):
        group = slice(start, start + DECODE_GROUP_CELLS)
        if layout.bit_depth == 1:
            packed = np.empty((len(out[group]), layout.height, layout.row_bytes), np.uint8)
            _unfilter(cells[group], packed, layout)
            out[group] = np.unpackbits(packed, axis=2, count=layout.width).view(np.bool_)
        else:
            _unfilter(cells[group], out[group].view(np.uint8), layout)
    if layout.bit_depth == 16 and np.little_endian:
        out.byteswap(inplace=True)


def _unfilter(cells: npt.NDArray[np.uint8], packed: npt.NDArray[np.uint8], layout: PngLayout) -> None:
    """Undo filter Up of all cells at once, row by row, into `(n, height, row_bytes)`."""
    for block in layout.blocks:
        filtered = layout.filtered_rows(cells, block)
        for row in range(block.start_row, block.stop_row):
            up = filtered[:, row - block.start_row, 1:]
            if row == 0:
                packed[:, 0] = up
            else:
                np.add(packed[:, row - 1], up, out=packed[:, row])


def decode_cell(data: bytes) -> npt.NDArray[Any]:
    """Decode one grey PNG, stored or ordinary, to `(height, width)` of uint8, uint16 or (1 bit) bool.

    Raises:
        CorruptDataError: The bytes are no PNG, are damaged, or hold colours.
    """
    layout = _layout_of(data)
    if layout is None or not is_stored_cell(data, layout):
        return _decode_ordinary(data)
    dtypes = {1: np.bool_, 8: np.uint8, 16: np.uint16}
    out: npt.NDArray[Any] = np.empty((1, layout.height, layout.width), dtypes[layout.bit_depth])
    decode_batch(np.frombuffer(data, np.uint8)[None], out)
    return out[0]


def _layout_of(data: bytes) -> PngLayout | None:
    """Give the stored layout for the size that a PNG's header states, if the file could have it."""
    if len(data) < 33 or not data.startswith(SIGNATURE):
        return None
    width, height, bit_depth = struct.unpack_from(">IIB", data, 16)
    if bit_depth not in (1, 8, 16) or not 0 < height * width * bit_depth <= 8 * len(data):
        return None
    try:
        return png_layout(height, width, bit_depth)
    except UsageError:
        return None


def _decode_ordinary(data: bytes) -> npt.NDArray[Any]:
    """Decode any grey PNG with Pillow."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode = image.mode
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        start = bytes(data[:8]).hex(" ")
        message = f"expected a PNG, found {len(data)} bytes starting with {start or 'nothing'} ({error})"
        raise CorruptDataError(message) from error
    if mode == "1" or mode == "L":
        return pixels.copy()
    if mode.startswith("I"):
        return pixels.astype(np.uint16)
    raise CorruptDataError(f"expected a PNG with one grey channel, found colour mode {mode}")


def check_cell(data: bytes) -> None:
    """Check a PNG completely: chunks, checksums, and that its pixels decode.

    Raises:
        CorruptDataError: Something is damaged; says what.
    """
    layout = _layout_of(data)
    if layout is None or not is_stored_cell(data, layout):
        _check_chunks(data)
        _decode_ordinary(data)
        return
    adler, crc = struct.unpack_from(">II", data, layout.adler_offset)
    checksum = 1
    for block in layout.blocks:
        size = (block.stop_row - block.start_row) * (layout.row_bytes + 1)
        checksum = adler32(memoryview(data)[block.offset : block.offset + size], checksum)
    _expect_checksum("IDAT", crc, crc32(memoryview(data)[_IDAT_TYPE_OFFSET : layout.crc_offset]))
    _expect_checksum("the pixels", adler, checksum)


def _check_chunks(data: bytes) -> None:
    """Walk the chunks of any PNG and check their checksums, that of the compressed pixels included."""
    if not data.startswith(SIGNATURE):
        _decode_ordinary(data)
    position, kind, inflater = len(SIGNATURE), b"", zlib.decompressobj()
    try:
        while kind != b"IEND":
            size, kind = struct.unpack_from(">I4s", data, position)
            (crc,) = struct.unpack_from(">I", data, position + 8 + size)
            _expect_checksum(kind.decode("latin-1"), crc, crc32(data[position + 4 : position + 8 + size]))
            if kind == b"IDAT":
                inflater.decompress(data[position + 8 : position + 8 + size])
            position += 12 + size
    except (struct.error, zlib.error) as error:
        raise CorruptDataError(
            f"expected a whole PNG, found damage near byte {position} ({error})"
        ) from error
    if not inflater.eof:
        raise CorruptDataError(
            f"expected whole compressed pixels, found {len(data)} bytes that end too early"
        )


def _expect_checksum(name: str, expected: int, found: int) -> None:
    if expected != found:
        raise CorruptDataError(
            f"expected checksum {expected:08x} of {name}, found {found:08x}: the PNG is damaged"
        )
