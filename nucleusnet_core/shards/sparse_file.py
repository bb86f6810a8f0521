"""Some parts of a file, read as if the whole file were there."""

import bisect
import io
from collections.abc import Iterable
from typing import Any


class SparseFile(io.RawIOBase):
    """A read-only file with some of its parts in memory; pyarrow reads it through `pyarrow.PythonFile`.

    Args:
        parts: start and bytes of every part; they do not overlap.
        size: bytes of the whole file.
    """

    def __init__(self, parts: Iterable[tuple[int, bytes | memoryview]], size: int) -> None:
        super().__init__()
        ordered = sorted(parts, key=lambda part: part[0])
        self._starts = [start for start, _ in ordered]
        self._parts = [memoryview(data) for _, data in ordered]
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: any position can be sought."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as `io.IOBase.seek` does."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> Any:
        """Return the next bytes without copying them.

        Raises:
            OSError: not all of them are in memory.
        """
        stop = self._size if size is None or size < 0 else min(self._position + size, self._size)
        data = self.view(self._position, max(self._position, stop))
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes.

        Raises:
            OSError: not all of them are in memory.
        """
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def view(self, start: int, stop: int) -> memoryview:
        """View bytes `start`..`stop` (half-open) of the file.

        Raises:
            OSError: they do not lie in one part.
        """
        if start == stop:
            return memoryview(b"")
        number = bisect.bisect_right(self._starts, start) - 1
        if number >= 0:
            first = self._starts[number]
            if stop - first <= len(self._parts[number]):
                return self._parts[number][start - first : stop - first]
        raise OSError(f"bytes {start:,} to {stop:,} are not in memory")
