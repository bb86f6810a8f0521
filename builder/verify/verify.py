"""Checks a dataset folder: every file, every cell, and that all its counts agree."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from nucleusnet_core.contract import PROVENANCE_NAME
from nucleusnet_core.manifest import Manifest

from ..dataset_folder import Problem, Report, listed_and_present, read_manifest
from ..workers.engine import in_order, local_workers
from .counts import check_card, check_ids, check_manifest, check_provenance
from .shards import FileResult, FileTask, check_file, file_tasks

__all__ = ["Problem", "Report", "verify"]

PARALLEL_FROM_BYTES = 64 << 20
"""Less is checked faster than worker processes start."""

Stage = Callable[[str, int], None]
Step = Callable[[int, int], None]


def verify(
    folder: Path,
    *,
    workers: int = 1,
    stage: Stage = lambda _name, _steps: None,
    step: Step = lambda _steps, _rows: None,
) -> Report:
    """Check a dataset folder.

    Files are checked against SHA256SUMS and the manifest; cells by their checksums and by decoding; the numbers of
    manifest, card, provenance and configs against each other. Nothing outside the folder is read.

    Args:
        folder: the dataset folder.
        workers: number of processes that check files; the report is the same.
        stage: told of each stage: its name and number of steps.
        step: told of steps and rows done.

    Raises:
        DatasetNotFoundError: there is no manifest, so it is no dataset folder.
        ManifestError: the manifest is damaged, so that nothing can be compared with it.
    """
    manifest = read_manifest(folder)
    report = Report()
    present = listed_and_present(folder, manifest, report)
    tasks = file_tasks(folder, manifest, present)
    stage("files", len(tasks))
    results = {}
    for result in check_files(tasks, workers):
        results[result.path] = result
        step(1, result.rows)
    for path in present:
        report.take(path, results[path].problems)
        report.rows += results[path].rows
    check_counts(folder, manifest, results, report)
    return report


def check_files(tasks: list[FileTask], workers: int) -> Iterator[FileResult]:
    """Check files, in other processes if they are large."""
    if workers == 1 or sum(task.shard.bytes for task in tasks if task.shard) < PARALLEL_FROM_BYTES:
        yield from map(check_file, tasks)
        return
    pool = local_workers(min(workers, len(tasks)))
    with contextlib.closing(
        in_order(check_file, tasks, make_executor=pool.make_executor, workers=pool.count)
    ) as results:
        yield from results


def check_counts(folder: Path, manifest: Manifest, results: dict[str, FileResult], report: Report) -> None:
    """Compare all numbers, as far as the files they stand in can be read."""
    readable = [shard for shard in manifest.shards if shard.path in results and results[shard.path].readable]
    check_manifest(manifest, report)
    check_card(folder, manifest, report)
    check_ids(folder, readable, report)
    if PROVENANCE_NAME in results:
        check_provenance(folder, manifest, readable, report)
