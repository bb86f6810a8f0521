"""Where the files of a dataset lie, as far as readers see it: exact byte ranges of named files."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .errors import CorruptDataError, DatasetNotFoundError, SourceChangedError


class Store(Protocol):
    """Reads the files of one dataset; may be used by several threads, and pickled for other processes.

    Paths are relative to the dataset, with forward slashes. `name` says in messages where the dataset lies: a folder,
    a URL, or `owner/name@commit`.
    """

    @property
    def name(self) -> str:
        """Where the dataset lies, for messages."""

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return exactly bytes `start`..`start + length` (half-open) of a file.

        Raises:
            DatasetNotFoundError: there is no such file.
            CorruptDataError: the file ends before.
            SourceChangedError: it is not the file that was read from before.
            TransferError: it cannot be read.
        """

    def read_into(self, path: str, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes of a file from `start` on; fails as `read_range` does."""

    def read_file(self, path: str, *, max_bytes: int) -> bytes:
        """Return a whole file.

        Raises:
            DatasetNotFoundError: there is no such file.
            CorruptDataError: it has more than `max_bytes` bytes.
            SourceChangedError: it is not the file that was read from before.
            TransferError: it cannot be read.
        """

    def close(self) -> None:
        """Let go of connections; a later read makes new ones."""


class FolderStore:
    """A dataset in a folder of this machine.

    Files are opened for each read and closed again, so that the folder can be moved or deleted at any time. Size and
    time of modification are remembered from the first read of a file on: a dataset that is built again under a reader
    is an error, not a mixture. Links that lead out of the folder are refused.

    Args:
        folder: the dataset folder.

    Raises:
        DatasetNotFoundError: there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        path = Path(folder)
        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise DatasetNotFoundError(f"{path}: a dataset folder expected, {found} found; check the path")
        self._folder = path.resolve()
        self._seen: dict[str, tuple[int, int]] = {}

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._folder)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """See `Store`."""
        with self._opened(path) as (file, size):
            _check_end(file, size, start + length)
            return _read(file, start, length)

    def read_into(self, path: str, start: int, buffer: memoryview) -> None:
        """See `Store`."""
        with self._opened(path) as (file, size):
            _check_end(file, size, start + len(buffer))
            _fill(file, start, buffer)

    def read_file(self, path: str, *, max_bytes: int) -> bytes:
        """See `Store`."""
        with self._opened(path) as (file, size):
            if size > max_bytes:
                raise CorruptDataError(f"{file.name}: at most {max_bytes:,} bytes expected, {size:,} found")
            return _read(file, 0, size)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[tuple[io.FileIO, int]]:
        """Open a file, and give it with its size."""
        file_path = self._inside(path)
        try:
            with io.FileIO(file_path) as file:
                yield file, self._checked_size(path, file)
        except OSError as error:
            raise CorruptDataError(
                f"{file_path}: a readable file expected, {error.strerror or error} found; check the permissions and "
                "the disk"
            ) from error

    def _inside(self, path: str) -> Path:
        file_path = (self._folder / path).resolve()
        if not file_path.is_relative_to(self._folder):
            raise CorruptDataError(
                f"{self._folder / path}: a file inside the dataset folder expected, a way out of it found; copy the "
                "dataset's files into one folder"
            )
        if not file_path.is_file():
            found = "something else" if file_path.exists() else "nothing"
            raise DatasetNotFoundError(f"{file_path}: a file of the dataset expected, {found} found; get it again")
        return file_path

    def _checked_size(self, path: str, file: io.FileIO) -> int:
        facts = os.fstat(file.fileno())
        state = (facts.st_size, facts.st_mtime_ns)
        if self._seen.setdefault(path, state) != state:
            raise SourceChangedError(
                f"{self._folder / path}: the file that was read from before expected, another one found; open the "
                "dataset again"
            )
        return facts.st_size


def _check_end(file: io.FileIO, size: int, stop: int) -> None:
    if stop > size:
        raise CorruptDataError(
            f"{file.name}: at least {stop:,} bytes expected, {size:,} found; the file is truncated: get it again"
        )


def _read(file: io.FileIO, start: int, length: int) -> bytes:
    buffer = bytearray(length)
    _fill(file, start, memoryview(buffer))
    return bytes(buffer)


def _fill(file: io.FileIO, start: int, buffer: memoryview) -> None:
    """Read on over short reads, as network drives and signals make them."""
    file.seek(start)
    done = 0
    while done < len(buffer):
        got = file.readinto(buffer[done:])
        if not got:
            raise CorruptDataError(
                f"{file.name}: {len(buffer):,} bytes expected, {done:,} found; the file was truncated"
            )
        done += got
