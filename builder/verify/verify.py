"""Checks a dataset folder: every file, every cell, and that all its counts agree."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nucleusnet_core.contract import PROVENANCE_NAME
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.terminal.progress import NoProgress, Progress

from ..dataset_folder import Problem, Report, listed_and_present, read_manifest
from ..workers.engine import in_order, local_workers
from .counts import check_card, check_ids, check_manifest, check_provenance
from .nucleus_warnings import check_nucleus_warnings
from .shards import FileResult, FileTask, check_file, file_tasks

__all__ = ["Problem", "Report", "verify"]

PARALLEL_FROM_BYTES = 64 << 20
"""Less is checked faster than worker processes start."""


def verify(folder: Path, *, workers: int = 1, progress: Progress | None = None) -> Report:
    """Check a dataset folder, and return what is wrong.

    Files are checked against SHA256SUMS and the manifest; images by their checksums and by decoding; the numbers of
    manifest, card, provenance and configs against each other. Nothing outside the folder is read.

    Args:
        folder: the dataset folder.
        workers: number of processes that check files; the report is the same.
        progress: told of files and of the rows in them, then of the comparisons.

    Raises:
        DatasetNotFoundError: there is no manifest, so it is not a dataset folder.
        ManifestError: the manifest is damaged, so that nothing can be compared with it.
    """
    progress = progress or NoProgress()
    manifest = read_manifest(folder)
    report = Report()
    present = listed_and_present(folder, manifest, report)
    tasks = file_tasks(folder, manifest, present)
    progress.begin("files", len(tasks), unit="file")
    results = {}
    for result in check_files(tasks, workers):
        results[result.path] = result
        progress.step(nuclei=result.rows)
    for path in present:
        report.take(path, results[path].problems)
        report.rows += results[path].rows
    check_counts(folder, manifest, results, report, progress)
    return report


def check_files(tasks: list[FileTask], workers: int) -> Iterator[FileResult]:
    """Check files and yield the results, from other processes if the files are large."""
    if workers == 1 or sum(task.shard.bytes for task in tasks if task.shard) < PARALLEL_FROM_BYTES:
        yield from map(check_file, tasks)
        return
    pool = local_workers(min(workers, len(tasks)))
    with contextlib.closing(
        in_order(check_file, tasks, make_executor=pool.make_executor, workers=pool.count)
    ) as results:
        yield from results


def check_counts(
    folder: Path, manifest: Manifest, results: dict[str, FileResult], report: Report, progress: Progress
) -> None:
    """Compare all numbers, as far as the files that hold them can be read."""
    progress.begin("counts", 4, unit="step")
    readable = [shard for shard in manifest.shards if shard.path in results and results[shard.path].readable]
    check_manifest(manifest, report)
    progress.step()
    check_card(folder, manifest, report)
    progress.step()
    check_ids(folder, readable, report)
    check_nucleus_warnings(folder, manifest, readable, report)
    progress.step()
    if PROVENANCE_NAME in results:
        check_provenance(folder, manifest, readable, report)
    progress.step()
