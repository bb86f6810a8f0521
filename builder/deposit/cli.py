"""The verb `deposit`: parse, call, report."""

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.errors import UsageError
from nucleusnet_core.terminal.bars import ByteBar
from nucleusnet_core.terminal.options import AS_JSON, QUIET
from nucleusnet_core.terminal.wording import counted

if TYPE_CHECKING:
    from .deposit import Deposited
    from .site import Site


def deposit(
    archive: Annotated[Path, typer.Argument(help="The archive folder.")],
    *,
    zenodo: Annotated[bool, typer.Option("--zenodo", help="Deposit at zenodo.org; token from $ZENODO_TOKEN.")] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="At sandbox.zenodo.org instead; token from $ZENODO_SANDBOX_TOKEN.")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish the finished drafts; this cannot be undone.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --publish: do not ask.")] = False,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token, instead of the variable.", show_default=False)
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Bring an archive into drafts at Zenodo, one for each record; publish them with a second call.

    The archive must name its creators and license. Call again to resume: files that are there with the right MD5 are
    not sent again. The drafts are linked by their DOIs and can be looked at and edited on the site. Nothing is
    published without --publish.

    Example: nucleusnet deposit zips --zenodo --sandbox
    """
    if not zenodo:
        raise UsageError("--zenodo: expected, because it is the only repository so far; none found.")
    if yes and not publish:
        raise UsageError("--yes: expected with --publish only; found without it.")
    if publish and not yes and not sys.stdin.isatty():
        raise UsageError("--publish: a terminal to ask on expected, none found; add --yes to publish without asking.")
    from ..archive.index import read_index
    from .deposit import Progress
    from .deposit import deposit as run
    from .deposit import publish as run_publish
    from .site import site

    folder = archive.absolute()
    read_index(folder)  # a wrong folder is said before a token is asked for
    where = site(sandbox=sandbox, token_file=token_file)
    if publish:
        records = run_publish(folder, where, lambda waiting: yes or agreed(waiting, where))
        if not records:
            raise typer.Exit(1)
    else:
        with ByteBar(quiet=quiet) as shown:
            begin = functools.partial(shown.begin, "deposit")
            records = run(folder, where, Progress(begin, shown.step, shown.say))
    report(records, where, published=publish, as_json=as_json)


def agreed(waiting: "list[Deposited]", where: "Site") -> bool:
    """Ask whether to publish."""
    for record in waiting:
        print(f"{record.record}: {record.draft.doi}, {record.bytes:,} bytes", file=sys.stderr)
    return typer.confirm(f"Publish at {where.host}? Published records cannot be deleted or changed.", err=True)


def report(records: "list[Deposited]", where: "Site", *, published: bool, as_json: bool) -> None:
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
