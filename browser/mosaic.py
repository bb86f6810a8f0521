"""The nuclei of config 10k as one picture, a row of crops for each run."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_source.arrow_source import read_row_group
from nucleusnet_source.cells import decode_cell
from nucleusnet_source.opened import OpenDataset

MOSAIC_NAME = "10k"
COLUMNS = 100
CELL_PX = 256


def mosaic_strips(opened: OpenDataset) -> Iterator[tuple[int | str, npt.NDArray[np.uint8]]]:
    """Yield run and picture of every run, uint8 (256, 25600): its crops from left to right, black where it has fewer.

    16 bits become 8: the upper ones.

    Args:
        opened: the dataset.
    """
    run: int | str | None = None
    strip, column = _empty(), 0
    for nucleus in _nuclei(opened):
        own = nucleus["stitched_image"] if nucleus["run"] is None else nucleus["run"]
        if own != run or column == COLUMNS:
            if run is not None:
                yield run, strip
            run, strip, column = own, _empty(), 0
        crop = decode_cell(nucleus["image"]["bytes"])
        strip[:, column * CELL_PX : (column + 1) * CELL_PX] = crop if crop.dtype == np.uint8 else crop >> 8
        column += 1
    if run is not None:
        yield run, strip


def _empty() -> npt.NDArray[np.uint8]:
    return np.zeros((CELL_PX, COLUMNS * CELL_PX), np.uint8)


def _nuclei(opened: OpenDataset) -> Iterator[dict[str, Any]]:
    for split in opened.manifest.splits_of("10k"):
        for entry in opened.shards("10k", split):
            for group in range(opened.footer(entry).num_row_groups):
                table = read_row_group(opened, entry, group).select(["stitched_image", "run", "image"])
                for batch in table.to_batches(max_chunksize=COLUMNS):
                    yield from batch.to_pylist()
