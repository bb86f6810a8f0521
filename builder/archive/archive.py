"""Stitched images and masks, or a dataset folder -> records of zips without compression, ready for a repository."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nucleusnet_core.contract import SUMS_NAME
from nucleusnet_core.errors import ArchiveError, OutputError, UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.disk_space import check_space, disk_failures_reported
from nucleusnet_core.files.hashing import Digest, digest_bytes
from nucleusnet_core.files.spreadsheet import csv_table
from nucleusnet_core.small_files import read_bytes
from nucleusnet_core.terminal.outputs import output_folder, writing
from nucleusnet_core.terminal.progress import NoProgress, Progress

from .crate import crate_json
from .index import INDEX_NAME, ArchiveIndex, Record, alone
from .metadata import RecordMetadata, remember
from .plan import CONTENTS_NAME, CRATE_NAME, Limits, RecordPlan, ZipPlan, plan_records, zip_stem
from .sources import files_to_archive
from .zips import ZipReceipt, write_zip

_MAX_RECEIPT_BYTES = 256 << 20
RECEIPTS_NAME = "receipts"
_SPARE_BYTES = 16 << 20
_RECORD = re.compile(r"record-\d+")


@dataclass(frozen=True)
class ArchiveOptions:
    """What an archive is made from, and how.

    Attributes:
        source: a dataset folder, or a folder of stitched images and masks.
        out: the archive folder.
        metadata: what the records say about themselves.
        limits: what a record and a zip may hold.
        masks: folder of the masks, if they do not lie with the images.
        recursive: look for images and masks in subfolders too.
        overwrite: replace finished zips of other files or limits.
    """

    source: Path
    out: Path
    metadata: RecordMetadata
    limits: Limits
    masks: Path | None = None
    recursive: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class ArchiveResult:
    """A finished archive: its index, and how many zips were written and kept."""

    index: ArchiveIndex
    written: int
    kept: int


def archive(options: ArchiveOptions, progress: Progress | None = None) -> ArchiveResult:
    """Make an archive folder, or go on with one; finished zips of unchanged files are kept.

    `record-1/`, `record-2/` ... hold what goes into one record each: zips, contents.csv, SHA256SUMS, RO-Crate metadata.
    `archive.json` is written last, so an archive without it is not finished.

    Args:
        options: what to archive, and how.
        progress: told of the bytes that are copied.

    Raises:
        ArchiveError: nothing to archive, a file cannot be read or does not fit into a record, links or names that
            cannot be archived, or the archive is in use.
        UsageError: the output lies in the source, or is a folder or file of something else.
        OutputError: finished zips of other files are in the way, the disk is too small, or nothing can be written.
        SourceChangedError: a file changed meanwhile.
        CorruptDataError: a file of a dataset folder is damaged.
    """
    progress = progress or NoProgress()
    files = files_to_archive(options.source, masks=options.masks, recursive=options.recursive)
    stem = zip_stem(options.source)
    records = plan_records(files, stem, options.limits)
    refuse_place(options)
    with alone(options.out):
        receipts = options.out / RECEIPTS_NAME
        receipts.mkdir(parents=True, exist_ok=True)
        finished = finished_zips(options.out, records)
        if not options.overwrite:
            refuse_other_zips(options.out, set(finished))
        remember(options.out, stem, options.metadata)
        (options.out / INDEX_NAME).unlink(missing_ok=True)
        remove_leftovers(options.out, records, set(finished))
        missing = [(record, plan) for record in records for plan in record.zips if plan.name not in finished]
        check_space(options.out, _SPARE_BYTES + sum(plan.most_bytes for _, plan in missing), "the archive")
        progress.begin("archive", sum(file.bytes for _, plan in missing for file in plan.files), unit="B")
        with writing(options.out), disk_failures_reported(options.out):
            for record, plan in missing:
                finished[plan.name] = make_zip(options.out, record, plan, progress.step)
            index = write_index(options, records, finished)
    return ArchiveResult(index, len(missing), len(finished) - len(missing))


def refuse_place(options: ArchiveOptions) -> None:
    """Refuse an output that lies in the source, or is not an archive.

    Raises:
        UsageError: it must not be written there.
        OutputError: the folder around it cannot be made.
    """
    out = options.out
    output_folder(out, inputs=[options.source, *([options.masks] if options.masks else [])])
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"--out: {out} is a file or link; choose another name.")
    if out.is_dir() and any(out.iterdir()) and not (out / RECEIPTS_NAME).is_dir():
        raise UsageError(f"--out: {out} holds something other than an archive; choose another folder.")


def finished_zips(out: Path, records: Sequence[RecordPlan]) -> dict[str, ZipReceipt]:
    """Return the receipts of zips that need not be written again, by name."""
    finished = {}
    for record in records:
        for plan in record.zips:
            receipt = read_receipt(out / RECEIPTS_NAME / f"{plan.name}.json")
            if receipt is not None and receipt.holds(plan, out / record.name / plan.name):
                finished[plan.name] = receipt
    return finished


def refuse_other_zips(out: Path, finished: set[str]) -> None:
    """Refuse to replace finished zips of other files or limits.

    Raises:
        OutputError: one is in the way.
    """
    for path in sorted(out.glob("record-*/*.zip")):
        receipt = read_receipt(out / RECEIPTS_NAME / f"{path.name}.json")
        if path.name not in finished and receipt is not None and receipt.is_of(path):
            raise OutputError(
                f"{path} is a finished zip of other files or limits; choose another --out, or pass --overwrite to "
                "replace what differs."
            )


def read_receipt(path: Path) -> ZipReceipt | None:
    """Return a receipt; a missing or damaged one only costs writing its zip again."""
    try:
        return ZipReceipt.from_json(read_bytes(path, max_bytes=_MAX_RECEIPT_BYTES))
    except (OSError, ValueError):
        return None


def remove_leftovers(out: Path, records: Sequence[RecordPlan], finished: set[str]) -> None:
    """Remove what an earlier call left in the record folders, except finished zips that are still planned.

    Raises:
        OutputError: another file lies there.
    """
    planned = {f"{record.name}/{plan.name}" for record in records for plan in record.zips if plan.name in finished}
    ours = {receipt.name.removesuffix(".json") for receipt in (out / RECEIPTS_NAME).iterdir()}
    ours |= {plan.name for record in records for plan in record.zips} | {CONTENTS_NAME, SUMS_NAME, CRATE_NAME}
    folders = [path for path in out.iterdir() if _RECORD.fullmatch(path.name)]
    for folder in folders:
        if folder.is_symlink() or not folder.is_dir():
            raise OutputError(f"{folder} is a file or link in the place of a folder of the archive; move it away.")
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        partial = path.name.startswith(".") and path.name.endswith(".tmp")
        if path.name not in ours and not partial:
            raise OutputError(f"{path} does not belong to the archive; move it away.")
        if partial or f"{path.parent.name}/{path.name}" not in planned:
            path.unlink()
    for receipt in (out / RECEIPTS_NAME).iterdir():
        if receipt.name.removesuffix(".json") not in finished:
            receipt.unlink()
    for folder in folders:
        if folder.name not in {record.name for record in records}:
            shutil.rmtree(folder)


def make_zip(out: Path, record: RecordPlan, plan: ZipPlan, step: Callable[[int], None]) -> ZipReceipt:
    """Write a zip and then its receipt."""
    (out / record.name).mkdir(exist_ok=True)
    receipt = write_zip(out / record.name / plan.name, plan, step)
    write_bytes_atomic(out / RECEIPTS_NAME / f"{plan.name}.json", receipt.to_json())
    return receipt


def write_index(options: ArchiveOptions, records: Sequence[RecordPlan], zips: dict[str, ZipReceipt]) -> ArchiveIndex:
    """Write the metadata of every record and the index of all, and return the index.

    Raises:
        ArchiveError: a record is too large with its metadata.
    """
    described = []
    for part, record in enumerate(records, 1):
        receipts = [zips[plan.name] for plan in record.zips]
        files = {receipt.name: receipt.digest for receipt in receipts}
        put(options.out / record.name / CONTENTS_NAME, contents_csv(receipts), files)
        notes = {receipt.name: held(receipt) for receipt in receipts} | {CONTENTS_NAME: "Every file of every zip."}
        crate = crate_json(options.metadata, part, len(records), files, notes)
        put(options.out / record.name / CRATE_NAME, crate, files)
        put(options.out / record.name / SUMS_NAME, sums(files), files)
        described.append(Record(record.name, files))
        if (size := described[-1].bytes) > options.limits.record_bytes:
            raise ArchiveError(
                f"{options.out / record.name} has {size:,} bytes with its metadata, more than the "
                f"{options.limits.record_bytes:,} of a record; shorten --description, or raise --record-bytes."
            )
    index = ArchiveIndex(options.metadata, tuple(described))
    write_bytes_atomic(options.out / INDEX_NAME, index.to_json())
    return index


def put(path: Path, data: bytes, files: dict[str, Digest]) -> None:
    """Write a small file of a record and note it among its files."""
    write_bytes_atomic(path, data)
    files[path.name] = digest_bytes(data)


def held(receipt: ZipReceipt) -> str:
    """Return in words what a zip holds."""
    first, last = receipt.members[0].name, receipt.members[-1].name
    return first if len(receipt.members) == 1 else f"{len(receipt.members)} files, {first} to {last}."


def sums(files: dict[str, Digest]) -> bytes:
    """Return the lines of SHA256SUMS; `sha256sum -c SHA256SUMS` reads them."""
    return "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files)).encode()


def contents_csv(receipts: Sequence[ZipReceipt]) -> bytes:
    """Return contents.csv: one line for each file in the zips, with its size and SHA-256."""
    rows: list[tuple[object, ...]] = [("zip", "file", "bytes", "sha256")]
    for receipt in receipts:
        rows += [(receipt.name, member.name, member.bytes, member.sha256) for member in receipt.members]
    return csv_table(rows).encode()
