"""The verbs of the browser: parse, call, report."""

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.errors import UsageError

if TYPE_CHECKING:
    from .page.site import Site

SOURCE = Annotated[
    str, typer.Argument(help="The dataset's folder, URL, or owner/name on the Hub.", show_default="nucleusnet")
]


def browse(
    source: SOURCE = "nucleusnet",
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, and open no web browser.")] = False,
    relay: Annotated[
        bool, typer.Option("--relay", help="Read a repository through this program, with your token: a private one.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the page as a static site that reads the repository, and end."),
    ] = None,
    panoramas: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What nucleusnet zoom wrote, to walk through.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier --export there.")] = False,
) -> None:
    """Look at random nuclei of a dataset in a web browser.

    A folder or URL is read through this program, which only programs of this machine can reach; a repository on the
    Hub is read by the page itself. The address of the page says which nuclei it shows, so that a link shows others the
    same ones. Ends with Ctrl+C.

    With --export, DIR holds the same page for a web server or a static Space on the Hub.

    Example: nucleusnet browse nucleusnet
    """
    if export is not None:
        _export(source, export, panoramas=panoramas, overwrite=overwrite)
        return
    from .page.server import Server

    site = _site(source, panoramas=panoramas, relay=relay)
    with Server(site, port) as server:
        print(server.url, flush=True)
        print("Look at it in a web browser of this machine; Ctrl+C ends.", file=sys.stderr)
        if not no_open:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended.", file=sys.stderr)


def _site(source: str, *, panoramas: Path | None, relay: bool) -> "Site":
    from nucleusnet_core.dataset import open_dataset

    from .page.site import make_site
    from .page.sources import hub_source, named_repository, served_source

    dataset = open_dataset(source)
    repository = named_repository(source)
    if repository is not None and not relay:
        dataset.store.close()
        return make_site(hub_source(repository), None, panoramas)
    return make_site(
        served_source(dataset.store.name if repository is None else repository.repo_id), dataset, panoramas
    )


def _export(source: str, out: Path, *, panoramas: Path | None, overwrite: bool) -> None:
    from .page.export import export_site
    from .page.sources import hub_source, named_repository

    repository = named_repository(source)
    if repository is None:
        raise UsageError(f"--export: owner/name of a dataset on the Hub expected, {source!r} found; upload it first")
    files = export_site(hub_source(repository), repository.repo_id, out, panoramas=panoramas, overwrite=overwrite)
    print(f"{out}: {len(files)} files; upload them to a static Space, or to any web server")


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
    import sys

    from tqdm import tqdm

    from nucleusnet_core.dataset import open_dataset

    from .zoom.zoom import ZoomOptions, make_panoramas

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
