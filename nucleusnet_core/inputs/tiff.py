"""TIFF files with one image: the page that holds it, whether it was written to its end, and its pixels.

Smaller copies of the image that pyramids keep on further pages or below a page (SubIFDs) are left aside. Values are
those that are stored: a colour table (palette) is not applied, and white-is-zero is not inverted, because both only
say how to show them.

Source: TIFF 6.0, sections 2 and 8; Adobe PageMaker 6.0 TIFF Technical Notes (SubIFDs); BigTIFF.
"""

import contextlib
import io
import logging
import math
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from .kinds import FileKind, check_expansion, check_sides
from .tiff_chunks import UnwrittenError, check_chunks, chunk_bytes, take_whole_streams

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# No codec gains more, not even zstd on a blank image; a header that claims more is refused before allocation.
MAX_EXPANSION = 40_000
_MAX_PAGES = 100_000
_MAX_LEVELS = 64  # a pyramid has fewer: each level is at most half of the one before
_REDUCED = 1  # of NewSubfileType
_MOST_RECORDS = 20  # of a file in the log; a damaged one has tifffile say thousands
_LOG = logging.getLogger("nucleusnet")


class BytesAsFile(io.RawIOBase):
    """Bytes in memory as a file to read; `io.BytesIO` would copy all but `bytes`."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data, self.at = memoryview(data), 0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: any position can be sought."""
        return True

    def readinto(self, room: Any) -> int:
        """Fill `room` with what follows, and return the number of bytes."""
        room = memoryview(room).cast("B")
        part = self.data[self.at : self.at + len(room)]
        room[: len(part)] = part
        self.at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset from the start, from here, or from the end, and return the position."""
        self.at = max(0, (0, self.at, len(self.data))[whence] + offset)
        return self.at

    def close(self) -> None:
        """Let go of the bytes."""
        self.data = memoryview(b"")
        super().close()


class _ToOurLog(logging.Filter):
    """Sends what tifffile says about the files that are being read to our log, from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.said: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        for name in self.names[-1:]:
            self.said[name] += 1
            if self.said[name] <= _MOST_RECORDS:
                _LOG.info("%s: %s", name, record.getMessage())
        return not self.names

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Take what is said until the block ends as said of a file."""
        self.names.append(name)
        try:
            yield
        finally:
            self.names.remove(name)
            self.said.pop(name, None)


_TO_OUR_LOG = _ToOurLog()
logging.getLogger("tifffile").addFilter(_TO_OUR_LOG)
said_of = _TO_OUR_LOG.of


@contextlib.contextmanager
def open_page(data: bytes | memoryview, name: str, kind: FileKind) -> Iterator[tuple[tifffile.TiffFile, Any]]:
    """Yield the TIFF file in some bytes, open, and its page of one plane, of a size that may be read.

    Args:
        data: the whole file.
        name: how error messages call it.
        kind: what it is read as.

    Raises:
        InputImageError: it is an image and unreadable, or not one plane; also for any error while it is open.
        InputMaskError: it is a mask and so.
    """
    with opened_tiff(data, name, kind) as (tiff, pages):
        page = _full_page(tiff, pages, name, kind)
        if page.samplesperpixel != 1 or math.prod(page.shape) != page.imagelength * page.imagewidth:
            raise kind.error(f"{name} has shape {page.shape}, so several channels or colours; {kind.one_plane}.")
        check_sides(page.imagelength, page.imagewidth, name, kind)
        _check_stack(tiff, page, name, kind)
        yield tiff, page


@contextlib.contextmanager
def opened_tiff(data: bytes | memoryview, name: str, kind: FileKind) -> Iterator[tuple[tifffile.TiffFile, int]]:
    """Yield the TIFF file in some bytes, open, and the number of its pages, of which the list has an end.

    Args:
        data: the whole file.
        name: how error messages call it.
        kind: what it is read as.

    Raises:
        InputImageError: it is an image and unreadable; also for any error while it is open.
        InputMaskError: it is a mask and so.
    """
    try:
        pages = _count_pages(data, name, kind)
        # Closed at once: tifffile's objects refer to each other, and would keep the bytes in memory for long.
        with said_of(name), BytesAsFile(data) as file, tifffile.TiffFile(file) as tiff:
            yield tiff, pages
    except kind.error:
        raise
    except Exception as error:  # tifffile and imagecodecs raise many types for a damaged file
        raise kind.error(
            f"{name} is not a readable TIFF image ({type(error).__name__}: {error}); {kind.again}."
        ) from error


def check_whole(page: Any, file_bytes: int, name: str, kind: FileKind) -> None:
    """Refuse a page that lacks strips or tiles, or parts of them: tifffile returns 0 for the pixels of some of those.

    Raises:
        InputImageError: it is an image.
        InputMaskError: it is a mask.
    """
    try:
        check_chunks(page, file_bytes)
    except UnwrittenError:
        raise unfinished(name, kind) from None
    decoded_bytes = max(page.nbytes, chunk_bytes(page, 0) * len(page.dataoffsets))
    check_expansion(decoded_bytes, file_bytes * MAX_EXPANSION, name, kind)


def stored_pixels(page: Any, data: bytes | memoryview) -> npt.NDArray[Any]:
    """Return the pixels (height, width) of a page in native byte order, without a copy where they lie so in `data`."""
    shape = page.imagelength, page.imagewidth
    if page.is_contiguous and page.compression == page.fillorder == page.predictor == 1:
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        stored = np.frombuffer(data, dtype, shape[0] * shape[1], page.dataoffsets[0]).reshape(shape)
        return stored if dtype.isnative else stored.astype(dtype.newbyteorder("="))
    take_whole_streams(page)
    decoded: npt.NDArray[Any] = page.asarray()
    return np.ascontiguousarray(decoded.reshape(shape))


def _plane_bytes(page: Any) -> int:
    """Return the bytes of a page without compression; rows of 12 bits a pixel are packed."""
    return int(page.imagelength * math.ceil(page.imagewidth * page.bitspersample / 8))


def unfinished(name: str, kind: FileKind) -> Exception:
    """Return the error about a file that ends before its pixels do."""
    return kind.error(f"{name} was not written to its end; export it again.")


def _count_pages(data: bytes | memoryview, name: str, kind: FileKind) -> int:
    """Follow the list of pages to its end, which tifffile does without end where it runs in a circle."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    big = 43 in data[2:4]
    count_format, entry_bytes, offset_format = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    link, seen = 8 if big else 4, set[int]()
    try:
        while offset := struct.unpack_from(offset_format, data, link)[0]:
            if offset in seen:
                raise kind.error(f"{name} is damaged: its list of pages runs in a circle; {kind.again}.")
            if len(seen) == _MAX_PAGES:
                raise kind.error(f"{name} holds more than {_MAX_PAGES:,} pages; {kind.one_plane}.")
            seen.add(offset)
            entries = struct.unpack_from(count_format, data, offset)[0]
            link = offset + struct.calcsize(count_format) + entries * entry_bytes
    except (struct.error, OverflowError):
        raise unfinished(name, kind) from None
    return len(seen)


def _full_page(tiff: tifffile.TiffFile, count: int, name: str, kind: FileKind) -> Any:
    """Return the page that no other page is a larger copy of; there must be only one."""
    pages = [tiff.pages[index] for index in range(count)] if count <= _MAX_LEVELS else []
    if not all(isinstance(side, int) for page in pages for side in (page.imagelength, page.imagewidth)):
        raise ValueError("a page of several heights or widths")  # tuples, which multiply to huge ones
    full = [page for page in pages if not page.subfiletype & _REDUCED] or pages
    largest = max(full, key=lambda page: page.imagelength * page.imagewidth, default=None)
    full = [page for page in full if not _is_smaller_copy(page, largest)]
    if len(full) != 1:
        raise kind.error(f"{name} holds {len(full) or count} pages; {kind.one_plane}.")
    return full[0]


def _is_smaller_copy(page: Any, largest: Any) -> bool:
    """Whether a page may be a level of a pyramid: smaller than the largest page by one factor, up to rounding."""
    height, width = largest.imagelength, largest.imagewidth
    stretch = abs(page.imagelength * width - page.imagewidth * height)
    smaller = page.imagelength < height and page.imagewidth < width
    alike = (page.dtype, page.samplesperpixel) == (largest.dtype, largest.samplesperpixel)
    return smaller and alike and bool(stretch <= height + width)


def _check_stack(tiff: tifffile.TiffFile, page: Any, name: str, kind: FileKind) -> None:
    """Refuse a stack that ImageJ, MetaMorph or tifffile wrote under one page: only its first plane would be read."""
    if tiff.is_ome:  # never a stack under one page; tifffile would look for the other files of a set
        return
    shapes = [series.shape for series in tiff.series if series.keyframe.index == page.index]
    if shapes and math.prod(shapes[0]) != math.prod(page.shape):
        raise kind.error(f"{name} holds a stack of shape {shapes[0]}; {kind.one_plane}.")
    facts = (tiff.imagej_metadata or {}) if tiff.is_imagej and len(tiff.pages) == 1 else {}
    planes = [count for key in ("channels", "slices", "frames") if isinstance(count := facts.get(key), int)]
    if page.compression == 1 and page.dataoffsets[0] + math.prod(planes) * _plane_bytes(page) > tiff.filehandle.size:
        raise unfinished(name, kind)  # perhaps after its first plane
