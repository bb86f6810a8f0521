"""Inflate a deflate stream of almost only zeros without ever writing the zeros.

In a filtered label image each stretch of one label is a run of zeros, which a deflate stream writes in a few symbols.
Following the symbols and keeping only the other bytes takes a tenth of the time of inflating everything.

Source: RFC 1951 (deflate), RFC 1950 (zlib wrapper and Adler-32).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import compiled

_LONGEST_CODE = 15
_ADLER_MODULUS = 65521
_PEEK_FIELD = (1 << 56) - 1
_PADDING_BYTES = 32  # more than a look-ahead and the header of a block
_LONGEST_MATCH = 258
_BAD = -1

_LENGTH_EXTRA = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0], np.int64)
_LENGTH_BASE = np.append(3 + np.cumsum(1 << _LENGTH_EXTRA[:-1]) - (1 << _LENGTH_EXTRA[:-1]), 258).astype(np.int64)
_DISTANCE_EXTRA = np.array([0, 0] + [bits for bits in range(14) for _ in range(2)], np.int64)
_DISTANCE_BASE = (1 + np.cumsum(1 << _DISTANCE_EXTRA) - (1 << _DISTANCE_EXTRA)).astype(np.int64)
_FIXED_LITERAL_LENGTHS = np.array([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8, np.int64)
_FIXED_DISTANCE_LENGTHS = np.full(30, 5, np.int64)
_CODE_LENGTH_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)

_Bytes = npt.NDArray[np.uint8]
_Table = npt.NDArray[np.int16]
_Integers = npt.NDArray[np.int64]


class SparseBytes(NamedTuple):
    """The non-zero bytes of a stream.

    Attributes:
        position: int64 (n,), ascending offsets into the inflated stream.
        value: uint8 (n,), never 0.
        length: bytes of the whole inflated stream.
    """

    position: npt.NDArray[np.int64]
    value: npt.NDArray[np.uint8]
    length: int


class _Codes(NamedTuple):
    """Look-up tables of one block: `symbol * 16 + code length` for every look-ahead, 0 for codes that do not exist."""

    literal: _Table
    distance: _Table


class _Cursor(NamedTuple):
    """How far a stream was followed: bit of the input (-1: damaged), non-zero bytes found, bytes of the output."""

    at: int
    found: int
    out: int


def sparse_inflate(compressed: bytes, *, max_nonzero: int) -> SparseBytes | None:
    """Return the non-zero bytes of a zlib stream, or None if there are more than `max_nonzero`.

    The Adler-32 at its end is checked. None also stands for a damaged stream or a preset dictionary: an ordinary
    inflater says what is wrong.
    """
    data = np.frombuffer(compressed, np.uint8)
    if data.size < 6 or data[0] & 15 != 8 or (int(data[0]) * 256 + int(data[1])) % 31 or data[1] & 32:
        return None
    body = np.concatenate([data[2:], np.zeros(_PADDING_BYTES, np.uint8)])
    position, value = np.empty(max_nonzero, np.int64), np.empty(max_nonzero, np.uint8)
    at, found, length = _inflate(body, (data.size - 6) * 8, position, value)
    end = (at + 7) // 8
    sparse = SparseBytes(position[:found].copy(), value[:found].copy(), length)
    if at == _BAD or int.from_bytes(bytes(body[end : end + 4]), "big") != _adler32(*sparse):
        return None
    return sparse


@compiled
def _adler32(position: _Integers, value: _Bytes, length: int) -> int:
    """Return the Adler-32 of `length` bytes that are 0 but for `value` at `position`."""
    low, high = 1, length % _ADLER_MODULUS  # the initial 1 is added to the high half once a byte
    for i in range(position.size):
        low += int(value[i])
        high = (high + int(value[i]) * ((length - int(position[i])) % _ADLER_MODULUS)) % _ADLER_MODULUS
    return (high << 16) | (low % _ADLER_MODULUS)


@compiled
def _inflate(data: _Bytes, end: int, position: _Integers, value: _Bytes) -> _Cursor:
    """Follow all blocks of a stream that must end by bit `end`, filling `position` and `value`."""
    literal, distance = np.empty(1 << _LONGEST_CODE, np.int16), np.empty(1 << _LONGEST_CODE, np.int16)
    cursor, last = _Cursor(0, 0, 0), False
    while not last and 0 <= cursor.at <= end:
        head = _peek(data, cursor.at)
        last, kind = (head & 1) == 1, (head >> 1) & 3
        cursor = _Cursor(cursor.at + 3, cursor.found, cursor.out)
        if kind == 0:
            cursor = _stored_block(data, end, cursor, position, value)
        elif kind == 1:
            codes = _fixed_codes(literal, distance)
            cursor = _coded_block(data, end, codes, cursor, (position, value))
        elif kind == 2:
            at, codes = _read_codes(data, cursor.at, end, literal, distance)
            cursor = _Cursor(at, cursor.found, cursor.out)
            if at >= 0:
                cursor = _coded_block(data, end, codes, cursor, (position, value))
        else:
            cursor = _Cursor(_BAD, cursor.found, cursor.out)
    if cursor.at > end:
        return _Cursor(_BAD, cursor.found, cursor.out)
    return cursor


@compiled
def _peek(data: _Bytes, at: int) -> int:
    """Return the 56 bits that follow bit `at`, least significant first."""
    byte = np.uint64(at >> 3)  # an unsigned index needs no check for counting from the end
    bits = np.uint64(0)
    for i in range(8):
        bits |= np.uint64(data[byte + np.uint64(i)]) << np.uint64(8 * i)
    return np.int64((bits >> np.uint64(at & 7)) & np.uint64(_PEEK_FIELD))  # type: ignore[return-value]


@compiled
def _look_up(table: _Table, bits: int) -> tuple[int, int]:
    """Return the symbol that `bits` begin with, and the length of its code; 0 for no symbol."""
    entry = int(table[np.uint64(bits & (table.size - 1))])
    return entry >> 4, entry & 15


@compiled
def _fill_table(lengths: _Integers, table: _Table) -> _Table:
    """Write the look-up table of a canonical code, and return its used part, empty if the lengths are no code."""
    count, first = np.zeros(_LONGEST_CODE + 1, np.int64), np.zeros(_LONGEST_CODE + 2, np.int64)
    code, longest = 0, 0
    for symbol in range(lengths.size):
        count[lengths[symbol]] += 1
        longest = max(longest, lengths[symbol])
    for bits in range(1, longest + 1):
        first[bits] = code
        code = (code + count[bits]) << 1
    used = table[: 1 << longest]
    if code > 2 << longest:
        return used[:0]
    for ahead in range(used.size):
        used[ahead] = 0
    for symbol in range(lengths.size):
        bits = lengths[symbol]
        if bits == 0:
            continue
        mirrored = 0
        for bit in range(bits):
            mirrored |= ((first[bits] >> bit) & 1) << (bits - 1 - bit)
        first[bits] += 1
        for ahead in range(mirrored, used.size, 1 << bits):
            used[ahead] = symbol * 16 + bits
    return used


@compiled
def _fixed_codes(literal: _Table, distance: _Table) -> _Codes:
    return _Codes(_fill_table(_FIXED_LITERAL_LENGTHS, literal), _fill_table(_FIXED_DISTANCE_LENGTHS, distance))


@compiled
def _read_codes(data: _Bytes, at: int, end: int, literal: _Table, distance: _Table) -> tuple[int, _Codes]:
    """Return the bit after the two codes of a dynamic block, -1 if they are damaged, and the codes."""
    head = _peek(data, at)
    literals, distances, meta = (head & 31) + 257, ((head >> 5) & 31) + 1, ((head >> 10) & 15) + 4
    meta_lengths = np.zeros(19, np.int64)
    for i in range(meta):
        meta_lengths[_CODE_LENGTH_ORDER[i]] = _peek(data, at + 14 + 3 * i) & 7
    at += 14 + 3 * meta
    lengths = np.zeros(literals + distances, np.int64)
    at = _read_lengths(data, at, end, _fill_table(meta_lengths, literal), lengths)
    codes = _Codes(_fill_table(lengths[:literals], literal), _fill_table(lengths[literals:], distance))
    if codes.literal.size == 0 or codes.distance.size == 0:
        return _BAD, codes
    return at, codes


@compiled
def _read_lengths(data: _Bytes, at: int, end: int, table: _Table, lengths: _Integers) -> int:
    """Fill `lengths` of codes, themselves coded by `table`; return the bit after them, -1 if they are damaged."""
    filled = 0
    while filled < lengths.size:
        if at > end or table.size == 0:
            return _BAD
        bits = _peek(data, at)
        symbol, used = _look_up(table, bits)
        bits >>= used
        repeat, length, extra = 1, symbol, 0
        if symbol == 16:
            repeat, length, extra = 3 + (bits & 3), lengths[max(filled - 1, 0)], 2
        elif symbol == 17:
            repeat, length, extra = 3 + (bits & 7), 0, 3
        elif symbol == 18:
            repeat, length, extra = 11 + (bits & 127), 0, 7
        if used == 0 or filled + repeat > lengths.size or (symbol == 16 and filled == 0):
            return _BAD
        for _ in range(repeat):
            lengths[filled] = length
            filled += 1
        at += used + extra
    return at


@compiled
def _coded_block(data: _Bytes, end: int, codes: _Codes, cursor: _Cursor, sparse: tuple[_Integers, _Bytes]) -> _Cursor:
    """Follow the symbols of one block up to its end mark."""
    at, found, out = cursor
    position, value = sparse
    while at <= end and found < position.size:
        bits = ahead = _peek(data, at)
        start = at
        symbol, used = _look_up(codes.literal, bits)
        at += used
        if used == 0 or symbol > 285:
            break
        if symbol == 256:
            return _Cursor(at, found, out)
        if symbol < 256:
            position[found], value[found] = out, symbol
            found += symbol > 0
            out += 1
            continue
        extra = _LENGTH_EXTRA[symbol - 257]
        bits >>= used
        length = _LENGTH_BASE[symbol - 257] + (bits & ((1 << extra) - 1))
        bits >>= extra
        at += extra
        symbol, used = _look_up(codes.distance, bits)
        if used == 0 or symbol > 29:
            break
        extra = _DISTANCE_EXTRA[symbol]
        distance = _DISTANCE_BASE[symbol] + ((bits >> used) & ((1 << extra) - 1))
        at += used + extra
        if distance > out:
            break
        if found > 0 and position[found - 1] >= out - distance:
            found = _copy(position, value, found, (out, out + length), distance)
        elif length == _LONGEST_MATCH:  # zeros: most of the stream is this match over and over
            again = _repeats(ahead, at - start)
            at += again * (at - start)
            out += again * length
        out += length
    return _Cursor(_BAD, found, out)


@compiled
def _repeats(bits: int, size: int) -> int:
    """Return how many more times the first `size` of the 56 `bits` follow at once."""
    pattern, count = bits & ((1 << size) - 1), 0
    while (count + 2) * size <= 56 and (bits >> size) & ((1 << size) - 1) == pattern:
        bits >>= size
        count += 1
    return count


@compiled
def _copy(position: _Integers, value: _Bytes, found: int, to: tuple[int, int], distance: int) -> int:
    """Repeat in to[0]..to[1] the non-zero bytes `distance` before, also new ones; return how many there are now."""
    source = np.searchsorted(position[:found], to[0] - distance)
    while source < found < position.size and position[source] + distance < to[1]:
        position[found], value[found] = position[source] + distance, value[source]
        found += 1
        source += 1
    return found


@compiled
def _stored_block(
    data: _Bytes,
    end: int,
    cursor: _Cursor,
    position: _Integers,
    value: _Bytes,
) -> _Cursor:
    """Keep the non-zero bytes of a block without compression."""
    found, start = cursor.found, (cursor.at + 7) >> 3
    head = _peek(data, start * 8)
    size = head & 0xFFFF
    if size != (~head >> 16) & 0xFFFF or (start + 4 + size) * 8 > end:
        return _Cursor(_BAD, found, cursor.out)
    for i in range(size):
        if data[start + 4 + i] and found < position.size:
            position[found], value[found] = cursor.out + i, data[start + 4 + i]
            found += 1
    if found == position.size:
        return _Cursor(_BAD, found, cursor.out)
    return _Cursor((start + 4 + size) * 8, found, cursor.out + size)
