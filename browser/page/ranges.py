"""Byte ranges of HTTP requests.

Source: RFC 9110, section 14.
"""

import re

from nucleusnet_core.errors import UsageError

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes that a Range header asks for, half-open, or None for all of them.

    A unit other than bytes is ignored, as the RFC asks. Several ranges are refused, as it allows: none of our readers
    asks for them.

    Args:
        header: value of the header; None if there is none.
        size: of the file, bytes.

    Raises:
        UsageError: there is not exactly one range, or it holds no byte of the file.
    """
    if header is None or not header.strip().lower().startswith("bytes"):
        return None
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        raise UsageError(f"Range: {header[:80]!r} is not one range; ask for one, such as bytes=0-99.")
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    stop = min(size, int(match[2]) + 1) if match[1] and match[2] else size
    if start >= stop:
        raise UsageError(f"Range: {header[:80]!r} holds no byte of the file; it has {size} bytes.")
    return start, stop
