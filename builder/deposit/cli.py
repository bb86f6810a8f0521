"""The verb `deposit`: parse, call, report."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, OUTPUT, QUIET, RUNNING
from nucleusnet_core.terminal.wording import counted

if TYPE_CHECKING:
    from .deposit import Deposited
    from .site import ZenodoSite


def deposit(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="The folder that `nucleusnet archive` wrote.")],
    *,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="Deposit at sandbox.zenodo.org, to try it; token from $ZENODO_SANDBOX_TOKEN.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token; default: the variable $ZENODO_TOKEN.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None,
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Publish the finished drafts; this cannot be undone.", rich_help_panel=RUNNING),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --publish: do not ask.", rich_help_panel=RUNNING)] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
    _zenodo: Annotated[bool, typer.Option("--zenodo", hidden=True, help="The only repository so far.")] = False,
) -> None:
    """Bring an archive into drafts at Zenodo, one for each record; publish them with a second call.

    The archive must name its creators and license. Call again to resume: files that are there with the right MD5 are
    not sent again. The drafts are linked by their DOIs and can be looked at and edited on the site. Nothing is
    published without --publish.

    Example: nucleusnet deposit zips --sandbox
    """
    if yes and not publish:
        raise UsageError("--yes does nothing without --publish; leave it out, or add --publish.")
    if publish and not yes and not sys.stdin.isatty():
        raise UsageError(
            "--publish asks for confirmation, and there is no terminal to ask on; add --yes to publish without asking."
        )
    from ..archive.index import read_index
    from .deposit import deposit as run
    from .deposit import publish_drafts
    from .site import zenodo_site

    folder = archive.absolute()
    if not folder.exists():
        raise UsageError(f"{archive} does not exist; give the folder that `nucleusnet archive` wrote.")
    read_index(folder)  # a wrong folder is said before a token is asked for
    where = zenodo_site(sandbox=sandbox, token_file=token_file)
    if publish:
        records = publish_drafts(folder, where, lambda waiting: yes or agreed(waiting, where))
        if not records:
            raise typer.Exit(1)
    else:
        with Bars(quiet=quiet) as bars:
            records = run(folder, where, bars)
    report(records, where, published=publish, as_json=as_json)


def agreed(waiting: "list[Deposited]", where: "ZenodoSite") -> bool:
    """Return whether the person at the terminal agrees to publish."""
    for record in waiting:
        print(f"{record.record}: {record.draft.doi}, {record.bytes:,} bytes", file=sys.stderr)
    return typer.confirm(f"Publish at {where.host}? Published records cannot be deleted or changed.", err=True)


def report(records: "list[Deposited]", where: "ZenodoSite", *, published: bool, as_json: bool) -> None:
    """Print what became of every record."""
    lines = [
        {
            "record": record.record,
            "draft": record.draft.id,
            "doi": record.draft.doi,
            "url": f"{where.url}/{'records' if published or record.draft.published else 'uploads'}/{record.draft.id}",
            "published": published or record.draft.published,
            "sent": len(record.sent),
            "kept": len(record.kept),
        }
        for record in records
    ]
    if as_json:
        print(json.dumps({"site": where.url, "records": lines}))
        return
    for line, record in zip(lines, records, strict=True):
        draft = f"draft, {counted(len(record.sent), 'file')} sent, {len(record.kept)} there before"
        print(f"{line['record']}: {'published' if line['published'] else draft}, doi {line['doi']}, {line['url']}")
    if not all(line["published"] for line in lines):
        print("Look at the drafts; the same call with --publish publishes them.", file=sys.stderr)
