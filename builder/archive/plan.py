"""Splits files into zips and zips into records, so that no record is larger than a repository takes."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from nucleusnet_core.contract import SUMS_NAME
from nucleusnet_core.errors import ArchiveError, UsageError

from .sources import ArchiveFile

CONTENTS_NAME = "contents.csv"
CRATE_NAME = "ro-crate-metadata.json"
METADATA_FILES = (SUMS_NAME, CONTENTS_NAME, CRATE_NAME)
RECORD_RESERVE_BYTES = 256 << 10
ZIP_RESERVE_BYTES = 4096
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What a repository takes.

    Attributes:
        record_bytes: size of all files of a record; Zenodo takes 50 GB.
        record_files: number of files of a record; Zenodo takes 100.
        zip_bytes: a zip with several files is not made larger than this.

    Source: https://developers.zenodo.org/#quickstart-upload.
    """

    record_bytes: int = 50 * 10**9
    record_files: int = 100
    zip_bytes: int = 10 * 10**9

    def __post_init__(self) -> None:
        """Refuse limits under which nothing fits."""
        least = RECORD_RESERVE_BYTES + ZIP_RESERVE_BYTES
        if self.record_bytes <= least:
            raise UsageError(f"--record-bytes is {self.record_bytes:,}; it must be more than {least:,} bytes.")
        if self.record_files <= len(METADATA_FILES):
            raise UsageError(
                f"--record-files is {self.record_files}; it must be at least {len(METADATA_FILES) + 1}: "
                f"{', '.join(METADATA_FILES)} and one zip."
            )
        if self.zip_bytes < 1:
            raise UsageError(f"--zip-bytes is {self.zip_bytes}; it must be at least 1.")

    @property
    def largest_zip_bytes(self) -> int:
        """Size of the largest zip that a record holds beside its metadata."""
        return self.record_bytes - RECORD_RESERVE_BYTES - ZIP_RESERVE_BYTES


@dataclass(frozen=True)
class ZipPlan:
    """A zip that is to be written: its name and its files, in their order."""

    name: str
    files: tuple[ArchiveFile, ...]

    @property
    def most_bytes(self) -> int:
        """The size of the zip, or a little more."""
        return sum(map(file_cost, self.files))


@dataclass(frozen=True)
class RecordPlan:
    """A record that is to be written: the name of its folder, and its zips."""

    name: str
    zips: tuple[ZipPlan, ...]


def zip_stem(source: Path) -> str:
    """Return what the zips are called: the name of the source folder, in letters that every repository takes.

    >>> zip_stem(Path("/data/CV-1 nuclei (2024)"))
    'CV-1-nuclei-2024'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source.resolve().name).strip("-.")[:100] or "archive"


def parse_bytes(text: str, option: str) -> int:
    """Read a size such as `50GB` or `250000`, in decimal units.

    >>> parse_bytes("50GB", "--record-bytes"), parse_bytes("1.5 kB", "--zip-bytes")
    (50000000000, 1500)

    Raises:
        UsageError: it is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option}: {text!r} is not a size such as 50GB or 250000.")
    return int(Decimal(match[1]) * _UNITS[match[2].lower()])


def file_cost(file: ArchiveFile) -> int:
    """Return what a file takes of a record at most: its bytes, its zip headers, its line in contents.csv.

    Source: sizes of the headers from section 4.3 of PKWARE's APPNOTE.TXT 6.3.10, with all ZIP64 fields.
    """
    name_bytes = len(file.name.encode())
    return file.bytes + (30 + 20 + 46 + 28 + 2 * name_bytes) + (2 * name_bytes + 256)


def plan_records(files: Sequence[ArchiveFile], stem: str, limits: Limits) -> list[RecordPlan]:
    """Plan the zips and records of an archive; the order of the files is kept.

    Args:
        files: what goes in, sorted by name.
        stem: zips are named `<stem>-001.zip` and so on.
        limits: what a record and a zip may hold.

    Returns:
        Records `record-1`, `record-2` ... of zips; files of a group are in one zip unless they are too large for it.

    Raises:
        ArchiveError: a file is larger than a record.
    """
    largest = limits.largest_zip_bytes
    for file in files:
        if file_cost(file) > largest:
            raise ArchiveError(
                f"{file.path} has {file.bytes:,} bytes; in a record of {limits.record_bytes:,} there is room for "
                f"about {largest:,}: raise --record-bytes if the repository takes more."
            )
    units = list(units_of(files, min(largest, limits.zip_bytes)))
    costs = [sum(map(file_cost, unit)) for unit in units]
    packed = [[units[i] for i in pack] for pack in packs(costs, min(largest, limits.zip_bytes), len(units))]
    digits = max(3, len(str(len(packed))))
    zips = [
        ZipPlan(f"{stem}-{number:0{digits}}.zip", tuple(itertools.chain.from_iterable(units)))
        for number, units in enumerate(packed, 1)
    ]
    costs = [plan.most_bytes + ZIP_RESERVE_BYTES for plan in zips]
    most_zips = limits.record_files - len(METADATA_FILES)
    records = packs(costs, limits.record_bytes - RECORD_RESERVE_BYTES, most_zips)
    return [RecordPlan(f"record-{number}", tuple(zips[i] for i in pack)) for number, pack in enumerate(records, 1)]


def units_of(files: Sequence[ArchiveFile], zip_bytes: int) -> Iterator[tuple[ArchiveFile, ...]]:
    """Yield what stays together: the files of a group, or each of them where a zip cannot hold all."""
    groups: dict[str, list[ArchiveFile]] = {}
    for file in files:
        groups.setdefault(file.group, []).append(file)
    for group in groups.values():
        if sum(map(file_cost, group)) <= zip_bytes:
            yield tuple(group)
        else:
            yield from ((file,) for file in group)


def packs(costs: Sequence[int], capacity: int, most: int) -> Iterator[list[int]]:
    """Yield runs of item numbers, in order: each as long as its costs and its number allow, but never empty."""
    pack: list[int] = []
    used = 0
    for item, cost in enumerate(costs):
        if pack and (used + cost > capacity or len(pack) == most):
            yield pack
            pack, used = [], 0
        pack.append(item)
        used += cost
    if pack:
        yield pack
