"""Inflate a deflate stream of almost only zeros without ever writing the zeros.

A filtered label image is a run of zeros for each stretch of one label. Its deflate stream says so in a few symbols;
following those symbols gives the non-zero bytes at some hundredth of the cost of inflating everything.

Source: RFC 1951 (deflate), RFC 1950 (zlib wrapper and Adler-32).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

_TABLE_BITS = 15  # the longest code deflate allows, so that one look-up decodes any symbol
_ADLER_MODULUS = 65521
_BAD = -1

_LENGTH_BASE = np.array(
    [
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        13,
        15,
        17,
        19,
        23,
        27,
        31,
        35,
        43,
        51,
        59,
        67,
        83,
        99,
        115,
        131,
        163,
        195,
        227,
        258,
    ],
    np.int64,
)
_LENGTH_EXTRA = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0], np.int64)
_DISTANCE_EXTRA = np.array([0, 0] + [bits for bits in range(14) for _ in range(2)], np.int64)
_DISTANCE_BASE = np.concatenate([[1], 1 + np.cumsum(1 << _DISTANCE_EXTRA)[:-1]]).astype(np.int64)
_CODE_LENGTH_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)


class SparseBytes(NamedTuple):
    """The non-zero bytes of a stream.

    Attributes:
        position: int64 (n,), ascending offsets into the inflated stream.
        value: uint8 (n,), never 0.
        length: bytes of the whole inflated stream.
    """

    position: NDArray[np.int64]
    value: NDArray[np.uint8]
    length: int


def sparse_inflate(compressed: bytes, *, max_nonzero: int) -> SparseBytes | None:
    """Return the non-zero bytes of a zlib stream, or None if there are more than `max_nonzero`.

    The Adler-32 at its end is checked. None also stands for a damaged stream or a preset dictionary: ask an ordinary
    inflater, which names the trouble.
    """
    data = np.frombuffer(compressed, np.uint8)
    if data.size < 6 or data[0] & 15 != 8 or (int(data[0]) * 256 + int(data[1])) % 31 or data[1] & 32:
        return None
    # Zero padding lets the bit reader look ahead; no code runs into it unless the stream is damaged.
    padded = np.concatenate([data[2:], np.zeros(16, np.uint8)])
    position, value, length, end = _inflate(padded, data.size - 2, max_nonzero)
    if length == _BAD or end + 4 > data.size - 2:
        return None
    if int.from_bytes(bytes(padded[end : end + 4]), "big") != _adler32(position, value, length):
        return None
    return SparseBytes(position, value, length)


@numba.njit(cache=True, nogil=True)
def _adler32(position: NDArray[np.int64], value: NDArray[np.uint8], length: int) -> int:
    """Adler-32 of `length` bytes that are 0 but for `value` at `position`."""
    low = 1 + np.int64(0)
    high = length % _ADLER_MODULUS  # the initial 1 is added once a byte
    for i in range(position.size):
        low += value[i]
        high = (high + value[i] * ((length - position[i]) % _ADLER_MODULUS)) % _ADLER_MODULUS
    return (high << 16) | (low % _ADLER_MODULUS)


@numba.njit(cache=True, nogil=True)
def _fill_table(lengths: NDArray[np.int64], table: NDArray[np.int32]) -> bool:
    """Write `symbol * 16 + code length` for every 15-bit look-ahead; 0 marks codes that do not exist."""
    count = np.zeros(_TABLE_BITS + 2, np.int64)
    for length in lengths:
        count[length] += 1
    count[0] = 0
    code = np.zeros(_TABLE_BITS + 2, np.int64)
    for bits in range(1, _TABLE_BITS + 1):
        code[bits + 1] = (code[bits] + count[bits]) << 1
    if code[_TABLE_BITS + 1] > 2 << _TABLE_BITS:
        return False
    table[:] = 0
    for symbol in range(lengths.size):
        bits = lengths[symbol]
        if bits == 0:
            continue
        reversed_code = 0
        for bit in range(bits):
            reversed_code |= ((code[bits] >> bit) & 1) << (bits - 1 - bit)
        code[bits] += 1
        for entry in range(reversed_code, 1 << _TABLE_BITS, 1 << bits):
            table[entry] = symbol * 16 + bits
    return True


@numba.njit(cache=True, nogil=True)
def _peek(data: NDArray[np.uint8], at: int) -> int:
    """The 32 bits or more that follow bit `at`, least significant first; zeros after the end."""
    first = min(at >> 3, data.size - 8)
    bits = np.int64(0)
    for i in range(6):
        bits |= np.int64(data[first + i]) << (8 * i)
    return bits >> (at & 7)


@numba.njit(cache=True, nogil=True)
def _read_tables(
    data: NDArray[np.uint8], at: int, literal_table: NDArray[np.int32], distance_table: NDArray[np.int32]
) -> int:
    """Read the two codes of a dynamic block; return the bit after them, or -1."""
    head = _peek(data, at)
    literals, distances, codes = (head & 31) + 257, ((head >> 5) & 31) + 1, ((head >> 10) & 15) + 4
    at += 14
    code_lengths = np.zeros(19, np.int64)
    for i in range(codes):
        code_lengths[_CODE_LENGTH_ORDER[i]] = _peek(data, at) & 7
        at += 3
    if not _fill_table(code_lengths, literal_table):
        return _BAD
    lengths = np.zeros(literals + distances, np.int64)
    filled = 0
    while filled < lengths.size:
        bits = _peek(data, at)
        entry = literal_table[bits & 0x7FFF]
        symbol, used = entry >> 4, entry & 15
        bits >>= used
        at += used
        if used == 0 or at > data.size * 8:
            return _BAD
        repeat, length = 1, symbol
        if symbol == 16:
            if filled == 0:
                return _BAD
            repeat, length = 3 + (bits & 3), lengths[filled - 1]
            at += 2
        elif symbol == 17:
            repeat, length = 3 + (bits & 7), 0
            at += 3
        elif symbol == 18:
            repeat, length = 11 + (bits & 127), 0
            at += 7
        if filled + repeat > lengths.size:
            return _BAD
        lengths[filled : filled + repeat] = length
        filled += repeat
    if _fill_table(lengths[:literals], literal_table) and _fill_table(lengths[literals:], distance_table):
        return at
    return _BAD


@numba.njit(cache=True, nogil=True)
def _fixed_tables(literal_table: NDArray[np.int32], distance_table: NDArray[np.int32]) -> None:
    lengths = np.full(288, 8, np.int64)
    lengths[144:256] = 9
    lengths[256:280] = 7
    _fill_table(lengths, literal_table)
    _fill_table(np.full(30, 5, np.int64), distance_table)


@numba.njit(cache=True, nogil=True)
def _copy_match(
    position: NDArray[np.int64], value: NDArray[np.uint8], count: int, out: int, length: int, distance: int
) -> int:
    """Repeat the non-zero bytes of the last `distance` bytes; a match may overlap itself. Returns the new count."""
    source = count
    while source > 0 and position[source - 1] >= out - distance:
        source -= 1
    while source < count and position[source] + distance < out + length:
        if count == position.size:
            return _BAD
        position[count] = position[source] + distance
        value[count] = value[source]
        count += 1
        source += 1
    return count


@numba.njit(cache=True, nogil=True)
def _inflate_block(
    data: NDArray[np.uint8],
    at: int,
    end_bit: int,
    tables: tuple[NDArray[np.int32], NDArray[np.int32]],
    sparse: tuple[NDArray[np.int64], NDArray[np.uint8]],
    count: int,
    out: int,
) -> tuple[int, int, int]:
    """Follow the symbols of one block; return (bit after it or -1, non-zero bytes so far, bytes so far)."""
    literal_table, distance_table = tables
    position, value = sparse
    while at <= end_bit:
        bits = _peek(data, at)
        entry = literal_table[bits & 0x7FFF]
        symbol, used = entry >> 4, entry & 15
        at += used
        if used == 0:
            break
        if symbol < 256:
            if symbol:
                if count == position.size:
                    break
                position[count] = out
                value[count] = symbol
                count += 1
            out += 1
            continue
        if symbol == 256:
            return at, count, out
        if symbol > 285:
            break
        extra = _LENGTH_EXTRA[symbol - 257]
        length = _LENGTH_BASE[symbol - 257] + ((bits >> used) & ((1 << extra) - 1))
        at += extra
        bits = _peek(data, at)
        entry = distance_table[bits & 0x7FFF]
        symbol, used = entry >> 4, entry & 15
        if used == 0 or symbol > 29:
            break
        extra = _DISTANCE_EXTRA[symbol]
        distance = _DISTANCE_BASE[symbol] + ((bits >> used) & ((1 << extra) - 1))
        at += used + extra
        if distance > out:
            break
        count = _copy_match(position, value, count, out, length, distance)
        if count == _BAD:
            break
        out += length
    return _BAD, count, out


@numba.njit(cache=True, nogil=True)
def _stored_block(
    data: NDArray[np.uint8],
    at: int,
    end_bit: int,
    sparse: tuple[NDArray[np.int64], NDArray[np.uint8]],
    count: int,
    out: int,
) -> tuple[int, int, int]:
    """Copy a block without compression; returns as `_inflate_block`."""
    position, value = sparse
    first = (at + 7) >> 3
    head = _peek(data, first * 8)
    size = head & 0xFFFF
    if size != (~head >> 16) & 0xFFFF or (first + 4 + size) * 8 > end_bit:
        return _BAD, count, out
    for i in range(first + 4, first + 4 + size):
        if data[i]:
            if count == position.size:
                return _BAD, count, out
            position[count] = out
            value[count] = data[i]
            count += 1
        out += 1
    return (first + 4 + size) * 8, count, out


@numba.njit(cache=True, nogil=True)
def _inflate(
    data: NDArray[np.uint8], size: int, max_nonzero: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8], int, int]:
    """Return (positions, values, inflated bytes or -1, offset of the byte after the deflate stream)."""
    position, value = np.empty(max_nonzero, np.int64), np.empty(max_nonzero, np.uint8)
    tables = np.empty(1 << _TABLE_BITS, np.int32), np.empty(1 << _TABLE_BITS, np.int32)
    at, count, out, last = 0, 0, 0, False
    while not last and at >= 0:
        head = _peek(data, at)
        last, kind = (head & 1) == 1, (head >> 1) & 3
        at += 3
        if kind == 0:
            at, count, out = _stored_block(data, at, size * 8, (position, value), count, out)
            continue
        if kind == 1:
            _fixed_tables(tables[0], tables[1])
        elif kind == 2:
            at = _read_tables(data, at, tables[0], tables[1])
        else:
            at = _BAD
        if at >= 0:
            at, count, out = _inflate_block(data, at, size * 8, tables, (position, value), count, out)
    if at < 0 or at > size * 8:
        return position[:0], value[:0], _BAD, 0
    return position[:count].copy(), value[:count].copy(), out, (at + 7) >> 3
