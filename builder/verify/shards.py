"""Checks one file of a dataset folder after the other, in any process: its hash, and every image and row of a shard."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nucleusnet_core.cells.png import are_stored_cells, check_cell, check_checksums, layout_of
from nucleusnet_core.contract import CROP_PX, SUMS_NAME, cell_columns
from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.files.hashing import file_sha256
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.parquet.files import open_parquet

from ..cutting.nucleus_warnings import COLUMNS as DECIDING_COLUMNS
from ..dataset_folder import MAX_PROBLEMS_OF_A_FILE, Problem, Report
from .counts import BY_MANIFEST

_BATCH_ROWS = 4096
_CELL_HEAD_BYTES = 64 << 10
_CROP_SCALES = ("pixels_per_um", "crop_pixels_per_um")
_NEEDED_COLUMNS = {
    "default": ("nucleus_id", "stitched_image", "run_name", *_CROP_SCALES),
    "metadata": ("nucleus_id", "stitched_image", "run_name", *_CROP_SCALES, *DECIDING_COLUMNS, "warnings"),
    "stitched": ("name", "run_name", "pixels_per_um", "scale_source", "num_rois", "kept", "warnings"),
    "10k": ("nucleus_id", "stitched_image", "run_name", *_CROP_SCALES),
}
"""What the other checks rely on, besides the cells."""


@dataclass(frozen=True)
class FileTask:
    """One file to check; all of it can be pickled.

    Attributes:
        folder: the dataset folder.
        path: of the file, relative to `folder`.
        sha256: from SHA256SUMS.
        shard: its entry in the manifest, if it is a shard.
        beside: paths of config metadata that hold the same rows, for a shard of config default.
        first_row: row of those where this shard begins.
        crop_px: side of its images and masks, px.
        cells: columns of configs default and 10k that hold images and masks.
    """

    folder: Path
    path: str
    sha256: str
    shard: ShardEntry | None = None
    beside: tuple[str, ...] = ()
    first_row: int = 0
    crop_px: int = CROP_PX
    cells: tuple[str, ...] = cell_columns(())


@dataclass(frozen=True)
class FileResult:
    """What the check of one file found.

    Attributes:
        path: of the file.
        rows: rows of config default whose cells were checked.
        readable: whether a Parquet file can be read to its end.
        problems: what is wrong.
    """

    path: str
    rows: int = 0
    readable: bool = True
    problems: list[Problem] = field(default_factory=list)


def file_tasks(folder: Path, manifest: Manifest, present: dict[str, str]) -> list[FileTask]:
    """Return one task for each file, large ones first."""
    shards = {shard.path: shard for shard in manifest.shards}
    first_rows: dict[str, int] = {}
    for split in manifest.splits:
        row = 0
        for shard in manifest.shards_of("default", split):
            first_rows[shard.path] = row
            row += shard.rows
    tasks = []
    for path, sha256 in present.items():
        entry = shards.get(path)
        beside: tuple[str, ...] = ()
        if entry is not None and entry.config == "default":
            beside = tuple(s.path for s in manifest.shards_of("metadata", entry.split) if s.path in present)
        first_row = first_rows.get(path, 0)
        cells = cell_columns(manifest.channels) if entry is not None and entry.config in ("default", "10k") else ()
        tasks.append(FileTask(folder, path, sha256, entry, beside, first_row, manifest.crop_px, cells))
    return sorted(tasks, key=lambda task: (-(task.shard.bytes if task.shard else 0), task.path))


def check_file(task: FileTask) -> FileResult:
    """Return what is wrong with a file: its hash, and every row and image of a shard."""
    report = Report()
    path = task.folder / task.path
    try:
        size, digest = path.stat().st_size, file_sha256(path)
    except OSError as error:
        return FileResult(task.path, 0, False, [Problem(task.path, f"it cannot be read ({error}).")])
    report.compare(task.path, "its SHA-256", digest, task.sha256, f"in {SUMS_NAME}")
    if task.shard is None:
        return FileResult(task.path, 0, True, report.problems)
    report.compare(task.path, "its number of bytes", size, task.shard.bytes, BY_MANIFEST)
    report.compare(task.path, "its SHA-256", digest, task.shard.sha256, BY_MANIFEST)
    rows, readable = 0, True
    try:
        rows = check_rows(task, task.shard, report)
    except (pa.ArrowException, OSError, KeyError, ValueError, CorruptDataError) as error:
        readable = False
        report.add(task.path, f"it is damaged, or lacks columns of its config ({error}).")
    return FileResult(task.path, rows if task.shard.config == "default" else 0, readable, report.problems)


def check_rows(task: FileTask, shard: ShardEntry, report: Report) -> int:
    """Check every row group of a shard, and return its number of rows."""
    beside = MetadataRows(task.folder, task.beside, task.first_row)
    cell_bytes, sha256 = 2 * task.crop_px**2 + _CELL_HEAD_BYTES, shard.footer_sha256
    with open_parquet(task.folder / task.path, sha256=sha256, cell_bytes=cell_bytes) as file:
        report.compare(task.path, "its number of rows", file.metadata.num_rows, shard.rows, BY_MANIFEST)
        for name in (*task.cells, *_NEEDED_COLUMNS.get(shard.config, ())):
            file.schema.field(name)
        row = 0
        for group in range(file.metadata.num_row_groups):
            table = file.read_row_group(group)
            for name in task.cells:
                check_cells(table.column(name), task, name, row, report)
            check_facts(table, task.path, row, report)
            if shard.config == "default":
                plain = table.drop_columns(list(task.cells))
                compare_rows(task.path, row, plain, beside.take(table.num_rows), report)
            row += table.num_rows
    return row


def check_facts(table: pa.Table, path: str, first_row: int, report: Report) -> None:
    """Check that every row of a row group names its run and has a scale."""
    wrong = {"run_name": pc.is_null(table.column("run_name"))}
    for name in _CROP_SCALES:
        if name in table.column_names:
            scale = table.column(name)
            wrong[name] = pc.invert(pc.fill_null(pc.and_(pc.greater(scale, 0), pc.is_finite(scale)), False))
    for name, rows in wrong.items():
        must = "a text" if name == "run_name" else "a number above 0"
        for row in pc.indices_nonzero(rows).to_pylist()[:MAX_PROBLEMS_OF_A_FILE]:
            value = table.column(name)[row].as_py()
            report.add(f"{path}, row {first_row + row}, column {name}", f"it is {value}; it must be {must}.")


def check_cells(cells: pa.ChunkedArray, task: FileTask, column: str, first_row: int, report: Report) -> None:
    """Check the images of one column of a row group."""
    row = first_row
    for chunk in cells.chunks:
        for message in cell_problems(chunk.field("bytes"), task.crop_px):
            if message is not None:
                report.add(f"{task.path}, row {row}, column {column}", message)
            row += 1


def cell_problems(payloads: pa.BinaryArray, crop_px: int) -> Iterator[str | None]:
    """Yield what is wrong with each PNG, None for nothing.

    Cells of one size are looked at together for the bytes that are the same in all stored cells; only their checksums
    are left to be checked one by one.
    """
    stored: npt.NDArray[np.bool_] = np.zeros(len(payloads), np.bool_)
    together = cells_together(payloads)
    layout = layout_of(together[0].tobytes()) if together is not None else None
    if together is not None and layout is not None and layout.cell_bytes == together.shape[1]:
        stored = are_stored_cells(together, layout)
    for number, is_stored in enumerate(stored.tolist()):
        try:
            if is_stored and together is not None and layout is not None:
                check_checksums(together[number].data, layout)
            else:
                check_cell(payloads[number].as_py() or b"")
        except CorruptDataError as error:
            yield str(error)
        else:
            yield size_problem(payloads[number].as_buffer(), crop_px)


def size_problem(cell: pa.Buffer, crop_px: int) -> str | None:
    """Return what is wrong with the size that the header of a sound PNG states, None for nothing."""
    width, height = struct.unpack_from(">II", cell, 16)
    if (width, height) == (crop_px, crop_px):
        return None
    return f"it has {height} x {width} px, and {BY_MANIFEST} crop_px is {crop_px}; build the dataset again."


def cells_together(payloads: pa.BinaryArray) -> npt.NDArray[np.uint8] | None:
    """Return binary values of one size as uint8 (n, size) without copying them, None if they differ or are missing."""
    if len(payloads) == 0 or payloads.null_count or payloads.type != pa.binary():
        return None
    _, offsets_buffer, data = payloads.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[payloads.offset : payloads.offset + len(payloads) + 1]
    sizes = np.diff(offsets)
    if sizes[0] == 0 or (sizes != sizes[0]).any():
        return None
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].reshape(len(payloads), sizes[0])


class MetadataRows:
    """The rows of some files of config metadata in order, from a first row on, any number at a time."""

    def __init__(self, folder: Path, paths: tuple[str, ...], first_row: int) -> None:
        self.batches = (batch for path in paths for batch in read_batches(folder / path))
        self.waiting: list[pa.RecordBatch] = []
        self.skip = first_row

    def take(self, count: int) -> pa.Table | None:
        """Return the next `count` rows, or fewer at the end; None after the last."""
        wanted = self.skip + count
        have = sum(batch.num_rows for batch in self.waiting)
        while have < wanted and (batch := next(self.batches, None)) is not None:
            dropped = min(self.skip, batch.num_rows) if not self.waiting else 0
            self.skip -= dropped
            wanted -= dropped
            if dropped < batch.num_rows:
                self.waiting.append(batch.slice(dropped))
                have += batch.num_rows - dropped
        if not self.waiting:
            return None
        table = pa.Table.from_batches(self.waiting)
        self.waiting = table.slice(count).to_batches()
        return table.slice(0, count)


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in batches."""
    with open_parquet(path) as file:
        for group in range(file.metadata.num_row_groups):
            yield from file.read_row_group(group).to_batches(max_chunksize=_BATCH_ROWS)


def compare_rows(path: str, first_row: int, rows: pa.Table, beside: pa.Table | None, report: Report) -> None:
    """Compare the rows of a row group with the same rows of config metadata."""
    where = f"{path}, rows {first_row} to {first_row + rows.num_rows - 1}"
    if beside is None or beside.num_rows != rows.num_rows:
        found = 0 if beside is None else beside.num_rows
        report.compare(where, "the number of the same rows in config metadata", found, rows.num_rows, "here")
        return
    report.compare(where, "the list of columns", rows.column_names, beside.column_names, "in config metadata")
    for name in rows.column_names:
        if name not in beside.column_names or not rows.column(name).equals(beside.column(name)):
            report.add(where, f"column {name} has other values in config metadata.")
