"""Writes one store-only zip, the same bytes for the same files, and the receipt that spares writing it again."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from nucleusnet_core.errors import ArchiveError, CorruptDataError, SourceChangedError
from nucleusnet_core.files.atomic import atomic_path
from nucleusnet_core.files.hashing import CHUNK_BYTES, Digest, digest_file
from nucleusnet_core.small_files import parse_json

from .plan import ZipPlan
from .sources import ArchiveFile

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PERMISSIONS = (stat.S_IFREG | 0o644) << 16


@dataclass(frozen=True)
class Member:
    """A file in a zip; `mtime_ns` is that of its source when it was read."""

    name: str
    bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class ZipReceipt:
    """What a finished zip was made from, and what became of it.

    Attributes:
        name: of the zip.
        members: its files, in their order.
        digest: of the zip.
        mtime_ns: of the zip.
    """

    name: str
    members: tuple[Member, ...]
    digest: Digest
    mtime_ns: int

    def to_json(self) -> bytes:
        """Return the receipt's bytes."""
        return (json.dumps(asdict(self), sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not a receipt.
        """
        try:
            fields: Any = parse_json(data)
            members = tuple(Member(**member) for member in fields["members"])
            return cls(fields["name"], members, Digest(**fields["digest"]), fields["mtime_ns"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a receipt: {error}") from error

    def is_of(self, path: Path) -> bool:
        """Return whether the zip at `path` is the one that was written."""
        if not path.is_file() or path.is_symlink() or self.name != path.name:
            return False
        facts = path.stat()
        return (facts.st_size, facts.st_mtime_ns) == (self.digest.bytes, self.mtime_ns)

    def holds(self, plan: ZipPlan, path: Path) -> bool:
        """Return whether the zip at `path` is the one that was written, of the files that are planned now."""
        planned = [(file.name, file.bytes, file.mtime_ns) for file in plan.files]
        stated = [file.sha256 or member.sha256 for file, member in zip(plan.files, self.members, strict=False)]
        return (
            self.is_of(path)
            and planned == [(member.name, member.bytes, member.mtime_ns) for member in self.members]
            and stated == [member.sha256 for member in self.members]
        )


def write_zip(path: Path, plan: ZipPlan, on_bytes: Callable[[int], None] = lambda _bytes: None) -> ZipReceipt:
    """Write a zip, whole or not at all, and read it back for its checksums.

    Nothing of it depends on time, system or user: fixed date and permissions, no compression. Memory stays flat.

    Args:
        path: where to write it.
        plan: its files.
        on_bytes: told the bytes of the files as they are copied.

    Raises:
        SourceChangedError: a file is not what it was when the folder was listed.
        CorruptDataError: a file of a dataset folder does not have the bytes that its SHA256SUMS states.
        ArchiveError: a file cannot be read.
    """
    with atomic_path(path) as partial:
        with partial.open("wb") as target, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            members = tuple(add_file(archive, file, on_bytes) for file in plan.files)
        digest = digest_file(partial)
    return ZipReceipt(plan.name, members, digest, path.stat().st_mtime_ns)


def add_file(archive: zipfile.ZipFile, file: ArchiveFile, on_bytes: Callable[[int], None]) -> Member:
    """Copy one file into a zip."""
    info = zipfile.ZipInfo(file.name, _FIRST_DATE)
    info.create_system, info.external_attr, info.file_size = _UNIX, _PERMISSIONS, file.bytes
    sha256 = hashlib.sha256()
    with archive.open(info, "w") as member:
        for chunk in unchanged_bytes(file):
            member.write(chunk)
            sha256.update(chunk)
            on_bytes(len(chunk))
    if file.sha256 not in (None, sha256.hexdigest()):
        raise CorruptDataError(
            f"{file.path} has the SHA-256 {sha256.hexdigest()} instead of {file.sha256}, which SHA256SUMS states; run "
            "`nucleusnet verify`, and build the dataset again."
        )
    return Member(file.name, file.bytes, file.mtime_ns, sha256.hexdigest())


def unchanged_bytes(file: ArchiveFile) -> Iterator[bytes]:
    """Yield the bytes of a file piece by piece.

    Raises:
        SourceChangedError: it is not what it was when the folder was listed.
        ArchiveError: it cannot be read.
    """
    left = file.bytes
    try:
        with file.path.open("rb") as source:
            refuse_change(source, file)
            while left and (chunk := source.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
            refuse_change(source, file)
    except OSError as error:
        raise ArchiveError(
            f"{file.path} cannot be read ({error.strerror or error}); check it and run the archive again: finished "
            "zips are kept."
        ) from error
    if left:
        raise changed(file, f"ends {left:,} bytes earlier")


def refuse_change(source: BinaryIO, file: ArchiveFile) -> None:
    """Refuse a file that is not what it was when the folder was listed."""
    facts = os.fstat(source.fileno())
    if (facts.st_size, facts.st_mtime_ns) != (file.bytes, file.mtime_ns):
        raise changed(file, f"has {facts.st_size:,} bytes, written since")


def changed(file: ArchiveFile, now: str) -> SourceChangedError:
    """Return the error for a file that changed."""
    return SourceChangedError(
        f"{file.path} had {file.bytes:,} bytes when it was listed and now {now}; let nothing write there and run the "
        "archive again: finished zips are kept."
    )
