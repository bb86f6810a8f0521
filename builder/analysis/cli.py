"""The verbs that study images and datasets: parse, call, report."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.contract import BARE_NAME, NUCLEI_PER_RUN
from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    CHANNEL,
    CHANNELS,
    DATASET,
    MASK_SUFFIX,
    MASKS,
    NUCLEI,
    ONLY,
    OUTPUT,
    OVERWRITE,
    PREFER,
    QUIET,
    RECURSIVE,
    SHOWN_CHANNEL,
    SOURCE,
    WITHOUT,
    WORKERS,
    available_cores,
)
from nucleusnet_core.terminal.outputs import output_file
from nucleusnet_core.terminal.wording import counted

from .nucleus_ranking import Centre, Metric

BY = typer.Option(
    metavar="COLUMN",
    help="Column whose values are the groups, such as one of the sample sheet.",
    rich_help_panel=DATASET,
)


def stats(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of stitched images and masks, a CSV, or a dataset: a folder, its URL, or owner/name on the "
            "Hub. Default: the dataset ./nucleusnet, else $NUCLEUSNET_DATA, else $NUCLEUSNET_REPO.",
            show_default=False,
        ),
    ] = BARE_NAME,
    *,
    masks: MASKS = None,
    mask_suffix: MASK_SUFFIX = None,
    recursive: RECURSIVE = False,
    allow_pickle: ALLOW_PICKLE = False,
    prefer: PREFER = None,
    channels: CHANNELS = None,
    channel: CHANNEL = None,
    workers: WORKERS = None,
    by: Annotated[str | None, BY] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of representatives to show.", rich_help_panel=OUTPUT)] = 10,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the numbers of all images as a .csv.", show_default=False, rich_help_panel=OUTPUT),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write a scatter plot for print: a .png, .svg or .pdf.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Write a scatter plot that names the images: one .html, which works offline.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    panoramas: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of a panorama.html of `nucleusnet browse`; images of --page link to it.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is at --csv, --plot and --page.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Count and measure stitched images, and find those that represent all of them.

    Measured are the number of ROIs (regions of interest, the labels of a mask) and, over all pixels under the mask,
    mean and standard deviation of the intensity. The representatives are the images nearest to the mean of all, after
    numbers of ROIs and mean intensities are scaled to a standard deviation of 1.

    Of a dataset, only its table of stitched images is read (config stitched), and no pixel. A CSV has the columns
    image, num_rois, mean_intensity and std_intensity, separated by commas, semicolons or tabs.

    With --by treatment, a second table has one row for each value of that column of a dataset: images, ROIs, nuclei
    kept in the dataset, and the mean of the images' mean intensities, each image counting once as in the centroid.

    Example: nucleusnet stats nucleusnet --csv stitched.csv --page stitched.html
    """
    from nucleusnet_core.inputs.channels import ChannelOptions
    from nucleusnet_core.inputs.pairs import FindOptions

    from . import scatter_page, scatter_plot
    from .groups import groups_json, groups_text
    from .statistics import notes, rank_images, ranking_json, ranking_text
    from .statistics_csv import write_statistics_csv
    from .statistics_source import FolderOptions, input_files, source_statistics

    find = FindOptions(
        masks,
        tuple(mask_suffix or ()),
        recursive=recursive,
        prefer=prefer or "",
        allow_pickle=allow_pickle,
        channels=ChannelOptions.of_text(channels, channel),
    )
    options = FolderOptions(find, workers or available_cores())
    if panoramas is not None:
        if page is None:
            raise UsageError("--panoramas is an address that images of --page link to; give --page too.")
        scatter_page.check_panoramas(panoramas)
    known = {"--csv": (".csv",), "--plot": scatter_plot.SUFFIXES, "--page": scatter_page.SUFFIXES}
    wanted = {option: path for option, path in zip(known, (csv, plot, page), strict=True) if path is not None}
    inputs = input_files(source, options) if wanted else []
    for option, path in wanted.items():
        output_file(path, suffixes=known[option], overwrite=overwrite, inputs=inputs, option=option)
    if plot is not None:
        scatter_plot.check_matplotlib()
    with Bars(quiet=quiet) as bars:
        measured = source_statistics(source, options, bars, by)
    ranking = rank_images(measured.images)
    if csv is not None:
        write_statistics_csv(csv, measured.images)
    if as_json:
        print(json.dumps(ranking_json(ranking, top) | (groups_json(by, measured.groups) if by is not None else {})))
    else:
        print(ranking_text(ranking, top) + (f"\n\n{groups_text(by, measured.groups)}" if by is not None else ""))
    say(notes(ranking, top))
    if plot is not None:
        scatter_plot.write_scatter_plot(plot, ranking, top)
    if page is not None:
        scatter_page.write_scatter_page(page, ranking, top, panoramas=panoramas)
    if measured.failures:
        say([f"{counted(len(measured.failures), 'image is', 'images are')} not in these numbers:"])
        say([f"  {failure.name}: {failure.message}" for failure in measured.failures])
        raise typer.Exit(1)


def mosaic(
    source: SOURCE = BARE_NAME,
    *,
    per_run: Annotated[
        int, typer.Option(help=f"Nuclei of each row, 1 to {NUCLEI_PER_RUN}.", rich_help_panel=NUCLEI)
    ] = NUCLEI_PER_RUN,
    by: Annotated[str, BY] = "run_name",
    out: Annotated[
        Path,
        typer.Option(
            help="Where to write the mosaic, a .png or .tif; its legend is written beside it.", rich_help_panel=OUTPUT
        ),
    ],
    channel: SHOWN_CHANNEL = None,
    overwrite: OVERWRITE = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Show random nuclei of every run as one grid, one row for each run, or for each value of another column.

    Every nucleus is a tile at its full size with raw camera values. The legend, OUT_legend.csv, says which nucleus lies
    in which row and column, counted from 0. The nuclei are those of config 10k, the dataset's random selection of 100
    nuclei of each run. Of several channels, a .tif has a page each; a .png shows the one that --channel names.

    Example: nucleusnet mosaic nucleusnet --out nucleusnet-10k.png
    """
    from nucleusnet_core.dataset import open_dataset

    from .mosaic import channels_of_mosaic, mosaic_tiles, plan_mosaic
    from .mosaic_file import SUFFIXES, check_writer, legend_path, mosaic_json, mosaic_text, write_mosaic

    output_file(out, suffixes=SUFFIXES, overwrite=overwrite)
    output_file(legend_path(out), suffixes=(".csv",), overwrite=overwrite, option="The legend of --out")
    check_writer(out)
    opened = open_dataset(source)
    channels = channels_of_mosaic(opened, channel, paged=out.suffix.lower() != ".png")
    planned = plan_mosaic(opened, per_run, by, channels)
    with Bars(quiet=quiet) as bars:
        write_mosaic(out, opened, planned, mosaic_tiles(opened, planned, bars))
    print(json.dumps(mosaic_json(planned, out)) if as_json else mosaic_text(planned, out))


def representatives(
    source: SOURCE = BARE_NAME,
    *,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to look at, or several, such as train+test; default: all.",
            show_default=False,
            rich_help_panel=DATASET,
        ),
    ] = None,
    n: Annotated[int, typer.Option(help="Number of nuclei, with --by of each group.", rich_help_panel=NUCLEI)] = 12,
    by: Annotated[str | None, BY] = None,
    centre: Annotated[
        Centre, typer.Option(help="What counts as the middle of all nuclei.", rich_help_panel=NUCLEI)
    ] = Centre.mean,
    metric: Annotated[
        Metric, typer.Option(help="How the distance to the middle is measured.", rich_help_panel=NUCLEI)
    ] = Metric.euclidean,
    without: WITHOUT = None,
    only: ONLY = None,
    out: Annotated[Path, typer.Option(help="Where to write the contact sheet, a .png.", rich_help_panel=OUTPUT)] = Path(
        "nucleusnet-representatives.png"
    ),
    channel: SHOWN_CHANNEL = None,
    overwrite: OVERWRITE = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Find the nuclei nearest to the middle of all by their measurements, and show them.

    Compared are area, axes, eccentricity and intensities (mean, standard deviation, maximum, sum), each scaled to mean
    0 and standard deviation 1 (z-scored); of several channels, the first is compared and all are shown. They are read
    from the dataset's table of measurements (config metadata); of the images, only those of the chosen nuclei are
    fetched. Nuclei that look wrong are compared too, unless --without names their warnings.

    With --by treatment, --n nuclei of each value of that column are chosen, each value for itself: its nuclei are
    scaled and compared as if the dataset held no others. They are shown one value after the other.

    Example: nucleusnet representatives nucleusnet --n 12 --centre geometric-median
    """
    from nucleusnet_core.dataset import open_dataset
    from nucleusnet_core.shards.warning_filter import WarningFilter

    from .representatives import fetch_crops, find_representatives
    from .representatives_report import (
        representatives_json,
        representatives_notes,
        representatives_text,
        write_contact_sheet,
    )

    wanted = WarningFilter(tuple(without or ()), tuple(only or ()))
    output_file(out, suffixes=(".png",), overwrite=overwrite)
    opened = open_dataset(source)
    splits = [part.strip() for part in split.split("+")] if split is not None else []
    with Bars(quiet=quiet) as bars:
        bars.begin("representatives", 2, unit="step")
        found = find_representatives(opened, n, splits=splits, centre=centre, metric=metric, by=by, wanted=wanted)
        bars.step()
        crops = fetch_crops(opened, found, channel)
        bars.step()
    write_contact_sheet(out, found, crops)
    shown = representatives_json(found) | {"contact_sheet": str(out)}
    print(json.dumps(shown) if as_json else f"{representatives_text(found)}\n\ncontact sheet: {out}")
    say(representatives_notes(found))


def say(lines: Sequence[str]) -> None:
    """Print messages to stderr."""
    for line in lines:
        print(line, file=sys.stderr)
