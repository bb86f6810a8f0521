"""Config `10k`: 100 random nuclei of each run."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from nucleusnet_core.contract import NUCLEI_PER_RUN
from nucleusnet_core.orders import keyed_hashes
from nucleusnet_core.runs import natural_order

from ..pieces.receipt import Receipt, piece_path
from .row_groups import Cells, PieceRows, decoded_groups, read_piece, without_cells


def runs_with_fewer(kept: Mapping[str, int]) -> dict[str, int]:
    """Return the number of nuclei of each run that has fewer than are chosen of a run, runs in natural order."""
    return {run: kept[run] for run in sorted(kept, key=natural_order) if kept[run] < NUCLEI_PER_RUN}


def chosen_tables(
    receipts: Sequence[Receipt], pieces_dir: Path, *, schema: pa.Schema, cells: Cells, seed: int
) -> Iterator[pa.Table]:
    """Yield the nuclei of each run whose keyed hash is smallest, all of a run that has too few.

    Rows are ordered by run, then by that hash. Memory holds the chosen rows of one run and one piece.

    Args:
        receipts: of images with nuclei.
        pieces_dir: where their pieces lie.
        schema: Arrow schema of config 10k.
        cells: what all cells are to be.
        seed: key of the choice.
    """
    groups: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        groups.setdefault(receipt.group, []).append(receipt)
    for group in sorted(groups, key=natural_order):
        pieces = [piece_path(pieces_dir, receipt.stem) for receipt in groups[group]]
        rows = chosen_rows(pieces, seed=seed, count=NUCLEI_PER_RUN)
        yield from decoded_groups(rows, schema, cells)


def chosen_rows(pieces: Sequence[Path], *, seed: int, count: int) -> PieceRows:
    """Return the `count` nuclei of some pieces whose keyed hash is smallest, in its order."""
    ranked: list[tuple[int, str, int, int]] = []
    for number, path in enumerate(pieces):
        ids = read_piece(path).column("nucleus_id").to_pylist()
        hashes = keyed_hashes(ids, seed=seed, purpose="10k").tolist()
        found = zip(hashes, ids, [number] * len(ids), range(len(ids)), strict=True)
        ranked = heapq.nsmallest(count, [*ranked, *found])
    parts = []
    for number, path in enumerate(pieces):
        wanted = [row for _, _, where, row in ranked if where == number]
        parts.append(read_piece(path).take(pa.array(wanted, pa.int64())))
    # Position of each ranked nucleus among the rows of all parts, one part after the other.
    place = np.argsort(np.argsort([where for _, _, where, _ in ranked], kind="stable"), kind="stable")
    part = np.repeat(np.arange(len(parts)), [rows.num_rows for rows in parts])
    row = np.concatenate([np.arange(rows.num_rows) for rows in parts])
    plain = without_cells(parts)
    return PieceRows(plain.take(pa.array(place)).combine_chunks(), parts, part[place], row[place])
