"""The verbs that study a dataset: parse, call, report."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.terminal.bars import Bars, bar
from nucleusnet_core.terminal.options import AS_JSON, QUIET, RECURSIVE, available_cores
from nucleusnet_core.terminal.outputs import checked_suffix
from nucleusnet_core.terminal.wording import counted

from .nucleus_ranking import Centre, Metric

DATASET = Annotated[str, typer.Argument(help="The dataset's folder, URL, or owner/name on the Hub.")]


def stats(
    source: Annotated[
        str,
        typer.Argument(help="A folder of stitched images and masks, a CSV, or a dataset's folder, URL or owner/name."),
    ],
    *,
    csv: Annotated[
        Path | None, typer.Option(help="Write all images as a table, in the published form.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of representatives.")] = 10,
    plot: Annotated[
        Path | None, typer.Option(help="Write a scatter plot for print: .png, .svg or .pdf.", show_default=False)
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a scatter plot to point at: one .html that works offline.")
    ] = None,
    panoramas: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Let points of --page link to this panorama.html of `nucleusnet browse`."),
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if another.")] = None,
    recursive: RECURSIVE = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Read masks <name>_seg.npy of images that have no other.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: the cores.", show_default=False)
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Count and measure stitched images, and find those nearest to the centroid.

    Number of ROIs, mean and standard deviation of the intensity over all mask pixels; the representatives are nearest
    to the centroid after z-scoring number of ROIs and mean intensity. Images are measured; of a dataset, config
    stitched is read and no pixel; a CSV has columns image, num_rois, mean_intensity, std_intensity, separated by
    commas, semicolons or tabs.

    Example: nucleusnet stats nucleusnet --csv stitched.csv --page stitched.html
    """
    from nucleusnet_core.terminal.progress import Progress

    from .scatter_page import write_scatter_page
    from .scatter_plot import check_plot, write_scatter_plot
    from .statistics import notes, rank_images, ranking_json, ranking_text
    from .statistics_csv import write_statistics_csv
    from .statistics_source import FolderOptions, source_statistics

    check_outputs({"--csv": csv, "--plot": plot, "--page": page}, source)
    if panoramas is not None and page is None:
        raise UsageError("--panoramas: --page expected with it, none found; points of a page link to panoramas.")
    if page is not None:
        checked_suffix("--page", page, ".html", ".htm")
    if plot is not None:
        check_plot(plot)
    options = FolderOptions(masks, recursive, allow_pickle, workers or available_cores())
    with Bars(quiet=quiet) as bars:
        measured = source_statistics(source, options, Progress(bars.stage, bars.step))
    ranking = rank_images(measured.images)
    if csv is not None:
        write_statistics_csv(csv, measured.images)
    print(json.dumps(ranking_json(ranking, top)) if as_json else ranking_text(ranking, top))
    say(notes(ranking, top))
    if plot is not None:
        write_scatter_plot(plot, ranking, top)
    if page is not None:
        write_scatter_page(page, ranking, top, panoramas=panoramas)
    if measured.failures:
        say([f"{counted(len(measured.failures), 'image is', 'images are')} not in these numbers:"])
        say([f"  {failure.name}: {failure.message}" for failure in measured.failures])
        raise typer.Exit(1)


def mosaic(
    source: DATASET = "nucleusnet",
    *,
    out: Annotated[Path, typer.Option(help="The mosaic, .png or .tif; the legend lies beside it.")],
    per_run: Annotated[int, typer.Option(help="Nuclei of each run, at most 100.")] = 100,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Show the random nuclei of every run (config 10k) as one grid, one row per run.

    Every nucleus is a tile of 256 x 256 px with raw camera values. OUT_legend.csv says which nucleus lies in which row
    and column, counted from 0.

    Example: nucleusnet mosaic nucleusnet --out nucleusnet-10k.png
    """
    from nucleusnet_core.dataset import open_dataset

    from .mosaic import mosaic_tiles, plan_mosaic
    from .mosaic_file import SUFFIXES, legend_path, mosaic_json, mosaic_text, write_mosaic

    checked_suffix("--out", out, *SUFFIXES)
    check_outputs({"--out": out, "the legend of --out": legend_path(out)}, source)
    opened = open_dataset(source)
    planned = plan_mosaic(opened, per_run)
    with bar("mosaic", len(planned.rows) * planned.columns, "tile", quiet=quiet) as shown:
        write_mosaic(out, opened, planned, mosaic_tiles(opened, planned, lambda: shown.update(1)))
    print(json.dumps(mosaic_json(planned, out)) if as_json else mosaic_text(planned, out))


def representatives(
    source: DATASET = "nucleusnet",
    *,
    n: Annotated[int, typer.Option(help="Number of nuclei.")] = 12,
    centre: Annotated[Centre, typer.Option(help="What the middle of all nuclei is.")] = Centre.mean,
    metric: Annotated[Metric, typer.Option(help="How far a nucleus is from it.")] = Metric.euclidean,
    split: Annotated[
        str | None, typer.Option(help="Split, or several: train+test; default: all.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="The contact sheet, a PNG.")] = Path("nucleusnet-representatives.png"),
    as_json: AS_JSON = False,
) -> None:
    """Find the nuclei nearest to the middle of all by their z-scored measurements, and show them.

    Compared are area, axes, eccentricity and intensities (mean, standard deviation, maximum, sum), read from config
    metadata; only the chosen nuclei's images are fetched.

    Example: nucleusnet representatives nucleusnet --n 12 --centre geometric-median
    """
    from nucleusnet_core.dataset import open_dataset

    from .representatives import (
        fetch_crops,
        find_representatives,
        representatives_json,
        representatives_notes,
        representatives_text,
        write_contact_sheet,
    )

    checked_suffix("--out", out, ".png")
    check_outputs({"--out": out}, source)
    opened = open_dataset(source)
    splits = [part.strip() for part in split.split("+")] if split is not None else []
    found = find_representatives(opened, n, splits=splits, centre=centre, metric=metric)
    write_contact_sheet(out, opened, found, fetch_crops(opened, found))
    shown = representatives_json(found) | {"contact_sheet": str(out)}
    print(json.dumps(shown) if as_json else f"{representatives_text(found)}\n\ncontact sheet: {out}")
    say(representatives_notes(found))


def check_outputs(outputs: dict[str, Path | None], source: str) -> None:
    """Refuse, before anything is read, output files that cannot be or that would replace what is read.

    Raises:
        OutputError: one lies in a folder that does not exist, or is a folder.
        UsageError: one is the source itself, or two are the same.
    """
    wanted = {option: path for option, path in outputs.items() if path is not None}
    for option, path in wanted.items():
        if path.is_dir() or not path.absolute().parent.is_dir():
            found = "a folder" if path.is_dir() else "no such folder"
            raise OutputError(f"{option}: a file in an existing folder expected, {found} found at {path}.")
        if path.exists() and Path(source).is_file() and path.samefile(source):
            raise UsageError(f"{option}: another file than the source expected, {path} found; choose another name.")
    if len({path.absolute() for path in wanted.values()}) < len(wanted):
        raise UsageError(f"{', '.join(wanted)}: different files expected, the same found; choose other names.")


def say(lines: Sequence[str]) -> None:
    """Print messages to stderr."""
    for line in lines:
        print(line, file=sys.stderr)
