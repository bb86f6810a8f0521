"""The one door to a Parquet footer: bytes that could end pyarrow's process, or mislead it, do not reach it.

pyarrow throws C++ exceptions that nothing catches where it makes Python objects of a damaged footer. So a footer whose
SHA-256 is not known is walked first, and refused unless every number and name in it is one that a writer writes.

Source: https://github.com/apache/parquet-format, parquet.thrift (FileMetaData).
"""

import base64
import binascii
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import CorruptDataError
from ..small_files import parse_json
from .layout import check_layout
from .thrift import DAMAGED

TAIL_BYTES = 8
"""Length of the metadata, and the magic number, at the end of the file."""
MOST_FOOTER_BYTES = 256 << 20
_MAGIC = b"PAR1"
_ARROW_SCHEMA, _HUGGINGFACE = b"ARROW:schema", b"huggingface"
"""Keys of the metadata that a schema and the features of `datasets` stand under."""


def parse_footer(data: bytes, *, where: str, sha256: str | None = None) -> pq.FileMetaData:
    """Return the metadata that a footer holds.

    Args:
        data: the last bytes of the file: metadata, their length, and the magic number.
        where: the file, for messages.
        sha256: of `data`, from a manifest; without it the footer is walked before pyarrow sees it.

    Raises:
        CorruptDataError: the bytes are damaged.
    """
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise CorruptDataError(
            f"{where}: its Parquet footer has another SHA-256 than the manifest states; get the file again."
        )
    try:
        if sha256 is None:
            check_layout(memoryview(data)[:-TAIL_BYTES])
        metadata = pq.read_metadata(pa.BufferReader(data))
        if sha256 is None:
            _check_names(metadata)
    except (pa.ArrowException, OSError, *DAMAGED) as error:
        raise CorruptDataError(f"{where}: its Parquet footer cannot be read ({error}); get the file again.") from error
    return metadata


def read_footer(path: Path, *, sha256: str | None = None) -> pq.FileMetaData:
    """Return the metadata of a Parquet file on this machine.

    Args:
        path: the file.
        sha256: see `parse_footer`.

    Raises:
        CorruptDataError: the file has no footer, or a damaged one.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read(TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little") + TAIL_BYTES
        if tail[4:] != _MAGIC or not TAIL_BYTES < length <= min(size, MOST_FOOTER_BYTES):
            raise CorruptDataError(f"{path}: its {size:,} bytes do not end in a Parquet footer; get the file again.")
        file.seek(size - length)
        return parse_footer(file.read(length), where=str(path), sha256=sha256)


def _check_names(metadata: pq.FileMetaData) -> None:
    """Refuse a footer whose columns are not those of the Arrow schema in it, or whose features are no JSON."""
    facts = metadata.metadata or {}
    if _HUGGINGFACE in facts:
        parse_json(facts[_HUGGINGFACE])
    stored = facts.get(_ARROW_SCHEMA)
    found = metadata.schema.to_arrow_schema()
    if stored is None:
        return
    try:
        wanted = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(stored, validate=True)))
    except binascii.Error as error:
        raise ValueError(f"the Arrow schema in it is damaged: {error}") from error
    if [_shape(field) for field in found] != [_shape(field) for field in wanted]:
        raise ValueError("its columns are not those of the Arrow schema in it")


def _shape(field: pa.Field) -> tuple[str, str, tuple[object, ...]]:
    """Return name and type of a field and of the fields in it."""
    kind = field.type
    if not pa.types.is_struct(kind):  # the element of a list has other names in Parquet than in Arrow
        return field.name, "" if kind.num_fields else str(kind), ()
    return field.name, "", tuple(_shape(kind.field(number)) for number in range(kind.num_fields))
