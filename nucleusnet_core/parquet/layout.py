"""Whether the bytes of a Parquet footer are what a writer writes: every number in range, every name where it belongs.

Source: https://github.com/apache/parquet-format, parquet.thrift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .thrift import CompactReader

_TYPES, _REPETITIONS, _CONVERTED_TYPES, _CODECS, _ENCODINGS = 8, 3, 22, 8, 10
_BYTE_ARRAY, _FIXED = 6, 7
_OPTIONAL, _REPEATED = 1, 2
_MOST_SCHEMA_DEPTH = 8
_MOST_BYTES = 1 << 62
_MOST_FIXED_BYTES = 1 << 20


@dataclass(frozen=True)
class Leaf:
    """A column that holds values.

    Attributes:
        path: its names from the outermost in.
        kind: number of its physical type.
        definition: its highest definition level.
        repetition: its highest repetition level.
    """

    path: tuple[str, ...]
    kind: int
    definition: int
    repetition: int


def check_layout(metadata: memoryview) -> None:
    """Check the metadata of a file, without their length and the magic number behind them.

    Raises:
        DAMAGED: they are something else (see `nucleusnet_core.parquet.thrift`).
    """
    reader = CompactReader(metadata)
    file = reader.struct()
    if reader.position != len(metadata):
        raise ValueError("there are bytes behind the metadata")
    if 8 in file or 9 in file:
        raise ValueError("it is encrypted")
    leaves = _leaves(file[2])
    rows = 0
    for group in file[4]:
        _check_group(group, leaves)
        rows += group[3]
    if file[3] != rows:
        raise ValueError(f"it states {file[3]:,} rows, and its row groups {rows:,}")
    _check_facts(file)


def _check_facts(file: Mapping[int, Any]) -> None:
    """Check the parts that hold texts: pyarrow takes any bytes and fails when they are read."""
    if 6 in file:
        _text(file[6])
    for fact in file.get(5, ()):
        _text(fact[1])
        _text(fact.get(2, b""))
    for order in file.get(7, ()):
        if not isinstance(order, dict):
            raise TypeError("a column order is no struct")


def _leaves(elements: list[dict[int, Any]]) -> list[Leaf]:
    """Return the columns of a schema, in their order."""
    leaves: list[Leaf] = []

    def walk(number: int, path: tuple[str, ...], definition: int, repetition: int) -> int:
        element = elements[number]
        if len(path) >= _MOST_SCHEMA_DEPTH:
            raise ValueError("its columns lie too deep in each other")
        children = _number(element.get(5, 0), len(elements))
        repeats = _number(element.get(3, 0), _REPETITIONS)
        inner = (*path, _text(element[4]))
        definition += repeats in (_OPTIONAL, _REPEATED)
        repetition += repeats == _REPEATED
        _check_element(element, is_leaf=not children)
        if not children:
            leaves.append(Leaf(inner, element[1], definition, repetition))
        number += 1
        for _ in range(children):
            number = walk(number, inner, definition, repetition)
        return number

    root = elements[0]
    _text(root[4])
    number = 1
    for _ in range(_number(root.get(5, 0), len(elements))):
        number = walk(number, (), 0, 0)
    paths = [leaf.path for leaf in leaves]
    if number != len(elements) or not paths or len(set(paths)) < len(paths):
        raise ValueError("its schema does not hang together, or names a column twice")
    return leaves


def _check_element(element: Mapping[int, Any], *, is_leaf: bool) -> None:
    if is_leaf and _number(element[1], _TYPES) == _FIXED:
        _number(element[2], _MOST_FIXED_BYTES)
    if 6 in element:
        _number(element[6], _CONVERTED_TYPES)
    if 10 in element and not isinstance(element[10], dict):
        raise TypeError("a logical type is no struct")
    for number in (7, 8):
        _number(element.get(number, 0), 77)


def _check_group(group: Mapping[int, Any], leaves: list[Leaf]) -> None:
    rows = _number(group[3], 1 << 40)
    _number(group[2], _MOST_BYTES)
    columns = group[1]
    if len(columns) != len(leaves):
        raise ValueError("a row group has other columns than the schema")
    for column, leaf in zip(columns, leaves, strict=True):
        if 1 in column or 8 in column or 9 in column:
            raise ValueError(f"column {'.'.join(leaf.path)} lies in another file, or is encrypted")
        for number in (4, 5, 6, 7):
            _number(column.get(number, 0), _MOST_BYTES)
        _check_column(column[3], leaf, rows)


def _check_column(facts: Mapping[int, Any], leaf: Leaf, rows: int) -> None:
    name = ".".join(leaf.path)
    if tuple(_text(part) for part in facts[3]) != leaf.path or facts[1] != leaf.kind:
        raise ValueError(f"column {name} has another name or type in a row group")
    for encoding in facts[2]:
        _number(encoding, _ENCODINGS)
    _number(facts[4], _CODECS)
    values = _number(facts[5], _MOST_BYTES)
    if values < rows or (not leaf.repetition and values != rows):
        raise ValueError(f"column {name} has {values:,} values in a row group of {rows:,} rows")
    for number in (6, 7, 9):
        _number(facts[number], _MOST_BYTES)
    for number in (10, 11, 14, 15):
        _number(facts.get(number, 0), _MOST_BYTES)
    for page in facts.get(13, ()):
        _number(page[1], 4)
        _number(page[2], _ENCODINGS)
        _number(page[3], 1 << 31)
    _check_statistics(facts, leaf)


def _check_statistics(facts: Mapping[int, Any], leaf: Leaf) -> None:
    statistics = facts.get(12, {})
    for number in (1, 2, 5, 6):
        len(statistics.get(number, b""))
    for number in (3, 4):
        _number(statistics.get(number, 0), _MOST_BYTES)
    sizes = facts.get(16, {})
    if 1 in sizes and (_number(sizes[1], _MOST_BYTES) < 0 or leaf.kind != _BYTE_ARRAY):
        raise ValueError("sizes of texts are stated of a column of numbers")
    for number, highest in ((2, leaf.repetition), (3, leaf.definition)):
        histogram = sizes.get(number, [])
        if len(histogram) not in (0, highest + 1):
            raise ValueError(f"the histogram of levels of column {'.'.join(leaf.path)} has a wrong length")
        for count in histogram:
            _number(count, _MOST_BYTES)


def _number(value: Any, limit: int) -> int:
    """Return a number that is not negative and below a limit."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise ValueError(f"a number is {value!r}; it must lie from 0 to {limit - 1:,}")
    return value


def _text(value: Any) -> str:
    return str(value, "utf-8")
