"""Reads what Parquet writes with Thrift: page headers, the offset index, and the parts of a footer that lead to it.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Iterator
from typing import Any

DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a struct, or using what it holds, raises when the bytes are something else."""

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 7, 8, 9, 12
_INTEGERS = (4, 5, 6)
_MAX_DEPTH = 12
_LONG_LIST = 15
_MAX_SHIFT = 63


class CompactReader:
    """Reads Thrift structs in the compact protocol into `{field number: value}`; a binary value is a view.

    Bytes that are something else raise IndexError or ValueError.

    Args:
        data: the bytes that hold the struct.
        position: where its first byte lies in them.
    """

    def __init__(self, data: memoryview, position: int = 0) -> None:
        self.data = data
        self.position = position
        self._depth = 0

    def struct(self) -> dict[int, Any]:
        """Return a struct."""
        self._enter()
        fields = {number: self.value(kind) for number, kind in self.fields()}
        self._depth -= 1
        return fields

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; the caller reads its value before the next."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            yield number, head & 15

    def list_size(self) -> tuple[int, int]:
        """Return the number of elements of a list, and their type."""
        head = self._byte()
        size = self._varint() if head >> 4 == _LONG_LIST else head >> 4
        if size > len(self.data):
            raise ValueError(f"a list states {size:,} elements, and there are only {len(self.data):,} bytes")
        return size, head & 15

    def value(self, kind: int) -> Any:
        """Return a value of a type."""
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind in _INTEGERS:
            return self._integer()
        if kind == STRUCT:
            return self.struct()
        if kind == LIST:
            return self._list()
        return self._bytes({BYTE: 1, DOUBLE: 8}.get(kind) or self._size_of_binary(kind))

    def _list(self) -> list[Any]:
        self._enter()
        size, kind = self.list_size()
        found = [self._byte() == TRUE if kind in (TRUE, FALSE) else self.value(kind) for _ in range(size)]
        self._depth -= 1
        return found

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} structs and lists lie in each other")

    def _size_of_binary(self, kind: int) -> int:
        if kind != BINARY:
            raise ValueError(f"Parquet uses no Thrift type {kind}")
        return self._varint()

    def _bytes(self, size: int) -> memoryview:
        self.position += size
        if self.position > len(self.data):
            raise IndexError(f"a value ends at byte {self.position:,}, and there are only {len(self.data):,} bytes")
        return self.data[self.position - size : self.position]

    def _byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def _varint(self) -> int:
        value, shift = 0, 0
        while (byte := self._byte()) >= 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > _MAX_SHIFT:
                raise ValueError("an integer has more than 64 bits")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def varint(number: int) -> bytes:
    """Return an integer that is not negative as Thrift and Parquet write it: seven bits a byte, the lowest first."""
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])
