"""What identifies the bytes of a file: checksums, and a fast way to see that it was replaced."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20
"""Files are read in pieces of this size."""


def file_fingerprint(path: Path) -> list[int]:
    """Return size and modification time (ns) of a file: enough to see that it was replaced."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Digest:
    """Size and checksums of a file; repositories state MD5, people check SHA-256."""

    bytes: int
    sha256: str
    md5: str


def digest_file(path: Path) -> Digest:
    """Return size and checksums of a file."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digest(size, sha256.hexdigest(), md5.hexdigest())


def digest_bytes(data: bytes) -> Digest:
    """Return size and checksums of bytes."""
    return Digest(len(data), hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())
