"""The verbs `archive` and `deposit`: parse, call, report."""

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_source.errors import UsageError
from nucleusnet_source.wording import counted

from ..bars import ByteBar
from ..cli import AS_JSON, QUIET, RECURSIVE

if TYPE_CHECKING:
    from ..deposit.deposit import Deposited
    from ..deposit.site import Site


def archive(
    source: Annotated[Path, typer.Argument(help="Folder of stitched images and masks, or a dataset folder.")],
    *,
    out: Annotated[Path, typer.Option(help="The archive folder to be, or to go on with.")],
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if another.", show_default=False)] = None,
    recursive: RECURSIVE = False,
    record_bytes: Annotated[str, typer.Option(help="Most bytes of a record.")] = "50GB",
    record_files: Annotated[int, typer.Option(help="Most files of a record.")] = 100,
    zip_bytes: Annotated[str, typer.Option(help="Most bytes of a zip; one larger file gets a zip alone.")] = "10GB",
    study: Annotated[Path | None, typer.Option(help="Facts about the study, TOML.", show_default=False)] = None,
    title: Annotated[str | None, typer.Option(help="Default: of the study or card, or the folder's name.")] = None,
    description: Annotated[str | None, typer.Option(help="Default: of the study or card.")] = None,
    creator: Annotated[
        list[str] | None, typer.Option(help="'Family, Given; affiliation; ORCID iD'; repeat for several.")
    ] = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="SPDX identifier; default: of the study or card.")
    ] = None,
    keyword: Annotated[
        list[str] | None, typer.Option(help="Repeat for several; default: of the study or card.")
    ] = None,
    date: Annotated[str | None, typer.Option(help="Of publication; default: as before, or today.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace finished zips of other files or limits.")
    ] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Pack images and masks, or a dataset folder, into zips that fit a repository's records.

    Of a folder of images, only images and masks go in; of a dataset folder, exactly the files that it lists.

    Each folder OUT/record-N holds one record: zips without compression, contents.csv, SHA256SUMS and RO-Crate
    metadata. Call again to resume, or to change title, creators and so on: finished zips are kept, and so is what an
    earlier call said that this one does not.

    Example: nucleusnet archive stitched --out zips --creator "Doe, Jane; Some Institute" --license CC-BY-4.0
    """
    from .archive import ArchiveOptions, Progress  # noqa: PLC0415 - `--help` stays fast
    from .archive import archive as run  # noqa: PLC0415
    from .metadata import default_metadata, from_study, overridden, remembered  # noqa: PLC0415
    from .plan import Limits, parse_bytes, zip_stem  # noqa: PLC0415

    limits = Limits(parse_bytes(record_bytes, "--record-bytes"), record_files, parse_bytes(zip_bytes, "--zip-bytes"))
    metadata = overridden(
        from_study(study, source, default_metadata(source))
        if study is not None
        else remembered(out, zip_stem(source)) or default_metadata(source),
        creators=creator or (),
        keywords=keyword or (),
        title=title,
        description=description,
        license=license_id,
        published=date,
    )
    options = ArchiveOptions(source, out.absolute(), metadata, limits, masks, recursive, overwrite)
    with ByteBar(quiet=quiet) as shown:
        result = run(options, Progress(functools.partial(shown.begin, "archive"), shown.step))
    records = [
        {"record": record.name, "files": len(record.files), "bytes": record.bytes} for record in result.index.records
    ]
    if as_json:
        print(json.dumps({"archive": str(out), "records": records, "written": result.written, "kept": result.kept}))
        return
    for record in result.index.records:
        print(f"{out / record.name}: {counted(len(record.files), 'file')}, {record.bytes:,} bytes")
    print(f"{out}: {counted(len(records), 'record')}, {counted(result.written, 'zip')} written, {result.kept} kept")


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
    from ..deposit.deposit import Progress  # noqa: PLC0415 - `--help` stays fast
    from ..deposit.deposit import deposit as run  # noqa: PLC0415
    from ..deposit.deposit import publish as run_publish  # noqa: PLC0415
    from ..deposit.site import site  # noqa: PLC0415
    from .index import read_index  # noqa: PLC0415

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
