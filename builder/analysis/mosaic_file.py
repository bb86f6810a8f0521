"""A mosaic as a file, PNG or TIFF, written row by row, with its legend beside it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucleusnet_source.atomic import atomic_path
from nucleusnet_source.errors import NucleusNetError, OutputError, UsageError
from nucleusnet_source.opened import OpenDataset
from nucleusnet_source.outputs import checked_suffix
from nucleusnet_source.wording import counted

from .mosaic import TILE_PX, Mosaic
from .png_rows import write_png_rows

SUFFIXES = (".png", ".tif", ".tiff")
LEGEND_COLUMNS = ("row", "column", "run", "nucleus_id")


def legend_csv(mosaic: Mosaic) -> str:
    """Return which nucleus lies in which row and column, both from 0."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(LEGEND_COLUMNS)
    for number, (run, tiles) in enumerate(mosaic.rows.items()):
        writer.writerows((number, column, run, tile.nucleus_id) for column, tile in enumerate(tiles))
    return sink.getvalue()


def legend_path(out: Path) -> Path:
    """Return where the legend of a mosaic lies, beside it."""
    return out.with_name(f"{out.stem}_legend.csv")


def write_mosaic(out: Path, opened: OpenDataset, mosaic: Mosaic, tiles: Iterator[NDArray[Any]]) -> None:
    """Write mosaic and legend, both whole or not at all; memory holds one row of tiles and a row group a split.

    Args:
        out: a PNG or TIFF, as the name ends.
        opened: the dataset.
        mosaic: as planned.
        tiles: of the grid, see `mosaic_tiles`.

    Raises:
        UsageError: the name ends otherwise, or tifffile is not installed.
        OutputError: it cannot be written there.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    scale = opened.manifest.parameters.get("pixels_per_um")
    pixels_per_um = float(scale) if isinstance(scale, int | float) and 0 < scale < 4000 else None
    kind = checked_suffix("--out", out, *SUFFIXES)
    try:
        with atomic_path(legend_path(out)) as legend, atomic_path(out) as partial:
            legend.write_bytes(legend_csv(mosaic).encode())
            if kind == ".png":
                with partial.open("wb") as file:
                    write_png_rows(
                        file,
                        mosaic_rows(tiles, mosaic.columns),
                        shape=mosaic.shape,
                        bit_depth=opened.manifest.bit_depth,
                        pixels_per_m=round(pixels_per_um * 1e6) if pixels_per_um else None,
                    )
            else:
                write_tiff_tiles(partial, tiles, mosaic.shape, opened.manifest.bit_depth, pixels_per_um)
    except NucleusNetError:
        raise
    except OSError as error:
        raise OutputError(f"{out}: a file that can be written expected ({error}); choose another --out.") from error


def write_tiff_tiles(
    path: Path, tiles: Iterator[NDArray[Any]], shape: tuple[int, int], bit_depth: int, pixels_per_um: float | None
) -> None:
    """Write a tiled TIFF in which every nucleus is one tile.

    Raises:
        UsageError: tifffile is not installed.
    """
    try:
        import tifffile  # noqa: PLC0415 - only for TIFF
    except ImportError as error:
        raise UsageError(
            '--out: tifffile expected for TIFF, none found; python -m pip install "nucleusnet[build]", or write a PNG.'
        ) from error
    per_cm = 1e4 * pixels_per_um if pixels_per_um else 0.0
    tifffile.imwrite(
        path,
        tiles,
        shape=shape,
        dtype=f"u{bit_depth // 8}",
        tile=(TILE_PX, TILE_PX),
        photometric="minisblack",
        compression="zlib",
        predictor=True,
        bigtiff=shape[0] * shape[1] * bit_depth // 8 > 2**31,
        resolution=(per_cm, per_cm) if per_cm else None,
        resolutionunit="CENTIMETER" if per_cm else None,
        metadata=None,
        software=False,
        maxworkers=1,
    )


def mosaic_rows(tiles: Iterator[NDArray[Any]], columns: int) -> Iterator[NDArray[Any]]:
    """Yield each row of tiles as pixels, (256, columns * 256)."""
    for first in tiles:
        yield np.hstack([first, *(next(tiles) for _ in range(columns - 1))])


def mosaic_json(mosaic: Mosaic, out: Path) -> dict[str, Any]:
    """Return what was drawn as JSON values."""
    height_px, width_px = mosaic.shape
    return {
        "mosaic": str(out),
        "legend": str(legend_path(out)),
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
    lines = [
        f"{out}: {said['nuclei']:,} nuclei of {counted(said['rows'], 'run')}, "
        f"{said['rows']} x {said['columns']} tiles, {said['height_px']:,} x {said['width_px']:,} px",
        f"legend: {said['legend']}",
    ]
    if mosaic.fewer:
        lines.append("runs with fewer nuclei: " + ", ".join(f"{run} ({count})" for run, count in mosaic.fewer.items()))
    if mosaic.without:
        lines.append(f"runs without nuclei, which have no row: {', '.join(mosaic.without)}")
    return "\n".join(lines)
