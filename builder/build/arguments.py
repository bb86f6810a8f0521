"""The arguments of the verb `build` that no other verb has."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.terminal.options import (
    DATASET,
    INPUT,
    NUCLEI,
    OUTPUT,
    RUNNING,
)

from ..cutting.recipe import Outside, Recipe


class SamplesMissing(StrEnum):
    """What images get that have no row in the sample sheet."""

    null = "null"


STITCHED = Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif or .png.")]
NAME_PATTERN = Annotated[
    str | None,
    typer.Option(
        help="Regular expression for the whole names of the images, with groups such as run, quarter and position; "
        "images that differ in group channel alone are channels of one; every other group becomes a column. Default: "
        "names like Run72TR_bottom_left.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
SAMPLES = Annotated[
    Path | None,
    typer.Option(
        help="Sample sheet (.csv, .tsv or .parquet): a row for each image, run or well; its other columns become "
        "columns of the dataset.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
SAMPLES_MISSING = Annotated[
    SamplesMissing | None,
    typer.Option(
        help="Leave the columns of the sample sheet empty for images that have no row in it.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
PIXELS_PER_UM = Annotated[
    float | None,
    typer.Option(
        help="Scale of the images in pixels per micrometre; default: what each image states.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
IGNORE_FILE_SCALE = Annotated[
    bool,
    typer.Option(
        "--ignore-file-scale",
        help="Use the scale that you give even where an image states another one.",
        rich_help_panel=INPUT,
    ),
]
RECIPE = Annotated[
    Recipe,
    typer.Option(
        help="How a nucleus is cut: as in the published data, or whole and always turned the same way (refined).",
        rich_help_panel=NUCLEI,
    ),
]
OUTSIDE = Annotated[
    Outside,
    typer.Option(
        help="What a crop shows outside its nucleus: nothing (zero), or the surroundings (keep).",
        rich_help_panel=NUCLEI,
    ),
]
CROP_PX = Annotated[
    int, typer.Option(help="Side of a crop in pixels, with --recipe refined: 32, 40, ... 1024.", rich_help_panel=NUCLEI)
]
FRAME_UM = Annotated[
    float | None,
    typer.Option(
        help="Side of what a crop shows in micrometres, with --recipe refined; default: the pixels of the image.",
        show_default=False,
        rich_help_panel=NUCLEI,
    ),
]
SPLITS = Annotated[
    str, typer.Option(help="Splits and their fractions of the runs; a run is never divided.", rich_help_panel=DATASET)
]
GROUP_BY = Annotated[
    str,
    typer.Option(
        help="Column whose values are never divided between splits, such as well or patient.", rich_help_panel=DATASET
    ),
]
STUDY = Annotated[
    Path | None,
    typer.Option(
        help="Facts about the study for the dataset card, in a file like study.toml.",
        show_default=False,
        rich_help_panel=DATASET,
    ),
]
TASK = Annotated[
    int | None,
    typer.Option(
        min=0, help="Work on this part of the images only, 0 to TASKS - 1.", show_default=False, rich_help_panel=RUNNING
    ),
]
TASKS = Annotated[
    int | None,
    typer.Option(min=1, help="Number of parts, with --task.", show_default=False, rich_help_panel=RUNNING),
]
FINISH = Annotated[
    bool,
    typer.Option("--finish", help="Put together what all tasks have made.", rich_help_panel=RUNNING),
]
FRESH = Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.", rich_help_panel=RUNNING)]
DRY_RUN = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what the build would do, from a look at a few images, and write nothing.",
        rich_help_panel=RUNNING,
    ),
]
LOG = Annotated[
    Path | None,
    typer.Option(
        help="Log file, which is continued; default: in OUT.work, while that exists.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
OUT = Annotated[Path, typer.Option(help="Where to write the dataset folder.", rich_help_panel=OUTPUT)]
