"""Stored PNG cells: legal PNG files whose pixels lie at constant offsets, so that reading needs no inflate.

The IDAT chunk holds *stored* deflate blocks of whole rows, and every row has filter Up. Parquet's zstd
compresses the column; a reader undoes the filter of many cells at once by adding rows. Every PNG decoder
opens such a cell.
"""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import CorruptDataError, UsageError
from .checksums import adler32, crc32
from .layout import IDAT_TYPE_OFFSET, PngLayout, png_layout
from .png_chunks import SIGNATURE, PngDamageError, read_chunks
from .unfilter import UNFILTERED_TOGETHER, Packed, StoredCells, UnfilteredCells

__all__ = [
    "PngLayout",
    "are_stored_cells",
    "check_cell",
    "check_checksums",
    "decode_batch",
    "decode_cell",
    "encode_gray",
    "encode_mask",
    "is_stored_cell",
    "layout_of",
    "png_layout",
]

MAX_INFLATED_BYTES = 1 << 28
"""A single IDAT chunk that inflates to more is refused, so that a few kilobytes cannot fill the memory."""


def encode_gray(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """Encode a grey image `(height, width)`, uint8 or uint16, as a stored PNG cell.

    Raises:
        UsageError: the array has another type or number of axes.
    """
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"Pixels {pixels.dtype} {pixels.shape} cannot be stored; give one grey channel (height, width) of uint8 or "
            "uint16, not scaled."
        )
    layout = png_layout(*pixels.shape, 8 * pixels.dtype.itemsize)
    if pixels.dtype == np.uint8:
        return _encode_rows(pixels.view(np.uint8), layout)
    return _encode_rows(pixels.astype(">u2", order="C").view(np.uint8), layout)


def encode_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    """Encode a mask `(height, width)` of bool as a stored PNG cell of 1 bit a pixel.

    Raises:
        UsageError: the array has another type or number of axes.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise UsageError(
            f"A mask {mask.dtype} {mask.shape} cannot be stored; give a bool array (height, width), such as labels > 0."
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
    struct.pack_into(">I", cell.data, layout.crc_offset, crc32(cell[IDAT_TYPE_OFFSET : layout.crc_offset]))
    return cell.tobytes()


def is_stored_cell(data: bytes | memoryview, layout: PngLayout) -> bool:
    """Return whether one cell has this layout: its size and every constant byte, not the checksums."""
    if len(data) != layout.cell_bytes:
        return False
    return bool(are_stored_cells(np.frombuffer(data, np.uint8)[None], layout)[0])


def are_stored_cells(cells: npt.NDArray[np.uint8], layout: PngLayout) -> npt.NDArray[np.bool_]:
    """Return for each cell of `(n, cell_bytes)` whether all its constant bytes are those of the layout.

    The checksums are not checked (see `check_cell`).
    """
    slices, expected = layout.constants
    found = np.concatenate([cells[:, part] for part in slices], axis=1)
    return np.asarray((found == expected).all(axis=1))


def decode_batch(cells: npt.NDArray[np.uint8], out: npt.NDArray[Any]) -> None:
    """Write the pixels of stored PNG cells of one layout into `out`.

    Args:
        cells: `(n, cell_bytes)`, any strides along the first axis: a view into a Parquet page will do. The
            bytes are taken as they are; ask `are_stored_cells` first when they come from outside.
        out: `(n, height, width)`, rows contiguous: uint8 for 8-bit cells, uint16 for 16-bit cells, bool for
            masks.

    Raises:
        UsageError: the shapes do not fit each other.
    """
    layout = png_layout(out.shape[1], out.shape[2], {"b": 1, "u": 8 * out.dtype.itemsize}.get(out.dtype.kind, 0))
    if cells.shape != (len(out), layout.cell_bytes):
        raise UsageError(
            f"Cells {cells.shape} do not fit an output {out.dtype} {out.shape}, which takes cells ({len(out)}, "
            f"{layout.cell_bytes}); decode cells of another size or bit depth one by one with decode_cell."
        )
    for start in range(0, len(out), UNFILTERED_TOGETHER):
        group = slice(start, start + UNFILTERED_TOGETHER)
        if layout.bit_depth == 1:
            packed = np.empty((len(out[group]), layout.height, layout.row_bytes), np.uint8)
            _unfilter(cells[group], packed, layout)
            out[group] = np.unpackbits(packed, axis=2, count=layout.width).view(np.bool_)
        else:
            _unfilter(cells[group], out[group].view(np.uint8), layout)
    if layout.bit_depth == 16 and np.little_endian:
        out.byteswap(inplace=True)


def _unfilter(cells: StoredCells, packed: Packed, layout: PngLayout) -> None:
    """Write the packed pixels of all cells."""
    UnfilteredCells([cells], layout).write(range(len(cells)), packed, range(len(cells)))


def decode_cell(data: bytes) -> npt.NDArray[Any]:
    """Decode one grey PNG, stored or ordinary, to `(height, width)` of uint8, uint16 or (1 bit) bool.

    Raises:
        CorruptDataError: the bytes are no PNG, are damaged, or hold colours.
    """
    layout = layout_of(data)
    if layout is None or not is_stored_cell(data, layout):
        return _decode_ordinary(data)
    dtypes = {1: np.bool_, 8: np.uint8, 16: np.uint16}
    out: npt.NDArray[Any] = np.empty((1, layout.height, layout.width), dtypes[layout.bit_depth])
    decode_batch(np.frombuffer(data, np.uint8)[None], out)
    pixels: npt.NDArray[Any] = out[0]
    return pixels


def layout_of(data: bytes) -> PngLayout | None:
    """Return the stored layout for the size that a PNG's header states, or None if the file cannot have it."""
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
        reason = str(error).partition(" <")[0]  # Pillow names the object it read from, by its address
        begin = f", and begins with {bytes(data[:8]).hex(' ')}" if data else ""
        raise CorruptDataError(
            f"the cell cannot be read as a PNG ({reason}): it has {len(data):,} bytes{begin}."
        ) from error
    if mode in {"1", "L"}:
        return pixels.copy()
    if mode.startswith("I"):
        return pixels.astype(np.uint16)
    raise CorruptDataError(f"the PNG has colour mode {mode}; a cell has one grey channel.")


def check_cell(data: bytes) -> None:
    """Check a PNG completely: chunks, checksums, and that its pixels decode.

    Raises:
        CorruptDataError: something is damaged; says what.
    """
    layout = layout_of(data)
    if layout is None or not is_stored_cell(data, layout):
        _check_chunks(data)
        _decode_ordinary(data)
        return
    check_checksums(data, layout)


def check_checksums(data: bytes | memoryview, layout: PngLayout) -> None:
    """Check the checksums of a cell that is known to have this layout (see `are_stored_cells`).

    Raises:
        CorruptDataError: one of them does not fit.
    """
    adler, crc = struct.unpack_from(">II", data, layout.adler_offset)
    checksum = 1
    for block in layout.blocks:
        size = (block.stop_row - block.start_row) * (layout.row_bytes + 1)
        checksum = adler32(memoryview(data)[block.offset : block.offset + size], checksum)
    _compare_checksum("chunk IDAT", crc, crc32(memoryview(data)[IDAT_TYPE_OFFSET : layout.crc_offset]))
    _compare_checksum("the pixels", adler, checksum)


def _check_chunks(data: bytes) -> None:
    """Check the chunks of any PNG with their checksums, that of the compressed pixels included."""
    if not data.startswith(SIGNATURE):
        _decode_ordinary(data)
    inflater = zlib.decompressobj()
    try:
        for kind, body in read_chunks(data):
            if kind == b"IDAT":
                inflater.decompress(body, MAX_INFLATED_BYTES)
    except PngDamageError as error:
        raise CorruptDataError(f"{error}.") from error
    except zlib.error as error:
        raise CorruptDataError(f"the compressed pixels of the PNG are damaged ({error}).") from error
    if not inflater.eof:
        raise CorruptDataError("the compressed pixels of the PNG do not end where they should: it is damaged.")


def _compare_checksum(name: str, stated: int, computed: int) -> None:
    if stated != computed:
        raise CorruptDataError(
            f"the PNG states checksum {stated:08x} of {name}, which is {computed:08x}: the PNG is damaged."
        )
