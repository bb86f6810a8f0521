"""What identifies the bytes of a file: checksums, and a fast way to see that it was replaced."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20
"""Files are read in pieces of this size."""


def file_fingerprint(path: Path) -> list[int]:
    """Return size, modification time (ns), time of the last change (ns) and number in the file system of a file.

    Size and modification time can be given to another file. The other two cannot, but also change where the bytes do
    not, as when a file is linked or moved to another disk; `is_unchanged` then looks at the bytes.
    """
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def is_unchanged(path: Path, fingerprint: list[int], sha256: str) -> bool:
    """Return whether a file has the bytes that it had; they are read only where the fingerprint leaves a doubt.

    Args:
        path: the file.
        fingerprint: that `file_fingerprint` returned; of one with size and modification time alone, the bytes decide.
        sha256: of its bytes then.

    Raises:
        OSError: it cannot be read.
    """
    now = file_fingerprint(path)
    return now == fingerprint or (now[:2] == fingerprint[:2] and file_sha256(path) == sha256)


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
