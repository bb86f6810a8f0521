"""Pieces -> shards: the rows of all images, in the order of their hash, in Parquet files of about 300 MB.

A shard holds a range of hashes. Each is written on its own, by opening one memory-mapped piece after the other and
taking the few rows in the range; memory holds the compressed cells of one shard, however many rows there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.contract import ROW_GROUP_ROWS
from nucleusnet_core.manifest import ShardEntry

from ..pieces.receipt import Receipt, piece_path
from .parquet_writer import shard_entry, write_parquet
from .row_groups import Cells, PieceRows, copy_rows, decoded_groups, in_hash_order, read_piece

SHARD_BYTES = 300 << 20
"""About the size of a shard; cells are counted in their compressed size."""
LAST_HASH = 2**64 - 1


@dataclass(frozen=True)
class ShardTask:
    """One shard to write; all of it can be pickled.

    Attributes:
        folder: the dataset folder.
        path: of the shard, relative to `folder`.
        split: name of the split.
        first_hash: first row hash of the shard.
        last_hash: last row hash of the shard, inclusive.
        pieces: the pieces of the split.
        schema: Arrow schema of config default.
        cells: what all cells are to be.
        part: where the rows without images go, for config metadata.
    """

    folder: Path
    path: str
    split: str
    first_hash: int
    last_hash: int
    pieces: tuple[Path, ...]
    schema: pa.Schema
    cells: Cells
    part: Path


def plan_boundaries(hashes: npt.NDArray[np.uint64], cells_bytes: int, shard_bytes: int) -> list[tuple[int, int]]:
    """Return how the sorted hashes of a split are cut into shards.

    Args:
        hashes: row hashes of the split, uint64 (rows,), any order.
        cells_bytes: compressed size of all its cells.
        shard_bytes: how large a shard should be.

    Returns:
        First and last hash (inclusive) of each shard. All but the last hold a multiple of 256 rows, unless two rows
        at a boundary share a hash.
    """
    ordered = np.sort(hashes)
    shards = max(1, round(cells_bytes / shard_bytes))
    groups = -(-len(ordered) // ROW_GROUP_ROWS)
    starts = [(shard * groups // shards) * ROW_GROUP_ROWS for shard in range(shards)]
    firsts = sorted({0, *(int(ordered[start]) for start in starts[1:] if 0 < start < len(ordered))})
    return list(zip(firsts, [*(first - 1 for first in firsts[1:]), LAST_HASH], strict=True))


def row_hashes(pieces: Sequence[Path]) -> npt.NDArray[np.uint64]:
    """Return the row hashes of at least one piece, uint64 (rows,)."""
    return np.concatenate([read_piece(path).column("row_hash").to_numpy().copy() for path in pieces])


def write_shard(task: ShardTask) -> ShardEntry:
    """Write one shard, and its rows without images for config metadata.

    Raises:
        CorruptDataError: a piece is damaged.
    """
    rows = gather(task.pieces, task.first_hash, task.last_hash)
    for path in (task.folder / task.path, task.part):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(task.folder / task.path, task.schema, decoded_groups(rows, task.schema, task.cells))
    plain = rows.plain.drop_columns(["row_hash"])
    with pa.OSFile(str(task.part), "wb") as sink, pa.ipc.new_file(sink, plain.schema) as writer:
        writer.write_table(plain)
    return shard_entry(task.folder, task.path, "default", task.split)


def gather(pieces: Sequence[Path], first_hash: int, last_hash: int) -> PieceRows:
    """Return a copy of the rows of a range of hashes (inclusive), with one open piece at a time.

    Rows of a piece lie in the order of their hashes, so its share is one slice.
    """
    parts = []
    for path in pieces:
        piece = read_piece(path)
        hashes = piece.column("row_hash").to_numpy()
        start = int(np.searchsorted(hashes, np.uint64(first_hash), "left"))
        stop = int(np.searchsorted(hashes, np.uint64(last_hash), "right"))
        if start < stop:
            parts.append(copy_rows(piece, start, stop))
        del piece, hashes
    return in_hash_order(parts)


def shard_tasks(
    receipts: Mapping[str, Sequence[Receipt]],
    pieces_dir: Path,
    *,
    folder: Path,
    parts: Path,
    schema: pa.Schema,
    cells: Cells,
) -> list[ShardTask]:
    """Return one task for each shard of all splits.

    Args:
        receipts: receipts with kept nuclei, by split.
        pieces_dir: where the pieces lie.
        folder: the dataset folder.
        parts: folder for the rows without images.
        schema: Arrow schema of config default.
        cells: what all cells are to be.
    """
    tasks: list[ShardTask] = []
    for split, group in receipts.items():
        pieces = tuple(piece_path(pieces_dir, receipt.stem) for receipt in group)
        cells_bytes = sum(receipt.cells_bytes for receipt in group)
        ranges = plan_boundaries(row_hashes(pieces), cells_bytes, SHARD_BYTES)
        for number, (first, last) in enumerate(ranges):
            name = f"{split}-{number:05d}-of-{len(ranges):05d}"
            facts: dict[str, Any] = {"schema": schema, "cells": cells, "part": parts / f"{name}.arrow"}
            tasks.append(ShardTask(folder, f"data/{name}.parquet", split, first, last, pieces, **facts))
    return tasks
