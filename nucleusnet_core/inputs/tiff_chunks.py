"""The strips or tiles ("chunks") of a TIFF page: whether the file holds all that the directory lists, each one whole.

tifffile is made to show as much as it can of a damaged file: it leaves out fields that it cannot read and takes
defaults for them, cuts lists that are too long, fills gaps with 0, and takes what comes out of streams that are too
short or too long. Measurements need files of which all is right.

Source: TIFF 6.0, sections 2, 8 and 15.
"""

import math
import struct
from collections import Counter
from collections.abc import Sequence
from operator import add, eq
from typing import Any

import tifffile

from .lzw import lzw_decoded

_NUMBERS = (256, 257, 258, 259, 266, 277, 278, 284, 317, 322, 323, 339)
"""Fields of one number each, without which pixels are others: sizes, type, compression, layout."""
_LISTS = (273, 279, 324, 325)
"""Places and sizes of strips, and of tiles."""
_FAX = (2, 3, 4)
_STREAMS = (5, 8, 32773, 32946, 34925, 50000)
"""Compressions of bytes, by any of LZW, deflate, PackBits, LZMA and zstd; others are of pixels, and know how many."""
_LENIENT = (5, 34925)
"""Those that neither miss nor mind bytes: what comes out of a damaged stream has another length."""


class UnwrittenError(Exception):
    """Chunks, or parts of them, are not in the file."""


def check_chunks(page: Any, file_bytes: int) -> None:
    """Check that a page's directory is sound and its chunks are in the file.

    Args:
        page: of tifffile.
        file_bytes: size of the file.

    Raises:
        UnwrittenError: a chunk has no place, no bytes, too few, or lies beyond the end of the file.
        ValueError: the directory contradicts itself.
    """
    _check_fields(page)
    places, sizes = _listed(page)
    if min(places, default=0) <= 0 or min(sizes, default=0) <= 0 or max(map(add, places, sizes)) > file_bytes:
        raise UnwrittenError
    chunks = math.prod(page.chunked)
    if not len(places) == len(sizes) == chunks and not _is_one_run(page, places, sizes):
        if min(len(places), len(sizes)) < chunks:
            raise UnwrittenError
        raise ValueError(f"{len(places)} strips or tiles, of which the page has {chunks}")
    if page.compression == 1 and len(sizes) == chunks:
        if any(size < chunk_bytes(page, index) for index, size in enumerate(sizes)):
            raise UnwrittenError
    elif page.compression in _FAX and page.bitspersample != 1:
        raise ValueError("a compression of black and white in an image of more than 1 bit")
    if min(places) < 8 or any(place <= page.offset < place + size for place, size in zip(places, sizes, strict=True)):
        raise ValueError("pixels that lie over its header")


def take_whole_streams(page: Any) -> None:
    """Have tifffile refuse streams of another length than their strip or tile, where it would not."""
    if page.compression not in (_LENIENT if page.bitspersample % 8 == 0 else _STREAMS):
        return
    decompress = tifffile.TIFF.DECOMPRESSORS[page.compression]
    compression, page.compression = page.compression, 1
    decode = page.decode  # as of a page without compression: what is left to do with each
    page.compression = compression

    def decode_whole(data: bytes, index: int, /, **options: Any) -> Any:
        needed, full = chunk_bytes(page, index), chunk_bytes(page, 0)  # the last strip may have the rows of others
        plain = lzw_decoded(data, full + 1) if compression == 5 else decompress(data, out=full + 1)
        if len(plain) not in (needed, full):
            raise ValueError(f"strip or tile {index} holds {len(plain):,} bytes of pixels instead of {needed:,}")
        return decode(plain[:needed], index, **options)

    page.decode = decode_whole


def _check_fields(page: Any) -> None:
    """Refuse a directory with fields that cannot be read, or twice."""
    file, layout = page.parent.filehandle, page.parent.tiff
    file.seek(page.offset)
    count = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))[0]
    entries = file.read(count * layout.tagsize)
    codes = Counter(
        struct.unpack_from(layout.byteorder + "H", entries, at)[0] for at in range(0, len(entries), layout.tagsize)
    )
    for code in (*_NUMBERS, *_LISTS):
        tag = page.tags.get(code)
        several = code in _NUMBERS and tag is not None and tag.count not in (1, page.samplesperpixel)
        if codes[code] > 1 or several or (codes[code] and tag is None):
            raise ValueError(f"field {code} cannot be read")


def _listed(page: Any) -> tuple[Sequence[int], Sequence[int]]:
    """Return places and sizes of chunks as they are stored; tifffile's own may have been cut or guessed."""
    places, sizes = (page.tags.valueof(code) for code in (_LISTS[2:] if page.tags.get(324) else _LISTS[:2]))
    if not isinstance(places, tuple) or not isinstance(sizes, tuple):
        raise ValueError("no list of strips or tiles")
    return places, sizes


def _is_one_run(page: Any, places: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether an uncompressed page lies in the file in one piece: then it may be cut into strips in any way."""
    consecutive = all(map(eq, map(add, places, sizes), places[1:]))
    return bool(page.is_contiguous and not page.is_tiled and consecutive and sum(sizes) == page.nbytes)


def chunk_bytes(page: Any, index: int) -> int:
    """Return the bytes of a chunk without compression; rows of 12 bits a pixel are packed."""
    if page.is_tiled:
        return int(page.tilelength * math.ceil(page.tilewidth * page.bitspersample / 8))
    rows = min(page.rowsperstrip, page.imagelength - index * page.rowsperstrip)
    return int(rows * math.ceil(page.imagewidth * page.bitspersample / 8))


def _covers(offset: int, places: Sequence[int], sizes: Sequence[int]) -> bool:
    return any(place <= offset < place + size for place, size in zip(places, sizes, strict=True))
