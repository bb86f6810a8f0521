"""What an upload remembers beside the folder, so that a retry neither hashes nor decodes again what it has checked."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import OutputError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.files.locking import locked
from nucleusnet_core.small_files import read_json
from nucleusnet_core.terminal.outputs import writing

_MAX_BYTES = 256 << 20
FORMAT = 1


@dataclass(frozen=True)
class LocalFile:
    """One file of the dataset folder as it was when it was verified.

    Attributes:
        path: relative to the folder, with forward slashes.
        size: bytes.
        mtime_ns: time of modification, ns; only compared, never published.
        sha256: of the bytes.
        git_oid: id that git gives the content, for files that the Hub keeps in git itself.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    git_oid: str


@dataclass
class UploadJournal:
    """Notes of earlier uploads of one folder.

    Attributes:
        path: the journal's file, beside the folder.
        files: what was verified, by path.
        cards: git ids of the cards that went to a repository, by `owner/name@revision`.
        kept: whether notes are written; a dry run writes none.
    """

    path: Path
    files: dict[str, LocalFile] = field(default_factory=dict)
    cards: dict[str, list[str]] = field(default_factory=dict)
    kept: bool = True

    def save(self) -> None:
        """Write the notes, whole or not at all."""
        if not self.kept:
            return
        content = {"format": FORMAT, "files": [asdict(file) for file in self.files.values()], "cards": self.cards}
        with disk_failures_reported(self.path, every=True):
            write_bytes_atomic(self.path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    def note_card(self, target: str, git_oid: str) -> None:
        """Remember a card before it is sent from here: afterwards it would be too late for a crash in between."""
        known = self.cards.setdefault(target, [])
        if git_oid not in known:
            known.append(git_oid)
            self.save()


def journal_path(folder: Path) -> Path:
    """Return where the notes of a folder lie."""
    return folder.with_name(folder.name + ".upload.json")


@contextlib.contextmanager
def open_journal(folder: Path, *, dry_run: bool = False) -> Iterator[UploadJournal]:
    """Open the notes of a folder, for this process alone; damaged or old ones are forgotten.

    Args:
        folder: the dataset folder.
        dry_run: write nothing, and leave another upload alone.

    Raises:
        OutputError: another upload of the folder is running, or nothing can be written beside it.
    """
    path = journal_path(folder)
    busy = OutputError(f"{folder}: another upload of it is running; wait for it, or end it.")
    with contextlib.ExitStack() as held:
        if not dry_run:
            with writing(path, "place for the dataset folder"):
                held.enter_context(locked(path, busy=busy))
        yield UploadJournal(path, *read_notes(path), kept=not dry_run)


def read_notes(path: Path) -> tuple[dict[str, LocalFile], dict[str, list[str]]]:
    """Return files and cards of the notes; nothing where they cannot be read."""
    try:
        content: Any = read_json(path, max_bytes=_MAX_BYTES)
        if content["format"] != FORMAT:
            return {}, {}
        files = {file["path"]: LocalFile(**file) for file in content["files"]}
        cards = {str(target): [str(oid) for oid in oids] for target, oids in content["cards"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}, {}
    return files, cards
