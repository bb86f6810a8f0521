"""The verbs `browse` and `zoom`: parse, call, report."""

import json
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    CHANNEL,
    CHANNELS,
    INPUT,
    MASK_CHANNEL,
    MASK_SUFFIX,
    MASKS,
    OUTPUT,
    OVERWRITE,
    PREFER,
    QUIET,
    RECURSIVE,
    RUNNING,
    SEED,
    SOURCE,
)
from nucleusnet_core.terminal.outputs import output_folder
from nucleusnet_core.terminal.wording import counted

if TYPE_CHECKING:
    from .zoom.zoom import ZoomResult


def browse(
    source: SOURCE = BARE_NAME,
    *,
    panoramas: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Show panoramas too: a folder that `nucleusnet zoom` wrote.", rich_help_panel=INPUT
        ),
    ] = None,
    relay: Annotated[
        bool,
        typer.Option(
            "--relay",
            help="Read the Hub through this program, with your token: for a private dataset.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0: any free one.", rich_help_panel=RUNNING)
    ] = 0,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only print the address; do not open a browser.", rich_help_panel=RUNNING)
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the page as a static site, instead of showing it.", rich_help_panel=OUTPUT
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the site at --export.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Look at random nuclei of a dataset in a web browser.

    The page reads a dataset on the Hub by itself. A folder or URL it reads through this program, which only programs on
    this machine can reach; with --relay, only those that are told its address, which holds a secret. The address says
    which nuclei the page shows, so that a link shows others the same ones. Ctrl+C stops the program.

    With --export, DIR holds the same page for a static Space on the Hub, or for any web server.

    Example: nucleusnet browse nucleusnet
    """
    if export is not None:
        out = output_folder(export, inputs=[panoramas] if panoramas else [], option="--export")
        files = _export(source, out, panoramas=panoramas, overwrite=overwrite)
        said = f"{export}: {counted(files, 'file')}; upload them to a static Space, or to any web server"
        print(json.dumps({"out": str(export), "files": files}) if as_json else said)
        return
    from .page.server import Server, new_secret
    from .page.site import site_of

    site = site_of(source, panoramas=panoramas, relay=relay)
    with Server(site, port, secret=new_secret() if relay else "") as server:
        print(json.dumps({"url": server.url}) if as_json else server.url, flush=True)
        _tell("Open this address in a web browser on this machine; Ctrl+C stops.", quiet=quiet)
        if not no_open:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _tell("Stopped.", quiet=quiet)


def zoom(
    stitched: Annotated[Path, typer.Argument(metavar="STITCHED", help="Folder of the stitched images and masks.")],
    source: SOURCE = BARE_NAME,
    *,
    out: Annotated[Path, typer.Option(help="Where to write the panoramas.", rich_help_panel=OUTPUT)],
    masks: MASKS = None,
    mask_suffix: MASK_SUFFIX = None,
    recursive: RECURSIVE = False,
    allow_pickle: ALLOW_PICKLE = False,
    prefer: PREFER = None,
    channels: CHANNELS = None,
    channel: CHANNEL = None,
    mask_channel: MASK_CHANNEL = None,
    top: Annotated[
        int, typer.Option(min=1, help="Show this many of the most representative images.", rich_help_panel=INPUT)
    ] = 10,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images",
            metavar="NAME",
            help="Show this stitched image instead; repeat for several.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Join all images of a coverslip that are there.", rich_help_panel=OUTPUT)
    ] = False,
    mosaic: Annotated[
        bool,
        typer.Option("--mosaic", help="Add 100 random nuclei of each run as one picture.", rich_help_panel=OUTPUT),
    ] = False,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="JPEG quality of the images.", rich_help_panel=OUTPUT)
    ] = 85,
    seed: SEED = 0,
    overwrite: OVERWRITE = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Make panoramas to walk through in a web browser: images, masks in random colours, and their outlines.

    SOURCE is the dataset that was built from the images: it says which are the most representative, and what is known
    about each nucleus. Images are stored as JPEG, for looking and not for measuring. Every channel is a layer, whose
    colour and contrast are chosen in the page. The labels of a mask go up to 262,143. An image that cannot be shown is
    listed at the end, and the others are made.

    Example: nucleusnet zoom stitched nucleusnet --out panoramas --top 10
    """
    from nucleusnet_core.dataset import open_dataset
    from nucleusnet_core.inputs.channels import ChannelOptions
    from nucleusnet_core.inputs.pairs import FindOptions

    from .zoom.zoom import ZoomOptions, make_panoramas

    options = ZoomOptions(
        stitched,
        output_folder(out, inputs=[stitched, *([masks] if masks else [])]),
        FindOptions(
            masks,
            tuple(mask_suffix or ()),
            recursive=recursive,
            prefer=prefer or "",
            allow_pickle=allow_pickle,
            channels=ChannelOptions.of_text(channels, channel, mask_channel),
        ),
        top=top,
        images=tuple(images or ()),
        join=join,
        mosaic=mosaic,
        quality=quality,
        seed=seed,
        overwrite=overwrite,
    )
    with Bars(quiet=quiet) as bars:
        result = make_panoramas(options, open_dataset(source), bars)
    _report_panoramas(result, source, out, as_json=as_json)


def _export(source: str, out: Path, *, panoramas: Path | None, overwrite: bool) -> int:
    from .page.export import export_site
    from .page.sources import hub_source, named_repository

    repository = named_repository(source)
    if repository is None:
        raise UsageError(
            f"--export: {source!r} is not on the Hub, where the page reads the nuclei; upload it first, and give its "
            "owner/name."
        )
    return len(export_site(hub_source(repository), repository.repo_id, out, panoramas=panoramas, overwrite=overwrite))


def _report_panoramas(result: "ZoomResult", source: str, out: Path, *, as_json: bool) -> None:
    shown = [{key: one[key] for key in ("name", "kind", "width", "height")} for one in result.panoramas]
    if as_json:
        failures = [{"name": name, "message": message} for name, message in result.failures.items()]
        print(json.dumps({"out": str(out), "panoramas": shown, "failures": failures}))
    else:
        for one in shown:
            print(f"{one['name']}: {one['width']} x {one['height']} px")
        print(f"{out}: see them with nucleusnet browse {source} --panoramas {out}")
    if result.failures:
        print(f"{counted(len(result.failures), 'image is', 'images are')} not shown:", file=sys.stderr)
        for message in result.failures.values():
            print(f"  {message}", file=sys.stderr)
        print("Fix these and call again with --overwrite.", file=sys.stderr)
        raise typer.Exit(1)


def _tell(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(text, file=sys.stderr)
