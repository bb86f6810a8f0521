"""Parquet files on this machine, of any origin, opened and read with everything checked that they state."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import CorruptDataError
from .footer import read_footer
from .page_sizes import WholeFile, check_sizes


class CheckedFile:
    """A Parquet file whose footer has been checked; use `open_parquet`.

    Attributes:
        metadata: its footer.
        schema: its columns.
    """

    def __init__(self, path: Path, metadata: pq.FileMetaData, parquet: pq.ParquetFile, *, cell_bytes: int) -> None:
        self._path, self._parquet, self._cell_bytes = path, parquet, cell_bytes
        self._bytes = WholeFile(path)
        self.metadata = metadata
        self.schema: pa.Schema = parquet.schema_arrow

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group, or some columns of it.

        Raises:
            CorruptDataError: it would take more memory than its rows can need, or cannot be decoded.
        """
        where = str(self._path)
        check_sizes(self._bytes, self.metadata, group, columns, cell_bytes=self._cell_bytes, where=where)
        try:
            return self._parquet.read_row_group(group, columns=columns and list(columns), use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorruptDataError(f"{where}: row group {group} cannot be decoded ({error}).") from error

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all rows, of some columns or of all.

        Raises:
            CorruptDataError: as `read_row_group`.
        """
        groups = [self.read_row_group(group, columns) for group in range(self.metadata.num_row_groups)]
        table = pa.concat_tables(groups) if groups else self.schema.empty_table()
        return table if columns is None else table.select(list(columns))


@contextlib.contextmanager
def open_parquet(path: Path, *, sha256: str | None = None, cell_bytes: int = 0) -> Iterator[CheckedFile]:
    """Open a Parquet file.

    Args:
        path: the file.
        sha256: of its footer, from a manifest, or None.
        cell_bytes: the most that an image in it takes; 0 where it holds none.

    Raises:
        CorruptDataError: its footer is damaged.
        OSError: it cannot be read.
    """
    metadata = read_footer(path, sha256=sha256)
    with pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True) as parquet:
        yield CheckedFile(path, metadata, parquet, cell_bytes=cell_bytes)


def read_table(path: Path, columns: Sequence[str] | None = None, *, sha256: str | None = None) -> pa.Table:
    """Return the rows of a Parquet file without images, or some of its columns.

    Raises:
        CorruptDataError: it is damaged, or would take more memory than its rows can need.
        KeyError: there is no such column.
        OSError: it cannot be read.
    """
    with open_parquet(path, sha256=sha256) as file:
        if missing := [name for name in columns or () if name not in file.schema.names]:
            raise KeyError(f"{path} has no column {missing[0]}")
        return file.read(columns)
