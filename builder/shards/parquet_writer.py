"""Parquet files as datasets hold them: compressed, with a page index; images neither encoded nor indexed."""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_core.files.atomic import atomic_path
from nucleusnet_core.manifest import ShardEntry

SMALL_ROW_GROUP_ROWS = 65_536
_FOOTER_TAIL_BYTES = 8


def write_parquet(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write tables as the row groups of one file, whole or not at all.

    Images are plain and without statistics, since no two are the same; other columns get a dictionary. The page index
    lets readers fetch a few rows, content-defined chunks let the Hub store only what changed, and checksums of the
    pages let readers see damage.

    Args:
        path: the file.
        schema: of all tables; its `huggingface` metadata is kept.
        groups: one table for each row group.
    """
    plain = [field.name for field in schema if not pa.types.is_struct(field.type)]
    with (
        atomic_path(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=plain,
            write_statistics=plain,
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,
        ) as writer,
    ):
        for group in groups:
            writer.write_table(group.cast(schema), row_group_size=max(1, group.num_rows))


def in_groups(tables: Iterable[pa.Table], group_rows: int) -> Iterator[pa.Table]:
    """Yield the rows of many tables as tables of `group_rows` rows in one chunk; the last may have fewer.

    Where the input was cut does not show in the output, nor in a file written from it.
    """
    waiting: list[pa.Table] = []
    have = 0
    for table in tables:
        waiting.append(table)
        have += table.num_rows
        if have < group_rows:
            continue
        joined = pa.concat_tables(waiting)
        for start in range(0, have - group_rows + 1, group_rows):
            yield joined.slice(start, group_rows).combine_chunks()
        have %= group_rows
        waiting = [joined.slice(joined.num_rows - have)]
    if have:
        yield pa.concat_tables(waiting).combine_chunks()


def shard_entry(folder: Path, path: str, config: str, split: str) -> ShardEntry:
    """Return the entry of a finished Parquet file in the manifest; `path` is relative to `folder`."""
    file_path = folder / path
    with file_path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(-_FOOTER_TAIL_BYTES, 2)
        footer_bytes = struct.unpack("<I", file.read(4))[0] + _FOOTER_TAIL_BYTES
        size = file.seek(-footer_bytes, 2) + footer_bytes
        footer = file.read(footer_bytes)
    rows = pq.read_metadata(pa.BufferReader(footer)).num_rows
    return ShardEntry(config, split, path, rows, size, footer_bytes, digest, hashlib.sha256(footer).hexdigest())
