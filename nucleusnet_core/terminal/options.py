"""Options that several verbs have, each stated once, and the groups in which help shows them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..contract import NUCLEUS_WARNINGS
from ..stitched_names import Prefer

INPUT, NUCLEI, DATASET, RUNNING, OUTPUT = GROUPS = ("Input", "Nuclei", "Dataset", "Running", "Output")
"""Headings of the options in a verb's help, in this order: `typer.Option(rich_help_panel=INPUT)`."""

SOURCE = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="The dataset: a folder, its URL, or owner/name on the Hub. Default: ./nucleusnet, else $NUCLEUSNET_DATA, "
        "else $NUCLEUSNET_REPO.",
        show_default=False,
    ),
]
MASKS = Annotated[
    Path | None,
    typer.Option(help="Folder of the masks; default: that of the images.", show_default=False, rich_help_panel=INPUT),
]
RECURSIVE = Annotated[
    bool, typer.Option("--recursive", help="Look for images in subfolders too.", rich_help_panel=INPUT)
]
ALLOW_PICKLE = Annotated[
    bool,
    typer.Option(
        "--allow-pickle", help="Read masks <name>_seg.npy of images that have no other.", rich_help_panel=INPUT
    ),
]
MASK_SUFFIX = Annotated[
    list[str] | None,
    typer.Option(
        metavar="<ending>",
        help="Ending of the names of your masks, such as _nuclei.tif; may be given several times. The usual endings "
        "need none.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
CHANNELS = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Channels to take, by the names that the files give them; or new names of all planes, in their order.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
CHANNEL = Annotated[
    str | None, typer.Option(help="The only channel to take.", show_default=False, rich_help_panel=INPUT)
]
MASK_CHANNEL = Annotated[
    str | None,
    typer.Option(
        help="The channel that the masks were made on; default: the first.", show_default=False, rich_help_panel=INPUT
    ),
]
SHOWN_CHANNEL = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The only channel to show; default: all.", show_default=False, rich_help_panel=OUTPUT
    ),
]
PREFER = Annotated[
    Prefer | None,
    typer.Option(
        help="Which mask to use where <name>_seg.npy is newer than the mask image and differs from it.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
WITHOUT = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD",
        help=f"Leave out nuclei with this warning, one of {', '.join(NUCLEUS_WARNINGS)}; may be given several times.",
        show_default=False,
        rich_help_panel=NUCLEI,
    ),
]
ONLY = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD",
        help="Only nuclei with this warning; may be given several times, for nuclei with any of them.",
        show_default=False,
        rich_help_panel=NUCLEI,
    ),
]
SEED = Annotated[
    int, typer.Option(help="Decides every random choice; the same seed gives the same bytes.", rich_help_panel=RUNNING)
]
WORKERS = Annotated[
    int | None,
    typer.Option(
        min=1, help="Worker processes; default: one for each core.", show_default=False, rich_help_panel=RUNNING
    ),
]
SCHEDULER = Annotated[
    str | None,
    typer.Option(
        help="Run on a Dask cluster: address or file of its scheduler.", show_default=False, rich_help_panel=RUNNING
    ),
]
OVERWRITE = Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out.", rich_help_panel=OUTPUT)]
QUIET = Annotated[bool, typer.Option("--quiet", help="Show no progress.", rich_help_panel=OUTPUT)]
AS_JSON = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to stdout.", rich_help_panel=OUTPUT)
]


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
