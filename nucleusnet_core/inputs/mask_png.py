"""Label runs straight from the PNG that cellpose writes.

cellpose saves masks with `cv2.imwrite`: 16-bit greyscale, filter Sub on every row. Inside a stretch of one label every
filtered byte is 0, so the few non-zero bytes (about one in a thousand) are the borders of the runs.
"""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..cells.png_chunks import PngDamageError, read_chunks
from ..compiled import compiled
from .kinds import FileKind
from .sparse_inflate import sparse_inflate

# No deflate stream gains more; a header that claims more is refused before allocation.
DEFLATE_EXPANSION = 1_040
_FILTER_SUB = 1

PlacedRuns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint32]]


@dataclass(frozen=True)
class PngFile:
    """The header of a PNG, and its image data as one zlib stream.

    Attributes:
        height: rows, px.
        width: columns, px.
        bit_depth: bits of one sample.
        color_type: 0 greyscale, 2 RGB, 3 palette, 4 greyscale and alpha, 6 RGBA.
        interlaced: whether the rows are stored in Adam7 order.
        compressed: bytes of all IDAT chunks.
    """

    height: int
    width: int
    bit_depth: int
    color_type: int
    interlaced: bool
    compressed: bytes

    @property
    def kind(self) -> str:
        """Return what its pixels are, in words."""
        kinds = {0: "greyscale", 2: "RGB colours", 3: "a palette", 4: "greyscale and transparency", 6: "RGBA colours"}
        return f"{kinds.get(self.color_type, 'an unknown colour type')} of {self.bit_depth} bits"


def read_png(data: bytes | memoryview, name: str, kind: FileKind) -> PngFile:
    """Read the chunks of a PNG file and check their checksums; nothing is inflated.

    Args:
        data: the whole file.
        name: how error messages call it.
        kind: what it is read as.

    Raises:
        InputImageError: it is an image, and truncated or damaged.
        InputMaskError: it is a mask and so.
    """
    header: bytes | memoryview = b""
    idat = []
    try:
        for chunk, body in read_chunks(data):
            if chunk == b"IHDR":
                header = body
            elif chunk == b"IDAT":
                idat.append(body)
    except PngDamageError as error:
        raise kind.error(f"{name}: {error}; {kind.again}.") from error
    if len(header) != 13 or not idat:
        raise kind.error(f"{name} is a PNG without a header or without image data; {kind.again}.")
    width, height, bit_depth, color_type, _, _, interlace = struct.unpack(">IIBBBBB", header)
    return PngFile(height, width, bit_depth, color_type, bool(interlace), b"".join(idat))


def png_runs(png: PngFile) -> PlacedRuns | None:
    """Return (row, x0, x1, label) of all runs in raster order, or None where the PNG has another layout.

    Other layouts (8 bits, another filter, interlaced, dense) are for an ordinary PNG decoder.
    """
    if (png.bit_depth, png.color_type, png.interlaced) != (16, 0, False):
        return None
    sparse = sparse_inflate(png.compressed, max_nonzero=png.height + 4 * len(png.compressed))
    if sparse is None or sparse.length != png.height * (1 + 2 * png.width):
        return None
    found, runs, labels = _integrate(sparse.position, sparse.value, png.height, png.width)
    if found < 0:
        return None
    row, x0, x1 = runs[:, :found].copy()
    return row, x0, x1, labels[:found].copy()


@compiled
def _integrate(
    position: npt.NDArray[np.int64], value: npt.NDArray[np.uint8], height: int, width: int
) -> tuple[int, npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    """Undo filter Sub on the non-zero bytes only; (-1, ...) where a row has another filter."""
    runs, labels = np.empty((3, position.size), np.int32), np.empty(position.size, np.uint32)
    stride = 1 + 2 * width
    i, found = 0, 0
    for y in range(height):
        start = y * np.int64(stride)
        if i == position.size or position[i] != start or value[i] != _FILTER_SUB:
            return -1, runs, labels
        i += 1
        high, low, x0 = 0, 0, 0
        while i < position.size and position[i] < start + stride:
            x = (position[i] - start - 1) >> 1
            if x > x0 and high + low:
                runs[0, found], runs[1, found], runs[2, found], labels[found] = y, x0, x, 256 * high + low
                found += 1
            if (position[i] - start) & 1:  # offset 0 is the filter byte, so the high bytes are the odd ones
                high = (high + value[i]) & 255
            else:
                low = (low + value[i]) & 255
            x0 = x
            i += 1
        if high + low:
            runs[0, found], runs[1, found], runs[2, found], labels[found] = y, x0, width, 256 * high + low
            found += 1
    return found, runs, labels
