"""The Parquet files of a split and their row groups, as their footers tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_source.errors import CorruptDataError


@dataclass(frozen=True)
class Chunk:
    """A column chunk: half-open byte range, codec, and whether its pages hold definition levels."""

    start: int
    stop: int
    codec: str
    has_levels: bool


class Shard:
    """One Parquet file of a split.

    Args:
        path: Path inside the dataset.
        size_bytes: Size of the file.
        footer: Its last bytes: metadata, their length and the magic number.
    """

    def __init__(self, path: str, size_bytes: int, footer: bytes) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.footer = footer
        self._metadata: pq.FileMetaData | None = None

    def __getstate__(self) -> tuple[str, int, bytes]:
        return self.path, self.size_bytes, self.footer

    def __setstate__(self, state: tuple[str, int, bytes]) -> None:
        self.path, self.size_bytes, self.footer = state
        self._metadata = None

    @property
    def metadata(self) -> pq.FileMetaData:
        """The parsed footer.

        Raises:
            CorruptDataError: It is damaged.
        """
        if self._metadata is None:
            try:
                self._metadata = pq.read_metadata(pa.BufferReader(self.footer))
            except (pa.ArrowException, OSError) as error:
                message = f"{self.path}: expected a Parquet footer ({error}); download the file again"
                raise CorruptDataError(message) from error
        return self._metadata

    def chunks(self, index: int, columns: Iterable[str]) -> dict[str, Chunk]:
        """Give the column chunks of a row group that belong to `columns`, by their dotted names."""
        wanted, group = set(columns), self.metadata.row_group(index)
        chunks = {}
        for number in range(group.num_columns):
            chunk = group.column(number)
            if chunk.path_in_schema.split(".")[0] in wanted:
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                levels = self.metadata.schema.column(number).max_definition_level > 0
                stop = start + chunk.total_compressed_size
                chunks[chunk.path_in_schema] = Chunk(start, stop, chunk.compression, levels)
        return chunks


@dataclass(frozen=True)
class RowGroup:
    """A row group: its shard, its number in that, its rows, and the rows of the shard before it."""

    shard: Shard
    index: int
    rows: int
    first_row: int

    def describe(self, row: int) -> str:
        """Name one of its rows for people."""
        return f"{self.shard.path}, row {self.first_row + row}"


def list_row_groups(shards: Sequence[Shard]) -> list[RowGroup]:
    """List the row groups of a split that hold rows, shard by shard."""
    groups = []
    for shard in shards:
        first_row = 0
        for index in range(shard.metadata.num_row_groups):
            rows = shard.metadata.row_group(index).num_rows
            if rows:
                groups.append(RowGroup(shard, index, rows, first_row))
            first_row += rows
    return groups
