"""The verb `upload`: parse, call, report."""

import json
from typing import Annotated, Any

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.location import local_folder
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, OUTPUT, QUIET, RUNNING, WORKERS, available_cores
from nucleusnet_core.terminal.wording import counted


def upload(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The dataset folder. Default: ./nucleusnet, else $NUCLEUSNET_DATA.",
            show_default=False,
        ),
    ] = BARE_NAME,
    *,
    repo: Annotated[
        str, typer.Option(help="The repository on the Hub, owner/name; made if it is new.", rich_help_panel=OUTPUT)
    ],
    public: Annotated[
        bool,
        typer.Option("--public", help="Make a new repository public; default: private.", rich_help_panel=OUTPUT),
    ] = False,
    revision: Annotated[str, typer.Option(help="The branch.", rich_help_panel=OUTPUT)] = "main",
    tag: Annotated[
        str | None,
        typer.Option(help="Name for this version, such as v1.0.0.", show_default=False, rich_help_panel=OUTPUT),
    ] = None,
    replace_card: Annotated[
        bool,
        typer.Option(
            "--replace-card", help="Overwrite a README.md that was edited on the Hub.", rich_help_panel=OUTPUT
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would be sent; change and write nothing.", rich_help_panel=RUNNING
        ),
    ] = False,
    workers: WORKERS = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Publish a dataset folder on the Hugging Face Hub.

    Verifies the folder, sends what the Hub lacks, makes it visible by one commit, and checks it there. Keeps trying for
    hours when the network or the Hub fails; call it again after any end: what has arrived is not sent again. Its notes
    are in SOURCE.upload.json beside the folder. The token is that of `hf auth login` or HF_TOKEN; --dry-run needs none
    for a public or new repository.

    Example: nucleusnet upload nucleusnet --repo owner/nucleusnet --tag v1.0.0
    """
    from .upload import UploadOptions
    from .upload import upload as run

    folder = local_folder(source)
    options = UploadOptions(
        folder,
        repo,
        public=public,
        revision=revision,
        tag=tag,
        dry_run=dry_run,
        replace_card=replace_card,
        workers=workers or available_cores(),
    )
    with Bars(quiet=quiet) as bars:
        result = run(options, progress=bars)
    summary = {
        "folder": str(folder),
        "repo": repo,
        "revision": revision,
        "commit": result.commit,
        "tag": result.tag,
        "url": result.url,
        "created": result.created,
        "dry_run": dry_run,
        "files": len(result.plan.send),
        "bytes": result.plan.bytes,
        "unchanged": result.plan.unchanged,
        "deleted": list(result.plan.delete),
    }
    print(json.dumps(summary) if as_json else readable(summary))


def readable(summary: dict[str, Any]) -> str:
    """Return the lines that a finished upload prints."""
    where = f"{summary['url']}, branch {summary['revision']}"
    size = f"{counted(summary['files'], 'file')}, {summary['bytes'] / 1e6:,.1f} MB"
    old = counted(len(summary["deleted"]), "old file")
    if summary["dry_run"]:
        new = " (new)" if summary["created"] else ""
        deleted = f"; would delete {old}" if summary["deleted"] else ""
        lines = [f"{where}{new}: would send {size}; {summary['unchanged']} are there already{deleted}"]
    elif not summary["files"] and not summary["deleted"]:
        lines = [f"{where}: holds this version already, nothing sent"]
    else:
        deleted = f"; {old} deleted" if summary["deleted"] else ""
        lines = [f"{where}: sent {size}; {summary['unchanged']} were there already{deleted}"]
    lines += [f"commit {summary['commit']}"] if summary["commit"] else []
    lines += [f"tag {summary['tag']}"] if summary["tag"] else []
    return "\n".join(lines)
