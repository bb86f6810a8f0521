"""Parts of a file that are at hand in memory, read by pyarrow as if the whole file were there."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

NEAR_BYTES = 1 << 16
"""Ranges that lie closer together are read with one request."""


@dataclass(frozen=True)
class Segment:
    """Bytes of a file from offset `start` on."""

    start: int
    data: memoryview

    def view(self, start: int, stop: int) -> memoryview | None:
        """View bytes `start`..`stop` (half-open, offsets in the file), or None if they are not all here."""
        if start < self.start or stop > self.start + len(self.data):
            return None
        return self.data[start - self.start : stop - self.start]


def join_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join half-open byte ranges that overlap or lie near each other; the result is in order."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start - joined[-1][1] < NEAR_BYTES:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def view_range(segments: Sequence[Segment], start: int, stop: int) -> memoryview:
    """View bytes `start`..`stop` (half-open) of a file.

    Raises:
        OSError: They are not in one segment.
    """
    for segment in segments:
        view = segment.view(start, stop)
        if view is not None:
            return view
    raise OSError(f"bytes {start} to {stop} were not fetched")


class SegmentFile(io.RawIOBase):
    """A read-only file of which only some segments are at hand.

    Args:
        segments: The bytes at hand.
        size: Size of the whole file.
    """

    def __init__(self, segments: Sequence[Segment], size: int) -> None:
        super().__init__()
        self._segments = segments
        self._size = size
        self._position = 0

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: D102
        stop = min(self._position + len(buffer), self._size)
        data = view_range(self._segments, self._position, stop)
        buffer[: len(data)] = data
        self._position = stop
        return len(data)
