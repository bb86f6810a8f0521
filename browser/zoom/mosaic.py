"""The nuclei of config 10k as one picture, a row of crops for each run, or other group that splits keep together."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.contract import NUCLEI_PER_RUN, TEN_K
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import SelectionError
from nucleusnet_core.runs import natural_order
from nucleusnet_core.shards.tables import common_scale, read_columns, read_row_group, walk_row_groups
from nucleusnet_core.terminal.progress import Progress

from .libvips import vips
from .panorama_folder import folder_entry
from .pyramids import THUMBNAIL_NAME, write_pyramid, write_thumbnail


def write_mosaic(
    opened: OpenDataset, out: Path, quality: int, *, progress: Progress, stop: threading.Event
) -> dict[str, Any]:
    """Write the mosaic into a folder of its own.

    Args:
        opened: the dataset.
        out: the folder of all panoramas.
        quality: of the JPEG tiles, 1 to 100.
        progress: moved by runs, then by rows of pixels.
        stop: ends the work when it is set.

    Returns:
        What the list of panoramas says about it.

    Raises:
        SelectionError: the dataset has no config 10k.
        OutputError: it cannot be written.
    """
    folder = out / TEN_K
    folder.mkdir()
    raw = folder / "pixels.raw"
    runs = _store_strips(opened, raw, progress, stop)
    # Runs come split by split; on the page they come by number, and those with a name after them.
    order = sorted(range(len(runs)), key=lambda place: natural_order(runs[place]))
    crop_px = opened.manifest.crop_px
    width = NUCLEI_PER_RUN * crop_px
    stored = vips().Image.rawload(str(raw), width, crop_px * len(runs), 1)
    strips = [stored.crop(0, place * crop_px, width, crop_px) for place in order]
    picture = vips().Image.arrayjoin(strips, across=1).copy(interpretation="b-w")
    progress.begin("mosaic", picture.height, unit="row")
    suffix = f".jpg[Q={quality}]"
    write_pyramid(picture, folder / "image.szi", suffix=suffix, shrink="mean", progress=progress, stop=stop)
    write_thumbnail(picture, folder / THUMBNAIL_NAME)
    entry = folder_entry("mosaic", folder, (picture.width, picture.height))
    del stored, strips, picture  # else Windows does not delete what they read
    raw.unlink()
    del entry["files"][raw.name]
    return entry | {
        "pixels_per_um": common_scale(read_columns(opened, TEN_K, ["crop_pixels_per_um"])["crop_pixels_per_um"]),
        "cell_px": crop_px,
        "by": opened.manifest.group_by,
        "runs": [runs[place] for place in order],
    }


def _store_strips(opened: OpenDataset, raw: Path, progress: Progress, stop: threading.Event) -> list[str]:
    """Write the pixels of all strips one below the other; return their runs."""
    progress.begin("reading nuclei of the mosaic", sum(map(len, opened.manifest.runs.values())), unit="run")
    runs: list[str] = []
    with raw.open("wb") as file:
        for run, strip in mosaic_strips(opened):
            if stop.is_set():
                break
            strip.tofile(file)
            runs.append(run)
            progress.step()
    if not runs:
        raise SelectionError(f"{opened.store.name} has no nuclei in config 10k; leave --mosaic out.")
    return runs


def mosaic_strips(opened: OpenDataset) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Yield run and picture of every run, uint8 (crop_px, 100 * crop_px): its crops from left to right, then black.

    16 bits become 8: the upper ones.

    Args:
        opened: the dataset.
    """
    run: str | None = None
    crop_px = opened.manifest.crop_px
    strip, column = _empty(crop_px), 0
    for own, cell in _nuclei(opened):
        if own != run or column == NUCLEI_PER_RUN:
            if run is not None:
                yield run, strip
            run, strip, column = own, _empty(crop_px), 0
        crop = decode_cell(cell)
        strip[:, column * crop_px : (column + 1) * crop_px] = crop if crop.dtype == np.uint8 else crop >> 8
        column += 1
    if run is not None:
        yield run, strip


def _empty(crop_px: int) -> npt.NDArray[np.uint8]:
    return np.zeros((crop_px, NUCLEI_PER_RUN * crop_px), np.uint8)


def _nuclei(opened: OpenDataset) -> Iterator[tuple[str, bytes]]:
    """Yield run (or other group) and cell of every nucleus; the nuclei of a run come together."""
    for place in walk_row_groups(opened, TEN_K):
        table = read_row_group(opened, place.entry, place.group).select([opened.manifest.group_by, "image"])
        for batch in table.to_batches(max_chunksize=NUCLEI_PER_RUN):
            runs, cells = (column.to_pylist() for column in batch.columns)
            for run, cell in zip(runs, cells, strict=True):
                yield str(run), cell["bytes"]
