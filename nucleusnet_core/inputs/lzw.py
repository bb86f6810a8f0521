"""LZW as TIFF files use it. The decoder of imagecodecs 2026.3 ends the process on some damaged streams.

Source: TIFF 6.0, section 13.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import compiled

_CLEAR, _END = 256, 257


def lzw_decoded(stored: bytes | memoryview, most_bytes: int) -> npt.NDArray[np.uint8]:
    """Return the bytes of a stream, uint8 (bytes,), up to the code of its end or, without one, up to its last code.

    Raises:
        ValueError: it is damaged, or holds more than `most_bytes`.
    """
    plain = np.empty(most_bytes, np.uint8)
    count = _decode(np.frombuffer(stored, np.uint8), plain)
    if count < 0:
        raise ValueError("a damaged LZW stream")
    if count > most_bytes:
        raise ValueError(f"an LZW stream of more than {most_bytes:,} bytes")
    return plain[:count]


@compiled
def _decode(stored: npt.NDArray[Any], plain: npt.NDArray[Any]) -> int:
    """Fill `plain`, and return the number of bytes; -1 for a damaged stream, more than there is room for a long one.

    A text of the table is a text that came before and the byte behind it: so the table holds where in `plain` it began.
    """
    start, length = np.zeros(4096, np.int64), np.zeros(4096, np.int64)
    known, width, window, bits, at = 258, 9, 0, 0, 0
    before, before_length, filled = 0, 0, 0
    while True:
        while bits < width and at < stored.size:
            window = (window << 8 | int(stored[at])) & 0xFFFFFF
            at, bits = at + 1, bits + 8
        code = window >> (bits - width) & ((1 << width) - 1) if bits >= width else _END
        bits -= width
        if code == _END:
            return filled
        if code == _CLEAR:
            known, width, before_length = 258, 9, 0
            continue
        count = 1
        if code >= 256:
            if code > known or before_length == 0:
                return -1
            count = before_length + 1 if code == known else length[code]
        if filled + count > plain.size:
            return plain.size + 1
        if code < 256:
            plain[filled] = code
        else:
            place = before if code == known else start[code]
            for step in range(count):  # it may run into what it writes
                plain[filled + step] = plain[place + step]
        if before_length and known < 4096:
            start[known], length[known] = before, before_length + 1
            known += 1
            if known + 1 == 1 << width and width < 12:
                width += 1
        before, before_length, filled = filled, count, filled + count
