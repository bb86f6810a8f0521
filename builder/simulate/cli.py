"""The verb `simulate`: parse, call, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, NUCLEI, OUTPUT, QUIET, SEED
from nucleusnet_core.terminal.wording import counted

from .parameters import Like, SimulateParameters

_DEFAULT = SimulateParameters()


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where to write the images.")],
    *,
    images: Annotated[int, typer.Option(help="Number of stitched images.", rich_help_panel=NUCLEI)] = _DEFAULT.images,
    size: Annotated[
        int, typer.Option(help="Height and width of an image, px.", rich_help_panel=NUCLEI)
    ] = _DEFAULT.size_px,
    like: Annotated[
        Like,
        typer.Option(
            help="Resemble images of this objective: 100x has 8.0453 px/um, 20x has 2 px/um and small nuclei.",
            rich_help_panel=NUCLEI,
        ),
    ] = Like.oil_100x,
    density: Annotated[
        float | None,
        typer.Option(
            help="Nuclei on a square millimetre; real images at 100x show 275. Default: 1,100 at 100x, 1,200 at 20x.",
            show_default=False,
            rich_help_panel=NUCLEI,
        ),
    ] = None,
    faults: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Plant faults in this share of the nuclei, 0 to 1: blurred, saturated, debris, merged, blank. The "
            "truth files say which, and call cut what the border cuts.",
            rich_help_panel=NUCLEI,
        ),
    ] = _DEFAULT.faults,
    seed: SEED = _DEFAULT.seed,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the simulated images that are there.", rich_help_panel=OUTPUT),
    ] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Make stitched images with masks and truth, to try everything on.

    The images show DAPI-like nuclei at 8.0453 px/um: touching neighbours, nuclei cut by the border, anaphase pairs,
    micronuclei, debris, an empty image. With --like 20x the scale is 2 px/um, and 1,000 x 1,000 px show about 300
    nuclei of about 30 px. samples.csv beside the images says what was done to each run: nucleusnet build stitched
    --samples stitched/samples.csv. Call again to resume.

    Example: nucleusnet simulate stitched --images 12 --size 2000 --seed 0
    """
    from .simulate import simulate as run

    chosen = like.parameters() | ({} if density is None else {"nuclei_per_mm2": density})
    with Bars(quiet=quiet) as bars:
        files = run(
            folder,
            images=images,
            size_px=size,
            seed=seed,
            faults=faults,
            overwrite=overwrite,
            progress=bars,
            **chosen,
        )
    nuclei, there = sum(one.nuclei for one in files), sum(one.was_there for one in files)
    if as_json:
        print(json.dumps({"folder": str(folder), "images": len(files), "nuclei": nuclei}))
        return
    made = f"{counted(len(files), 'image')} of {size} x {size} px, {counted(nuclei, 'nucleus', 'nuclei')}"
    count = "all" if there == len(files) else f"{there:,}"
    print(f"{folder}: {made}{f' ({count} were there already)' if there else ''}")
