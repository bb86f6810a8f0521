"""The nuclei of config 10k as one picture, a row of crops for each run."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import CROP_PX, NUCLEI_PER_RUN
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.runs import runs_of_rows
from nucleusnet_core.shards.tables import read_row_group


def mosaic_strips(opened: OpenDataset) -> Iterator[tuple[int | str, npt.NDArray[np.uint8]]]:
    """Yield run and picture of every run, uint8 (256, 25600): its crops from left to right, black where it has fewer.

    16 bits become 8: the upper ones.

    Args:
        opened: the dataset.
    """
    run: int | str | None = None
    strip, column = _empty(), 0
    for own, cell in _nuclei(opened):
        if own != run or column == NUCLEI_PER_RUN:
            if run is not None:
                yield run, strip
            run, strip, column = own, _empty(), 0
        crop = decode_cell(cell)
        strip[:, column * CROP_PX : (column + 1) * CROP_PX] = crop if crop.dtype == np.uint8 else crop >> 8
        column += 1
    if run is not None:
        yield run, strip


def _empty() -> npt.NDArray[np.uint8]:
    return np.zeros((CROP_PX, NUCLEI_PER_RUN * CROP_PX), np.uint8)


def _nuclei(opened: OpenDataset) -> Iterator[tuple[int | str, bytes]]:
    """Yield run, a number or a name, and cell of every nucleus; the nuclei of a run come together."""
    for split in opened.manifest.splits_of("10k"):
        for entry in opened.shards("10k", split):
            for group in range(opened.footer(entry).num_row_groups):
                table = read_row_group(opened, entry, group).select(["stitched_image", "run", "image"])
                for batch in table.to_batches(max_chunksize=NUCLEI_PER_RUN):
                    images, numbers, cells = (column.to_pylist() for column in batch.columns)
                    for run, cell in zip(runs_of_rows(numbers, images, opened.manifest), cells, strict=True):
                        yield run, cell["bytes"]
