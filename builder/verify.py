"""Checks a dataset folder: every file, every cell, and that all its counts agree."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_source.cells import check_cell
from nucleusnet_source.errors import CorruptDataError, DatasetNotFoundError, ManifestError
from nucleusnet_source.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, ShardEntry

from .card import CARD_NAME, card_counts
from .folder import SUMS_NAME
from .pieces import KEPT, file_sha256
from .provenance import NO_NUCLEI, PROVENANCE_NAME

_SUMS_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_NOT_MEASURED = ("image", "mask")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    where: str
    message: str


@dataclass
class Report:
    """What a check found.

    Attributes:
        files: number of files checked.
        rows: rows of config default.
        problems: everything that is wrong.
    """

    files: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, message))

    def expect(self, where: str, what: str, expected: object, found: object) -> None:
        """Note a problem if two things differ that should be equal."""
        if expected != found:
            self.add(where, f"{what}: {expected} expected, {found} found")


Stage = Callable[[str, int], None]
Step = Callable[[int, int], None]


def verify(
    folder: Path, *, stage: Stage = lambda _name, _steps: None, step: Step = lambda _steps, _rows: None
) -> Report:
    """Check a dataset folder.

    Files are checked against SHA256SUMS and the manifest; cells by their checksums and by decoding; the numbers of
    manifest, card, provenance and configs against each other. Nothing outside the folder is read.

    Args:
        folder: the dataset folder.
        stage: told of each stage: its name and number of steps.
        step: told of steps and rows done.

    Raises:
        DatasetNotFoundError: there is no manifest, so it is no dataset folder.
        ManifestError: the manifest is damaged, so that nothing can be compared with it.
    """
    manifest = read_manifest(folder)
    report = Report()
    present = check_files(folder, manifest, report, stage, step)
    readable = [shard for shard in manifest.shards if shard.path in present]
    stage("row groups", sum(-(-shard.rows // 256) for shard in readable if shard.config in ("default", "10k")))
    check_configs(folder, manifest, readable, report, step)
    check_card(folder, manifest, report)
    if PROVENANCE_NAME in present:
        check_provenance(folder, manifest, readable, report)
    return report


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        DatasetNotFoundError: there is none.
        ManifestError: it is damaged.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file() or path.is_symlink():
        raise DatasetNotFoundError(f"{folder}: a dataset folder with {MANIFEST_NAME} expected, none found there.")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{path}: at most {MAX_MANIFEST_BYTES} bytes expected, {path.stat().st_size} found.")
    try:
        return Manifest.from_json(path.read_bytes())
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def check_files(folder: Path, manifest: Manifest, report: Report, stage: Stage, step: Step) -> set[str]:
    """Compare every file with SHA256SUMS and the manifest; returns the files that are there and undamaged."""
    listed = read_sums(folder, report)
    found = walk(folder, report)
    for path in sorted(listed.keys() - found):
        report.add(path, f"this file expected from {SUMS_NAME}, none found")
    for path in sorted(found - listed.keys() - {SUMS_NAME, CARD_NAME}):
        report.add(path, f"no such file expected, it is not in {SUMS_NAME}")
    shards = {shard.path: shard for shard in manifest.shards}
    for path in sorted(shards.keys() - listed.keys()):
        report.add(path, f"a line in {SUMS_NAME} expected for this shard of the manifest, none found")
    intact: set[str] = set()
    stage("files", len(found))
    for path in sorted(found & listed.keys()):
        digest = file_sha256(folder / path)
        report.expect(path, "SHA-256", listed[path], digest)
        if path in shards:
            report.expect(path, "SHA-256 in the manifest", shards[path].sha256, digest)
            report.expect(path, "bytes in the manifest", shards[path].bytes, (folder / path).stat().st_size)
        intact |= {path} if digest == listed[path] else set()
        step(1, 0)
    report.files = len(found)
    return intact


def read_sums(folder: Path, report: Report) -> dict[str, str]:
    """Read SHA256SUMS: path to hash."""
    path = folder / SUMS_NAME
    if not path.is_file() or path.is_symlink():
        report.add(SUMS_NAME, "this file expected, none found")
        return {}
    sums: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = _SUMS_LINE.fullmatch(line)
        if match is None:
            report.add(f"{SUMS_NAME}:{number}", f"'<sha256>  <path>' expected, {line!r} found")
        else:
            sums[match[2]] = match[1]
    return sums


def walk(folder: Path, report: Report) -> set[str]:
    """List the files of a folder relative to it; links are a problem and are not followed."""
    found: set[str] = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            report.add(name, "a file expected, a link found; a published folder must not depend on other places")
        elif path.is_file():
            found.add(name)
    return found


def check_configs(folder: Path, manifest: Manifest, shards: list[ShardEntry], report: Report, step: Step) -> None:
    """Check the rows of every config."""
    seen: Counter[str] = Counter()
    for split in manifest.splits:
        default = [shard for shard in shards if (shard.config, shard.split) == ("default", split)]
        beside = Rows(folder, [shard for shard in shards if (shard.config, shard.split) == ("metadata", split)])
        for shard in default:
            rows = check_images(folder, shard, report, step)
            report.rows += rows.num_rows
            seen.update(rows.column("nucleus_id").to_pylist())
            compare_rows(shard, rows, beside.take(rows.num_rows), report)
        report.expect(f"metadata/{split}", "rows beyond those of config default", None, beside.take(1))
        report.expect(f"data/{split}", "rows", manifest.splits[split], manifest.rows("default", split))
    for shard in shards:
        if shard.config == "10k":
            check_images(folder, shard, report, step)
        elif shard.config != "default":
            report.expect(shard.path, "rows", shard.rows, pq.read_metadata(folder / shard.path).num_rows)
    for nucleus_id, count in seen.items():
        if count > 1:
            report.add("data", f"unique ids expected, {nucleus_id} found {count} times")


def check_images(folder: Path, shard: ShardEntry, report: Report, step: Step) -> pa.Table:
    """Check every cell of a shard; returns its rows without the images."""
    kept = []
    with pq.ParquetFile(folder / shard.path) as file:
        report.expect(shard.path, "rows", shard.rows, file.metadata.num_rows)
        row = 0
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            for name in _NOT_MEASURED:
                check_cells(table.column(name), shard.path, name, row, report)
            kept.append(table.drop_columns(list(_NOT_MEASURED)))
            row += table.num_rows
            step(1, table.num_rows)
    return pa.concat_tables(kept) if kept else pa.table({"nucleus_id": pa.array([], pa.string())})


def check_cells(cells: pa.ChunkedArray, path: str, column: str, first_row: int, report: Report) -> None:
    """Check the PNG files of one column of a row group."""
    payloads = (chunk.field("bytes") for chunk in cells.chunks)
    for row, cell in enumerate((cell for payload in payloads for cell in payload), first_row):
        try:
            check_cell(cell.as_buffer() if cell.is_valid else b"")
        except CorruptDataError as error:
            report.add(f"{path}, row {row}, column {column}", str(error))


class Rows:
    """The rows of some shards in order, any number at a time."""

    def __init__(self, folder: Path, shards: list[ShardEntry]) -> None:
        self.batches = (batch for shard in shards for batch in read_batches(folder / shard.path))
        self.waiting: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.Table | None:
        """Return the next `count` rows, or fewer at the end; None if there are none."""
        have = sum(batch.num_rows for batch in self.waiting)
        while have < count and (batch := next(self.batches, None)) is not None:
            self.waiting.append(batch)
            have += batch.num_rows
        if not self.waiting:
            return None
        table = pa.Table.from_batches(self.waiting)
        self.waiting = table.slice(count).to_batches()
        return table.slice(0, count)


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=4096)


def compare_rows(shard: ShardEntry, rows: pa.Table, beside: pa.Table | None, report: Report) -> None:
    """Compare the rows of a shard with the same rows of config metadata."""
    if beside is None or beside.num_rows != rows.num_rows:
        found = 0 if beside is None else beside.num_rows
        report.expect(shard.path, "rows in config metadata", rows.num_rows, found)
        return
    for name in rows.column_names:
        if name not in beside.column_names or not rows.column(name).equals(beside.column(name)):
            report.add(shard.path, f"column {name} like in config metadata expected, other values found there")


def check_card(folder: Path, manifest: Manifest, report: Report) -> None:
    """Compare the numbers of rows that the card states with the manifest."""
    try:
        stated = card_counts((folder / CARD_NAME).read_text("utf-8"))
    except (OSError, ValueError) as error:
        report.add(CARD_NAME, f"a dataset card with a YAML head expected, found: {error}")
        return
    for config in manifest.configs:
        for split in manifest.splits_of(config):
            found = stated.get(config, {}).get(split)
            report.expect(CARD_NAME, f"rows of config {config}, split {split}", manifest.rows(config, split), found)


def check_provenance(folder: Path, manifest: Manifest, shards: list[ShardEntry], report: Report) -> None:
    """Check that every label found is kept or dropped for a reason, image by image, and that runs keep to a split."""
    table = pq.read_table(folder / PROVENANCE_NAME)
    outcomes = Counter(table.column("outcome").to_pylist())
    empty = outcomes.pop(NO_NUCLEI, 0)
    report.expect(PROVENANCE_NAME, "labels found", manifest.found, table.num_rows - empty)
    report.expect(PROVENANCE_NAME, "labels kept", manifest.kept, outcomes.pop(KEPT, 0))
    wanted = {reason: count for reason, count in manifest.dropped.items() if count}
    report.expect(PROVENANCE_NAME, "labels dropped", wanted, dict(outcomes))
    groups = dict(zip(*(table.column(name).to_pylist() for name in ("stitched_image", "run_group")), strict=True))
    split_of = {str(group): split for split, groups in manifest.runs.items() for group in groups}
    if len(split_of) != sum(map(len, manifest.runs.values())):
        report.add(MANIFEST_NAME, "each run in one split expected, a run in two found")
    images = per_image(table)
    for shard in shards:
        if shard.config == "stitched":
            check_stitched(folder, shard, images, report)
        for name in images_of(folder, shard):
            report.expect(shard.path, f"split of {name}", split_of.get(groups.get(name, "")), shard.split)
    for name, counts in images.items():
        if not counts.pop(SEEN, 0):
            report.add(PROVENANCE_NAME, f"a row of config stitched for {name} expected, none found")


SEEN = "seen in config stitched"


def per_image(provenance: pa.Table) -> dict[str, Counter[str]]:
    """Count the outcomes of every stitched image."""
    images: dict[str, Counter[str]] = {}
    columns = (provenance.column(name).to_pylist() for name in ("stitched_image", "outcome"))
    for name, outcome in zip(*columns, strict=True):
        images.setdefault(name, Counter())[outcome] += outcome != NO_NUCLEI
    return images


def images_of(folder: Path, shard: ShardEntry) -> set[str]:
    """Return the stitched images that a shard has rows of."""
    column = "name" if shard.config == "stitched" else "stitched_image"
    return set(pq.read_table(folder / shard.path, columns=[column]).column(0).to_pylist())


def check_stitched(folder: Path, shard: ShardEntry, images: dict[str, Counter[str]], report: Report) -> None:
    """Compare the counts of config stitched with provenance, image by image: found = kept + dropped."""
    for row in pq.read_table(folder / shard.path).to_pylist():
        counts = images.get(row["name"], Counter())
        dropped = {name.removeprefix("dropped_"): row[name] for name in row if name.startswith("dropped_")}
        report.expect(shard.path, f"num_rois of {row['name']}", row["kept"] + sum(dropped.values()), row["num_rois"])
        for outcome, found in {KEPT: row["kept"], **dropped}.items():
            report.expect(shard.path, f"{outcome} of {row['name']}", counts[outcome], found)
        counts[SEEN] += 1
