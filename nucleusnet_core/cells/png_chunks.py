"""The chunks of a PNG file: walked with their checksums checked, and written.

Source: W3C, Portable Network Graphics (Third Edition), 5.3.
"""

import struct
from collections.abc import Iterator

from .checksums import crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PngDamageError(ValueError):
    """A PNG ends too early or does not fit its checksums; the message is a clause for the caller's own error."""


def read_chunks(data: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield type and body of every chunk up to IEND.

    Raises:
        PngDamageError: the file is truncated or damaged.
    """
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", view, at) if at + 12 <= len(view) else (0, b"")
        end = at + 12 + size
        if not kind or end > len(view):
            raise PngDamageError(f"the PNG is truncated: it ends after {len(view):,} bytes without its IEND chunk")
        checked = view[at + 4 : end - 4]
        if crc32(checked) != int.from_bytes(view[end - 4 : end], "big"):
            raise PngDamageError(f"the checksum of the PNG chunk at byte {at:,} is wrong: the file is damaged")
        yield kind, checked[4:]
        at = end


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
