"""The verb `simulate`: parse, call, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, NUCLEI, OUTPUT, QUIET, SEED
from nucleusnet_core.terminal.wording import counted

from .parameters import SimulateParameters

_DEFAULT = SimulateParameters()


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where to write the images.")],
    *,
    images: Annotated[int, typer.Option(help="Number of stitched images.", rich_help_panel=NUCLEI)] = _DEFAULT.images,
    size: Annotated[
        int, typer.Option(help="Height and width of an image, px.", rich_help_panel=NUCLEI)
    ] = _DEFAULT.size_px,
    density: Annotated[
        float, typer.Option(help="Nuclei on a square millimetre; real images show 275.", rich_help_panel=NUCLEI)
    ] = _DEFAULT.nuclei_per_mm2,
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
    micronuclei, debris, an empty image. Call again to resume.

    Example: nucleusnet simulate stitched --images 12 --size 2000 --seed 0
    """
    from .simulate import simulate as run

    with Bars(quiet=quiet) as bars:
        files = run(
            folder,
            images=images,
            size_px=size,
            seed=seed,
            nuclei_per_mm2=density,
            overwrite=overwrite,
            progress=bars,
        )
    nuclei, there = sum(one.nuclei for one in files), sum(one.was_there for one in files)
    if as_json:
        print(json.dumps({"folder": str(folder), "images": len(files), "nuclei": nuclei}))
        return
    made = f"{counted(len(files), 'image')} of {size} x {size} px, {counted(nuclei, 'nucleus', 'nuclei')}"
    count = "all" if there == len(files) else f"{there:,}"
    print(f"{folder}: {made}{f' ({count} were there already)' if there else ''}")
