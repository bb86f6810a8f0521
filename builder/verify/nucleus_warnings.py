"""Checks that the warnings of every nucleus follow from its other columns, by the thresholds of the manifest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.contract import MANIFEST_NAME, METADATA, WARNING_THRESHOLDS
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.parquet.files import read_table

from ..cutting.nucleus_warnings import COLUMNS, nucleus_warnings
from ..dataset_folder import Problem, Report


def check_nucleus_warnings(folder: Path, manifest: Manifest, shards: list[ShardEntry], report: Report) -> None:
    """Decide the warnings of all rows of config metadata again, image by image, and compare.

    An image lies in one split, so all of its rows are in the files of that split.

    Args:
        folder: the dataset folder.
        manifest: of the dataset.
        shards: those that can be read.
        report: takes what is wrong.
    """
    thresholds = manifest.parameters.get("warning_thresholds")
    if not isinstance(thresholds, dict) or not _are_thresholds(thresholds):
        report.add(MANIFEST_NAME, f"warning_thresholds lacks a number for one of {', '.join(WARNING_THRESHOLDS)}.")
        return
    for split in manifest.splits_of(METADATA):
        files = [shard for shard in shards if (shard.config, shard.split) == (METADATA, split)]
        if len(files) == len(manifest.shards_of(METADATA, split)):
            columns = ["nucleus_id", "stitched_image", *COLUMNS, "warnings"]
            table = pa.concat_tables(read_table(folder / shard.path, columns=columns) for shard in files)
            report.take(files[0].path, list(_wrong_rows(table, thresholds, files[0].path)))


def _are_thresholds(thresholds: dict[str, Any]) -> bool:
    """Whether there is a number for every threshold."""
    return all(isinstance(thresholds.get(name), int | float) for name in WARNING_THRESHOLDS)


def _wrong_rows(table: pa.Table, thresholds: dict[str, float], path: str) -> Iterator[Problem]:
    """Yield the rows that have other warnings than follow from their columns."""
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in COLUMNS}
    stated, ids = table.column("warnings").to_pylist(), table.column("nucleus_id")
    for rows in _rows_by_image(table.column("stitched_image")):
        words = nucleus_warnings({name: values[rows] for name, values in columns.items()}, thresholds)
        for row, wanted in zip(rows.tolist(), words, strict=True):
            if stated[row] != wanted:
                yield Problem(
                    f"{path}, row {row}, column warnings",
                    f"it is {stated[row]} for {ids[row].as_py()}, but {wanted} follows from the other columns.",
                )


def _rows_by_image(images: pa.ChunkedArray) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the row numbers of each image, int64 (rows,), rising."""
    codes = images.combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
