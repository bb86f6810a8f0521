"""Damage that only the checksum of a page can tell: the column still decompresses, and holds other values."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def change_values(path: Path, group: int, column: str) -> None:
    """Change a bit of one column of one row group so that whoever checks no checksum reads other values.

    Args:
        path: the Parquet file.
        group: number of the row group.
        column: path of the column in the schema, such as "image.bytes".
    """
    before = path.read_bytes()
    facts = pq.ParquetFile(path).metadata.row_group(group)
    chunk = next(
        facts.column(number) for number in range(facts.num_columns) if facts.column(number).path_in_schema == column
    )
    true = _unchecked(before, group, column)
    stop = chunk.data_page_offset + chunk.total_compressed_size
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    for place in range(min(stop, first + chunk.total_compressed_size) - 1, first, -1):
        data = bytearray(before)
        data[place] ^= 1
        try:
            changed = _unchecked(bytes(data), group, column)
        except (OSError, pa.ArrowException, UnicodeDecodeError):
            continue
        if changed.num_rows == true.num_rows and not changed.equals(true):
            path.write_bytes(data)
            return
    raise AssertionError(f"no bit of {column} can be changed unnoticed")


def _unchecked(data: bytes, group: int, column: str) -> pa.Table:
    source = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=False)
    return source.read_row_group(group, columns=[column], use_threads=False)
