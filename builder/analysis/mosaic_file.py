"""A mosaic as a file, PNG or TIFF, written row by row, with its legend beside it."""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nucleusnet_core.cells.png_chunks import SIGNATURE, chunk
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import atomic_path
from nucleusnet_core.files.spreadsheet import csv_table
from nucleusnet_core.terminal.outputs import writing
from nucleusnet_core.terminal.wording import counted

from .groups import one_and_several
from .mosaic import Mosaic

SUFFIXES = (".png", ".tif", ".tiff")
_FILTER_UP = 2
_COMPRESSION_LEVEL = 6
_TIFF_TILE_STEP_PX = 16
_MOST_PIXELS_PER_UM = 4000
"""A PNG states whole pixels per metre in 32 bits."""


def legend_csv(mosaic: Mosaic) -> str:
    """Return which nucleus lies in which row and column, both from 0."""
    rows: list[tuple[object, ...]] = [("row", "column", mosaic.by, "nucleus_id")]
    for number, (value, tiles) in enumerate(mosaic.rows.items()):
        rows += [(number, column, value, tile.nucleus_id) for column, tile in enumerate(tiles)]
    return csv_table(rows)


def legend_path(out: Path) -> Path:
    """Return where the legend of a mosaic lies, beside it."""
    return out.with_name(f"{out.stem}_legend.csv")


def check_writer(out: Path) -> None:
    """Refuse, before anything is read, a TIFF where no package can write it.

    Raises:
        UsageError: the name is that of a TIFF, and tifffile is not installed.
    """
    if out.suffix.lower() == ".png":
        return
    try:
        import tifffile  # noqa: F401, PLC0415 - only for TIFF, and an extra
    except ImportError as error:
        raise UsageError(
            '--out: tifffile, which writes TIFF, is not installed; run: python -m pip install "nucleusnet[build]", or '
            "give a name that ends in .png."
        ) from error


def write_mosaic(out: Path, opened: OpenDataset, mosaic: Mosaic, tiles: Iterator[npt.NDArray[Any]]) -> None:
    """Write mosaic and legend, both whole or not at all; memory holds one row of tiles and a row group a split.

    Args:
        out: a PNG if its name ends in .png, else a TIFF.
        opened: the dataset.
        mosaic: as planned.
        tiles: of the grid, see `mosaic_tiles`.

    Raises:
        OutputError: it cannot be written there.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    scale = mosaic.pixels_per_um
    pixels_per_um = scale if scale is not None and scale < _MOST_PIXELS_PER_UM else None
    with writing(out), atomic_path(legend_path(out)) as legend, atomic_path(out) as partial:
        legend.write_bytes(legend_csv(mosaic).encode())
        if out.suffix.lower() != ".png":
            write_tiff_tiles(partial, tiles, mosaic, opened.manifest.bit_depth, pixels_per_um)
            return
        with partial.open("wb") as file:
            write_png_rows(
                file,
                mosaic_rows(tiles, mosaic.columns),
                shape=mosaic.shape,
                bit_depth=opened.manifest.bit_depth,
                pixels_per_m=round(pixels_per_um * 1e6) if pixels_per_um else None,
            )


def write_tiff_tiles(
    path: Path, tiles: Iterator[npt.NDArray[Any]], mosaic: Mosaic, bit_depth: int, pixels_per_um: float | None
) -> None:
    """Write a TIFF, a page for each channel: every nucleus is a tile of multiples of 16 px, or every row a strip."""
    import tifffile  # noqa: PLC0415 - only for TIFF, and an extra

    side, tiled = mosaic.crop_px, mosaic.crop_px % _TIFF_TILE_STEP_PX == 0
    names = list(mosaic.channels)
    shape = (len(names), *mosaic.shape) if len(names) > 1 else mosaic.shape
    per_cm = 1e4 * pixels_per_um if pixels_per_um else 0.0
    tifffile.imwrite(
        path,
        tiles if tiled else (zlib.compress(rows.tobytes()) for rows in mosaic_rows(tiles, mosaic.columns)),
        shape=shape,
        dtype=f"u{bit_depth // 8}",
        tile=(side, side) if tiled else None,
        rowsperstrip=None if tiled else side,
        photometric="minisblack",
        compression="zlib",
        predictor=tiled,
        bigtiff=math.prod(shape) * bit_depth // 8 > 2**31,
        resolution=(per_cm, per_cm) if per_cm else None,
        resolutionunit="CENTIMETER" if per_cm else None,
        metadata={"axes": "CYX", "channels": names} if len(names) > 1 else None,
        software=False,
        maxworkers=1,
    )


def mosaic_rows(tiles: Iterator[npt.NDArray[Any]], columns: int) -> Iterator[npt.NDArray[Any]]:
    """Yield each row of tiles as pixels, (crop_px, columns * crop_px)."""
    for first in tiles:
        yield np.hstack([first, *(next(tiles) for _ in range(columns - 1))])


def mosaic_json(mosaic: Mosaic, out: Path) -> dict[str, Any]:
    """Return what was drawn as JSON values."""
    height_px, width_px = mosaic.shape
    return {
        "mosaic": str(out),
        "legend": str(legend_path(out)),
        "by": mosaic.by,
        "rows": len(mosaic.rows),
        "columns": mosaic.columns,
        "height_px": height_px,
        "width_px": width_px,
        "nuclei": sum(map(len, mosaic.rows.values())),
        "fewer": mosaic.fewer,
        "without_nuclei": list(mosaic.without),
    }


def mosaic_text(mosaic: Mosaic, out: Path) -> str:
    """Return what was drawn in a few lines for people."""
    said = mosaic_json(mosaic, out)
    one, several = one_and_several(mosaic.by)
    lines = [
        f"{out}: {said['nuclei']:,} nuclei of {counted(said['rows'], one, several)}, "
        f"{said['rows']} x {said['columns']} tiles, {said['height_px']:,} x {said['width_px']:,} px (height x width)",
        f"legend: {said['legend']}",
        *([f"pages: {', '.join(mosaic.channels)}"] if len(mosaic.channels) > 1 else []),
    ]
    if mosaic.fewer:
        fewer = ", ".join(f"{value} ({count})" for value, count in mosaic.fewer.items())
        lines.append(f"{several} with fewer nuclei: {fewer}")
    if mosaic.without:
        lines.append(f"{several} without nuclei, which have no row: {', '.join(mosaic.without)}")
    if mosaic.pixels_per_um is None:
        lines.append("The crops have several scales (column crop_pixels_per_um), so the file states none.")
    return "\n".join(lines)


def write_png_rows(
    file: BinaryIO,
    blocks: Iterable[npt.NDArray[Any]],
    *,
    shape: tuple[int, int],
    bit_depth: int,
    pixels_per_m: int | None,
) -> None:
    """Write a grey PNG with filter Up on every row.

    Args:
        file: open for writing.
        blocks: (rows, width) uint8 or uint16 each; together they are the image from top to bottom.
        shape: (height, width) of the image, px.
        bit_depth: bits of a pixel, 8 or 16.
        pixels_per_m: the scale, None if unknown.

    Raises:
        ValueError: the blocks are not an image of this shape and bit depth.

    Source: W3C, Portable Network Graphics (Third Edition).
    """
    height, width = shape
    file.write(SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, 0, 0, 0, 0)))
    if pixels_per_m is not None:
        file.write(chunk(b"pHYs", struct.pack(">IIB", pixels_per_m, pixels_per_m, 1)))
    packer = zlib.compressobj(_COMPRESSION_LEVEL)
    previous = np.zeros(width * bit_depth // 8, np.uint8)
    done = 0
    for block in blocks:
        if block.shape[1:] != (width,) or block.dtype.itemsize * 8 != bit_depth:
            raise ValueError(f"a block is {block.dtype} {block.shape}, not rows of {width} px of {bit_depth} bits")
        rows = block.astype(f">u{bit_depth // 8}").view(np.uint8)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = _FILTER_UP
        np.subtract(rows[0], previous, out=filtered[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        previous, done = rows[-1].copy(), done + len(rows)
        file.write(chunk(b"IDAT", packer.compress(filtered.data)))
    if done != height:
        raise ValueError(f"the blocks have {done} rows, not {height}")
    file.write(chunk(b"IDAT", packer.flush()))
    file.write(chunk(b"IEND", b""))
