"""The verbs of the browser: parse, call, report."""

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_source.errors import UsageError

if TYPE_CHECKING:
    from .site import Site

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
    from .server import Server  # noqa: PLC0415 - `--help` stays fast

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
    from nucleusnet_source.opened import open_dataset  # noqa: PLC0415

    from .site import make_site  # noqa: PLC0415
    from .sources import hub_source, named_repository, served_source  # noqa: PLC0415

    dataset = open_dataset(source)
    repository = named_repository(source)
    if repository is not None and not relay:
        dataset.store.close()
        return make_site(hub_source(repository), None, panoramas)
    return make_site(
        served_source(dataset.store.name if repository is None else repository.repo_id), dataset, panoramas
    )


def _export(source: str, out: Path, *, panoramas: Path | None, overwrite: bool) -> None:
    from .export import export_site  # noqa: PLC0415
    from .sources import hub_source, named_repository  # noqa: PLC0415

    repository = named_repository(source)
    if repository is None:
        raise UsageError(f"--export: owner/name of a dataset on the Hub expected, {source!r} found; upload it first")
    files = export_site(hub_source(repository), repository.repo_id, out, panoramas=panoramas, overwrite=overwrite)
    print(f"{out}: {len(files)} files; upload them to a static Space, or to any web server")
