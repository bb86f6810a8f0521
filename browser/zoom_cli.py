"""The verb `zoom`: parse, call, report."""

from pathlib import Path
from typing import Annotated

import typer


def zoom(
    stitched: Annotated[Path, typer.Argument(help="Folder of the stitched images and masks.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the panoramas.")],
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if another.")] = None,
    dataset: Annotated[
        str, typer.Option(help="What was built of them: a folder, URL, or owner/name on the Hub.")
    ] = "nucleusnet",
    top: Annotated[int, typer.Option(min=1, help="How many of the most representative images.")] = 10,
    images: Annotated[
        list[str] | None, typer.Option("--images", help="A stitched image by name, instead; may be repeated.")
    ] = None,
    join: Annotated[bool, typer.Option("--join", help="Join the images of a coverslip that are there.")] = False,
    mosaic: Annotated[bool, typer.Option("--mosaic", help="Add the nuclei of config 10k as one picture.")] = False,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of the image's tiles.")] = 85,
    seed: Annotated[int, typer.Option(help="Of the colours of the masks.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier panoramas in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Make panoramas to walk through in a web browser: images, masks in random colours, and their outlines.

    Each layer is one SZI file, a zip of tiles that pages read by range. Tiles of images are JPEG: for looking, not for
    measuring. Masks are PNG or TIFF with labels up to 262,143; `_seg.npy` is not read. See the panoramas with
    `nucleusnet browse DATASET --panoramas DIR`.

    Example: nucleusnet zoom stitched --dataset nucleusnet --out panoramas --top 10
    """
    import sys  # noqa: PLC0415 - `--help` stays fast

    from tqdm import tqdm  # noqa: PLC0415

    from nucleusnet_source.opened import open_dataset  # noqa: PLC0415

    from .zoom import ZoomOptions, make_panoramas  # noqa: PLC0415

    options = ZoomOptions(
        stitched, out, masks, top=top, images=tuple(images or ()), join=join, mosaic=mosaic, quality=quality, seed=seed,
        overwrite=overwrite,
    )  # fmt: skip
    with tqdm(
        total=100, unit="%", disable=quiet, file=sys.stderr, bar_format="{desc} {percentage:3.0f}%|{bar}|", delay=0.2
    ) as bar:

        def step(what: str, percent: int) -> None:
            bar.set_description_str(what, refresh=False)
            bar.update(percent - bar.n)

        listed = make_panoramas(options, open_dataset(dataset), step)
    for entry in listed["panoramas"]:
        print(f"{entry['name']}: {entry['width']} x {entry['height']} px")
    print(f"{out}: look with nucleusnet browse {dataset} --panoramas {out}")
