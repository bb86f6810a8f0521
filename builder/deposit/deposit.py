"""An archive -> draft depositions, one for each record, linked by their DOIs; published by a second, confirmed call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nucleusnet_core.errors import ArchiveError, DepositError
from nucleusnet_core.storage.retries import PATIENT_POLICY, RetryPolicy
from nucleusnet_core.terminal.progress import NoProgress, Progress

from ..archive.index import ArchiveIndex, Record, alone, read_index
from ..archive.metadata import UNKNOWN_LICENSE
from .api import Api
from .client import Draft, DraftFile, Zenodo
from .journal import DepositJournal, open_journal
from .metadata import deposit_metadata, fingerprint
from .site import ZenodoSite


@dataclass
class Deposited:
    """What became of one record."""

    record: str
    draft: Draft
    bytes: int
    sent: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def deposit(
    archive: Path, site: ZenodoSite, progress: Progress | None = None, *, policy: RetryPolicy = PATIENT_POLICY
) -> list[Deposited]:
    """Bring an archive into drafts, or continue: files that are there with the right MD5 are not sent again.

    Args:
        archive: a finished archive folder.
        site: where to send it.
        progress: told of the bytes that are sent or there already.
        policy: how long to try again.

    Raises:
        ArchiveError: the archive is not finished, damaged, or in use.
        DepositError: the site refuses, or a published record differs.
        SourceChangedError: a file is not the one that was archived.
        TransferError: the site was out of reach for too long.
    """
    progress = progress or NoProgress()
    with alone(archive), Api(site, policy) as api:
        index = read_index(archive)
        check_archive(archive, index)
        journal, zenodo = open_journal(archive, site.url), Zenodo(api)
        zenodo.check_token()
        report_strays(journal, index, progress.say)
        drafts = [ensure_draft(zenodo, journal, index, part) for part in range(1, len(index.records) + 1)]
        link(zenodo, journal, index, drafts)
        progress.begin("deposit", sum(record.bytes for record in index.records), unit="B")
        return [
            send_record(zenodo, journal, record, draft, folder=archive / record.name, progress=progress)
            for record, draft in zip(index.records, drafts, strict=True)
        ]


def publish_drafts(
    archive: Path,
    site: ZenodoSite,
    confirm: Callable[[list[Deposited]], bool],
    *,
    policy: RetryPolicy = PATIENT_POLICY,
) -> list[Deposited]:
    """Publish the drafts of an archive, which cannot be undone; nothing is sent or changed before.

    Args:
        archive: a finished archive folder that was deposited.
        site: where to publish.
        confirm: asked with the records that would be published; False ends it.
        policy: how long to try again.

    Returns:
        The records, published now or before; nothing if `confirm` said no.

    Raises:
        ArchiveError: the archive is not finished, damaged, or in use.
        DepositError: a file is missing there or differs, or the site refuses.
        TransferError: the site was out of reach for too long.
    """
    with alone(archive), Api(site, policy) as api:
        index = read_index(archive)
        journal, zenodo = open_journal(archive, site.url), Zenodo(api)
        zenodo.check_token()
        records = [complete(zenodo, journal, index, part) for part in range(1, len(index.records) + 1)]
        waiting = [record for record in records if not record.draft.published]
        if waiting and not confirm(waiting):
            return []
        for record in waiting:
            zenodo.publish(record.draft)
        return records


def check_archive(archive: Path, index: ArchiveIndex) -> None:
    """Refuse an archive that cannot be deposited, before anything is sent.

    Raises:
        ArchiveError: a file is missing, is a link, or has another size, or its creators or license are unknown.
    """
    again = "and every repository asks for one; run `nucleusnet archive` again with"
    if not index.metadata.creators:
        raise ArchiveError(f"{archive} names no creator, {again} --creator 'Family, Given; affiliation; ORCID iD'.")
    if index.metadata.license == UNKNOWN_LICENSE:
        raise ArchiveError(f"{archive} names no license, {again} --license and an identifier such as CC-BY-4.0.")
    for record in index.records:
        for name, digest in record.files.items():
            path = archive / record.name / name
            sound = path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
            size = path.stat().st_size if sound else None
            if size != digest.bytes:
                now = "is missing or a link" if size is None else f"has {size:,} bytes instead of {digest.bytes:,}"
                raise ArchiveError(f"{path} {now}; run `nucleusnet archive` again.")


def report_strays(journal: DepositJournal, index: ArchiveIndex, say: Callable[[str], None]) -> None:
    """Tell of drafts whose record the archive no longer has."""
    names = {record.name for record in index.records}
    for name, notes in journal.records.items():
        if name not in names and notes.draft is not None:
            where = f"draft {notes.draft} at {journal.site}"
            say(f"{where} belongs to {name}, which the archive no longer has; delete the draft there.")


def mark_of(index: ArchiveIndex, part: int) -> str:
    """Return words that no other draft has in its notes."""
    return f"NucleusNet archive {index.identifier}-{part}."


def ensure_draft(zenodo: Zenodo, journal: DepositJournal, index: ArchiveIndex, part: int) -> Draft:
    """Return the draft of a record; it is made if it does not exist, and never a second time."""
    record, parts = index.records[part - 1], len(index.records)
    notes, mark = journal.of(record.name), mark_of(index, part)
    if notes.draft is not None:
        draft = zenodo.draft(notes.draft)
        if draft is not None:
            return draft
        notes.draft, notes.asked, notes.metadata, notes.sent = None, False, "", []
    metadata = deposit_metadata(index.metadata, part, [], parts=parts, mark=mark)
    draft = zenodo.find_draft(mark) if notes.asked else None
    if draft is None:
        notes.asked = True
        journal.save()
        draft = zenodo.create(metadata, adopt=lambda: zenodo.find_draft(mark))
    notes.draft = draft.id
    journal.save()
    return draft


def link(zenodo: Zenodo, journal: DepositJournal, index: ArchiveIndex, drafts: list[Draft]) -> None:
    """Send the metadata of every draft, with the DOIs of the others, unless that has been sent.

    What people have changed on the site since stays as it is, until the archive says something else.
    """
    dois = [draft.doi for draft in drafts]
    for part, (record, draft) in enumerate(zip(index.records, drafts, strict=True), 1):
        notes = journal.of(record.name)
        metadata = deposit_metadata(index.metadata, part, dois, parts=len(dois), mark=mark_of(index, part))
        if draft.published or notes.metadata == fingerprint(metadata):
            continue
        zenodo.set_metadata(draft, metadata)
        notes.metadata = fingerprint(metadata)
        journal.save()


def send_record(
    zenodo: Zenodo, journal: DepositJournal, record: Record, draft: Draft, *, folder: Path, progress: Progress
) -> Deposited:
    """Send the files of a record that are not in its draft yet, and delete those that we sent and no longer have.

    Raises:
        DepositError: the record is published and differs.
    """
    notes, there = journal.of(record.name), zenodo.files(draft)
    result = Deposited(record.name, draft, record.bytes)
    if draft.published and (problems := draft_problems(record, there)):
        raise DepositError(
            f"{folder} differs from the published record {draft.doi}, where {problems[0]}; what is published stays: "
            "make a new version on the site."
        )
    for name in [name for name in notes.sent if name in there and name not in record.files]:
        zenodo.delete(draft, there[name])
    if set(notes.sent) != set(record.files):
        notes.sent = list(record.files)
        journal.save()
    for name, digest in record.files.items():
        if name in there and there[name].is_copy(digest):
            result.kept.append(name)
            progress.step(digest.bytes)
            continue
        zenodo.upload(draft, folder / name, digest, progress.step)
        result.sent.append(name)
    return result


def complete(zenodo: Zenodo, journal: DepositJournal, index: ArchiveIndex, part: int) -> Deposited:
    """Return a record whose draft holds exactly what the archive has.

    Raises:
        DepositError: it does not, or there is no draft.
    """
    record = index.records[part - 1]
    notes = journal.of(record.name)
    draft = None if notes.draft is None else zenodo.draft(notes.draft)
    again = "run `nucleusnet deposit` without --publish first."
    if draft is None:
        raise DepositError(f"{journal.site} has no draft of {record.name}; {again}")
    if not notes.metadata:
        raise DepositError(f"{journal.site}: the metadata of draft {draft.id} were not sent yet; {again}")
    if problems := draft_problems(record, zenodo.files(draft)):
        raise DepositError(
            f"{journal.site}: draft {draft.id} does not hold the files of {record.name}: {'; '.join(problems[:10])}; "
            f"{again}"
        )
    return Deposited(record.name, draft, record.bytes, kept=list(record.files))


def draft_problems(record: Record, there: dict[str, DraftFile]) -> list[str]:
    """Return in words which files are missing or differ."""
    missing = [f"{name} is missing" for name in record.files if name not in there]
    other = [
        f"{name} has {there[name].bytes:,} bytes and the MD5 {there[name].md5}"
        for name, digest in record.files.items()
        if name in there and not there[name].is_copy(digest)
    ]
    return missing + other
