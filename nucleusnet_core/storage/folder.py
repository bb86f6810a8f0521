"""A dataset in a folder of this machine: exact byte ranges of named files."""

import contextlib
import functools
import io
import os
import weakref
from collections.abc import Callable
from pathlib import Path

from ..errors import CorruptDataError, DatasetNotFoundError, SourceChangedError

READS_AHEAD = hasattr(os, "posix_fadvise")
"""Whether this system can be told which bytes of a file to get into its cache."""
READ_AHEAD_BYTES = 128 << 10
"""The most that Linux reads ahead when it is told once, unless a disk is set to more."""


class FolderFile:
    """A file of a dataset folder, open until it is closed or nothing refers to it any more.

    Size and time of modification are compared before each read.

    Args:
        path: the file.
        check: called with size and time of modification (ns); raises if they are not those of before.

    Raises:
        CorruptDataError: it cannot be read.
    """

    def __init__(self, path: Path, check: Callable[[tuple[int, int]], None]) -> None:
        self._path = path
        self._check = check
        try:
            self._file = io.FileIO(path)
        except OSError as error:
            raise self._unreadable(error) from error
        self.close = weakref.finalize(self, self._file.close)

    def size(self) -> int:
        """Return its number of bytes."""
        facts = os.fstat(self._file.fileno())
        self._check((facts.st_size, facts.st_mtime_ns))
        return facts.st_size

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start`..`stop` (half-open).

        Raises:
            CorruptDataError: the file ends before, or cannot be read.
        """
        data = b""
        try:
            self._expect(stop, self.size())
            self._file.seek(start)
            while start + len(data) < stop:  # network drives and signals may have it cut short
                more = self._file.read(stop - start - len(data))
                if not more:
                    self._expect(stop, start + len(data))
                data = data + more if data else more
        except OSError as error:
            raise self._unreadable(error) from error
        return data

    def view(self, start: int, stop: int) -> memoryview:
        """View bytes `start`..`stop` (half-open); fails as `read` does."""
        return memoryview(self.read(start, stop))

    def read_ahead(self, start: int, stop: int) -> None:
        """Tell the system, if it takes such advice, that bytes `start`..`stop` (half-open) will be read soon."""
        if not READS_AHEAD:
            return
        for position in range(start, stop, READ_AHEAD_BYTES):
            size = min(READ_AHEAD_BYTES, stop - position)
            with contextlib.suppress(OSError):  # a file system need not heed advice
                os.posix_fadvise(self._file.fileno(), position, size, os.POSIX_FADV_WILLNEED)

    def _expect(self, stop: int, size: int) -> None:
        if stop > size:
            raise CorruptDataError(
                f"{self._path} has {size:,} bytes; at least {stop:,} are needed: the file is truncated; get it again."
            )

    def _unreadable(self, error: OSError) -> CorruptDataError:
        return CorruptDataError(
            f"{self._path} cannot be read ({error.strerror or error}); check the permissions and the disk."
        )


class FolderStore:
    """A dataset in a folder of this machine.

    Size and time of modification are remembered from the first read of a file on: a dataset that is built again while
    it is read is an error, not a mixture. Paths that lead out of the folder are refused.

    Args:
        folder: the dataset folder.
        follow_links: read files that are links to some other place, as in the cache of `huggingface_hub`. What passes
            files on to others must refuse them.

    Raises:
        DatasetNotFoundError: there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str], *, follow_links: bool = True) -> None:
        path = Path(folder)
        if not path.is_dir():
            fact = "is a file, not a dataset folder" if path.exists() else "does not exist"
            raise DatasetNotFoundError(f"{path} {fact}; check the path.")
        self._folder = path.resolve()
        self._follow_links = follow_links
        self._seen: dict[str, tuple[int, int]] = {}

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._folder)

    def without_links(self) -> "FolderStore":
        """Return the same folder with links that lead out of it refused."""
        return FolderStore(self._folder, follow_links=False)

    def open_file(self, path: str) -> FolderFile:
        """Open a file, for many reads; fails as `read_range` does."""
        return FolderFile(self._inside(path), functools.partial(self._check, path))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """See `Store`."""
        with contextlib.closing(self.open_file(path)) as file:
            return file.read(start, start + length)

    def read_into(self, path: str, start: int, buffer: memoryview) -> None:
        """See `Store`."""
        with contextlib.closing(self.open_file(path)) as file:
            buffer[:] = file.read(start, start + len(buffer))

    def read_file(self, path: str, *, max_bytes: int) -> bytes:
        """See `Store`."""
        with contextlib.closing(self.open_file(path)) as file:
            size = file.size()
            if size > max_bytes:
                raise CorruptDataError(f"{self._folder / path} has {size:,} bytes; at most {max_bytes:,} are allowed.")
            return file.read(0, size)

    def close(self) -> None:
        """Do nothing: whoever opens a file closes it."""

    def _inside(self, path: str) -> Path:
        named = self._folder / path
        file_path = Path(os.path.normpath(named)) if self._follow_links else named.resolve()
        if not file_path.is_relative_to(self._folder):
            raise CorruptDataError(
                f"{self._folder / path} leads out of the dataset folder; copy the dataset's files into one folder."
            )
        if not file_path.is_file():
            fact = "is not a file" if file_path.exists() else "does not exist"
            raise DatasetNotFoundError(f"{file_path} {fact}; check the path, or get the dataset again.")
        return file_path

    def _check(self, path: str, state: tuple[int, int]) -> None:
        if self._seen.setdefault(path, state) != state:
            raise SourceChangedError(
                f"{self._folder / path}: the file has changed since it was first read; open the dataset again."
            )
