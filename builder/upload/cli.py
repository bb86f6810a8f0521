"""The verb that publishes: parse, call, report."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nucleusnet_core.terminal.bars import Bars, ByteBar
from nucleusnet_core.terminal.options import AS_JSON, QUIET, available_cores
from nucleusnet_core.terminal.wording import counted


def upload(
    folder: Annotated[Path, typer.Argument(help="The dataset folder.")],
    *,
    repo: Annotated[str, typer.Option(help="owner/name on the Hub; made if it is not there.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public; default: private.")] = False,
    revision: Annotated[str, typer.Option(help="The branch.")] = "main",
    tag: Annotated[str | None, typer.Option(help="Name for this version, such as v1.0.0.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    replace_card: Annotated[
        bool, typer.Option("--replace-card", help="Overwrite a README.md that was edited on the Hub.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that verify the folder; default: the cores.", show_default=False),
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Publish a dataset folder on the Hugging Face Hub.

    Verifies the folder, sends what the Hub lacks, makes it visible by one commit, and checks it there. Keeps trying for
    hours when the network or the Hub fails; call it again after any end: what has arrived is not sent again. Its notes
    are in FOLDER.upload.json. The token is that of `hf auth login` or HF_TOKEN.

    Example: nucleusnet upload nucleusnet --repo owner/nucleusnet --tag v1.0.0
    """
    from .upload import UploadOptions, UploadProgress
    from .upload import upload as run

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
    with Bars(quiet=quiet) as bars, ByteBar(quiet=quiet) as sent:

        def begin(files: int, size: int) -> None:
            bars.close()
            sent.begin(f"send {counted(files, 'file')}", size)

        progress = UploadProgress(
            stage=bars.stage,
            step=bars.step,
            sending=begin,
            moved=sent.step,
            say=lambda text: sent.say(f"nucleusnet: {text}"),
        )
        result = run(options, progress=progress)
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
    deleted = f", {counted(len(summary['deleted']), 'old file')} deleted" if summary["deleted"] else ""
    if summary["dry_run"]:
        new = " (to be made)" if summary["created"] else ""
        lines = [f"{where}{new}: would send {size}; {summary['unchanged']} are there already{deleted}"]
    elif not summary["files"] and not summary["deleted"]:
        lines = [f"{where}: holds this version already, nothing sent"]
    else:
        lines = [f"{where}: {size}; {summary['unchanged']} were there already{deleted}"]
    lines += [f"commit {summary['commit']}"] if summary["commit"] else []
    lines += [f"tag {summary['tag']}"] if summary["tag"] else []
    return "\n".join(lines)
