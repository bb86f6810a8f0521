"""Columns of a dataset as what a batch holds: cells become image tensors, numbers tensors, texts lists."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nucleusnet_core.cells.png import PngLayout, is_stored_cell
from nucleusnet_core.cells.unfilter import StoredCells, UnfilteredCells
from nucleusnet_core.errors import SelectionError
from nucleusnet_core.manifest import Manifest

Batch = dict[str, Any]
"""Column name -> tensor or list, all of one length."""

Cell = StoredCells | bytes
"""One stored PNG cell, or the bytes of whatever else a cell holds."""


class PlacedCells(NamedTuple):
    """Some of the cells that lie together in memory, and where they belong in a batch.

    Attributes:
        places: place in the batch of each cell that is taken.
        cells: what they are taken from.
        rows: number in `cells` of each.
    """

    places: Sequence[int]
    cells: UnfilteredCells | list[Cell]
    rows: Sequence[int]


ColumnKind = Literal["image", "mask", "number", "text"]
_SIGNED = {"uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(), "uint64": pa.int64()}


def column_kinds(schema: pa.Schema, columns: Sequence[str]) -> dict[str, ColumnKind]:
    """Return what each wanted column becomes, in the order of a batch.

    Args:
        schema: columns of the dataset.
        columns: the wanted ones.

    Raises:
        SelectionError: a column does not exist, is named twice or holds neither images nor numbers nor texts, or
            none is named.
    """
    _check_columns(schema.names, columns)
    return {name: _kind(name, schema.field(name).type) for name in columns}


def _check_columns(known: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse what is not a list of different columns that exist."""
    if (
        isinstance(columns, str)
        or not isinstance(columns, Sequence)
        or not all(isinstance(name, str) for name in columns)
    ):
        raise SelectionError(f"columns is {columns!r}; give a list of names, such as ['image'].")
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise SelectionError(f"There is no column {', '.join(unknown)}; choose from {', '.join(known)}.")
    if not columns:
        raise SelectionError(f"columns names no column; choose from {', '.join(known)}.")
    if len(set(columns)) < len(columns):
        raise SelectionError(f"columns is {', '.join(columns)}; name each column once.")


def bit_depths(kinds: Mapping[str, ColumnKind], manifest: Manifest) -> dict[str, int]:
    """Return the bits of a pixel of each column of cells."""
    bits = {"image": manifest.bit_depth, "mask": 1}
    return {name: bits[kind] for name, kind in kinds.items() if kind in bits}


def _kind(name: str, kind: pa.DataType) -> ColumnKind:
    if pa.types.is_struct(kind) and {"bytes", "path"} == {field.name for field in kind}:
        return "mask" if name == "mask" else "image"
    texts = kind.value_type if pa.types.is_list(kind) else kind
    if pa.types.is_string(texts) or pa.types.is_large_string(texts):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    raise SelectionError(f"Column {name} holds {kind}, and batches hold images, numbers and texts; leave it out.")


def numbers(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column of numbers as an array `(n,)`; unsigned ones become signed.

    What is missing becomes -1, among reals NaN, among truth values false.
    """
    values = values.cast(_SIGNED.get(str(values.type), values.type))
    if values.null_count:
        missing = float("nan") if pa.types.is_floating(values.type) else not pa.types.is_boolean(values.type) and -1
        values = values.fill_null(missing)
    return np.array(values.to_numpy())


def texts(values: pa.ChunkedArray) -> list[Any]:
    """Return a column of texts, or of lists of texts, as a list; what is missing becomes None."""
    found: list[Any] = values.to_pylist()
    return found


def cells(values: pa.ChunkedArray, layout: PngLayout) -> list[Cell]:
    """Return the cells of a column `{bytes, path}`; a missing cell becomes empty bytes."""
    return [_cell(data, layout) for data in pc.struct_field(values, "bytes")]


def _cell(data: pa.BinaryScalar, layout: PngLayout) -> Cell:
    if not data.is_valid:
        return b""
    view = memoryview(data.as_buffer())
    return np.frombuffer(view, np.uint8)[None] if is_stored_cell(view, layout) else bytes(view)
