"""What every place that holds a dataset's files can do: exact byte ranges of named files."""

from typing import Protocol


class Store(Protocol):
    """Reads the files of one dataset; may be used by several threads, and pickled for other processes.

    Paths are relative to the dataset, with forward slashes. `name` says in messages where the dataset is: a folder, a
    URL, or `owner/name@commit`.
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
        """Forget connections; a later read makes new ones."""
