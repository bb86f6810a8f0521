"""`archive.json`: what a finished archive folder holds. `deposit` reads it, and never trusts it unchecked."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nucleusnet_core.errors import ArchiveError, UsageError
from nucleusnet_core.files.hashing import Digest
from nucleusnet_core.files.locking import locked
from nucleusnet_core.small_files import parse_json
from nucleusnet_core.terminal.outputs import writing

from .metadata import RecordMetadata

INDEX_NAME = "archive.json"
_FORMAT = 1
_MAX_INDEX_BYTES = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_SHA256, _MD5 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """A record of an archive: the name of its folder, and its files with their checksums."""

    name: str
    files: dict[str, Digest]

    def __post_init__(self) -> None:
        """Refuse names and checksums that no archive of NucleusNet has."""
        for name in (self.name, *self.files):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain file name")
        for name, digest in self.files.items():
            sound = isinstance(digest.bytes, int) and digest.bytes >= 0
            if not (sound and _SHA256.fullmatch(digest.sha256) and _MD5.fullmatch(digest.md5)):
                raise ValueError(f"the size, SHA-256 or MD5 of {name} cannot be right: {digest}")

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(digest.bytes for digest in self.files.values())


@dataclass(frozen=True)
class ArchiveIndex:
    """The whole of `archive.json`."""

    metadata: RecordMetadata
    records: tuple[Record, ...]

    @property
    def identifier(self) -> str:
        """Sixteen hexadecimal digits that stand for all zips, whatever is said about them."""
        zips = [(name, d.sha256) for r in self.records for name, d in r.files.items() if name.endswith(".zip")]
        return hashlib.sha256(json.dumps(zips).encode()).hexdigest()[:16]

    def to_json(self) -> bytes:
        """Return the file's bytes."""
        records = [asdict(record) for record in self.records]
        content = {"format": _FORMAT, "metadata": self.metadata.to_dict(), "records": records}
        return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            content: Any = parse_json(data)
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {_FORMAT}")
            records = tuple(
                Record(record["name"], {name: Digest(**digest) for name, digest in record["files"].items()})
                for record in content["records"]
            )
            return cls(RecordMetadata.from_dict(content["metadata"]), records)
        except (KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def read_index(archive: Path) -> ArchiveIndex:
    """Read the index of a finished archive.

    Raises:
        ArchiveError: it is missing or damaged.
    """
    path = archive / INDEX_NAME
    remedy = "give the folder that `nucleusnet archive` made, or run that again: finished zips are kept."
    if not path.is_file() or path.is_symlink():
        raise ArchiveError(f"{archive} is not a finished archive, because it has no {INDEX_NAME}; {remedy}")
    with path.open("rb") as file:
        data = file.read(_MAX_INDEX_BYTES + 1)
    try:
        return ArchiveIndex.from_json(data)
    except ValueError as error:
        raise ArchiveError(f"{path} is not the index of an archive ({str(error).rstrip('.')}); {remedy}") from error


@contextlib.contextmanager
def alone(archive: Path) -> Iterator[None]:
    """Keep other processes of NucleusNet away from an archive folder.

    Raises:
        ArchiveError: one is at work there, or there is no folder around it.
        OutputError: nothing can be written beside it.
    """
    if not archive.parent.is_dir():  # the lock would make it
        raise ArchiveError(f"{archive} does not exist, nor does the folder around it; check the path.")
    busy = ArchiveError(f"{archive}: another archive or deposit is at work there; wait for it.")
    with contextlib.ExitStack() as held:
        with writing(archive, "place for the archive folder"):
            held.enter_context(locked(archive, busy=busy))
        yield
