"""What a deposit remembers beside the archive: which draft belongs to which record. No token is in it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import DepositError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.small_files import read_json

_FORMAT = 1
_MAX_BYTES = 4 << 20


@dataclass
class RecordNotes:
    """What was done for one record.

    Attributes:
        draft: number of its deposition, or None before that is known.
        asked: a deposition was asked for; if its number is unknown, the answer was lost.
        metadata: fingerprint of the metadata that was sent last.
        sent: names of files that were sent there, or were about to be.
    """

    draft: int | None = None
    asked: bool = False
    metadata: str = ""
    sent: list[str] = field(default_factory=list)


@dataclass
class DepositJournal:
    """Notes on one archive at one site.

    Attributes:
        path: the file, which may hold notes on other sites too.
        site: address of the site.
        records: notes by record.
    """

    path: Path
    site: str
    records: dict[str, RecordNotes] = field(default_factory=dict)

    def of(self, record: str) -> RecordNotes:
        """Return the notes on a record."""
        return self.records.setdefault(record, RecordNotes())

    def save(self) -> None:
        """Write the notes, whole or not at all; those on other sites stay."""
        sites = read_sites(self.path)
        sites[self.site] = {name: asdict(notes) for name, notes in self.records.items()}
        content = {"format": _FORMAT, "sites": sites}
        with disk_failures_reported(self.path, every=True):
            write_bytes_atomic(self.path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def journal_path(archive: Path) -> Path:
    """Return where the notes on an archive lie."""
    return archive.with_name(f"{archive.name}.deposit.json")


def open_journal(archive: Path, site: str) -> DepositJournal:
    """Read the notes on an archive at a site.

    Raises:
        DepositError: the file is damaged; forgetting it would make every draft a second time.
    """
    path = journal_path(archive)
    try:
        records = {name: RecordNotes(**notes) for name, notes in read_sites(path).get(site, {}).items()}
    except (TypeError, AttributeError) as error:
        raise damaged(path, error) from error
    return DepositJournal(path, site, records)


def read_sites(path: Path) -> dict[str, Any]:
    """Return the notes on all sites; nothing if there is no file."""
    try:
        content: Any = read_json(path, max_bytes=_MAX_BYTES)
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        return dict(content["sites"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DepositError:
    """Return the error of notes that cannot be read."""
    return DepositError(
        f"{path}, the notes of earlier deposits, cannot be read ({str(error).rstrip('.')}); delete the drafts on "
        "the site and then this file to start again."
    )
