"""The verb `simulate`: parse, call, report."""

from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.terminal.bars import bar
from nucleusnet_core.terminal.options import QUIET, SEED
from nucleusnet_core.terminal.wording import counted


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the images go; made if missing.")],
    *,
    images: Annotated[int, typer.Option(help="Number of stitched images.")] = 24,
    size: Annotated[int, typer.Option(help="Height and width of an image, px.")] = 3000,
    density: Annotated[float, typer.Option(help="Nuclei on a square millimetre; real images show 275.")] = 1100.0,
    seed: SEED = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    quiet: QUIET = False,
) -> None:
    """Make stitched images with masks and truth, to try everything on.

    The images show DAPI-like nuclei at 8.0453 px/um: touching neighbours, nuclei cut by the border, anaphase pairs,
    micronuclei, debris, an empty image.

    Example: nucleusnet simulate stitched --images 24 --size 3000 --seed 0
    """
    from .simulate import simulate as run

    with bar("simulate", images, "image", quiet=quiet, delay=0.2) as shown:
        made = run(
            folder,
            images=images,
            size_px=size,
            seed=seed,
            nuclei_per_mm2=density,
            overwrite=overwrite,
            on_image=lambda _files: shown.update(1),
        )
    nuclei = counted(sum(files.nuclei for files in made), "nucleus", "nuclei")
    print(f"{folder}: {counted(len(made), 'image')} of {size} x {size} px, {nuclei}")
