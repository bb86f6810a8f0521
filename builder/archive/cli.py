"""The verbs `archive` and `deposit`: parse, call, report."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nucleusnet_core.terminal.bars import ByteBar
from nucleusnet_core.terminal.options import AS_JSON, QUIET, RECURSIVE
from nucleusnet_core.terminal.wording import counted

if TYPE_CHECKING:
    pass


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
    from .archive import ArchiveOptions, Progress
    from .archive import archive as run
    from .metadata import default_metadata, from_study, overridden, remembered
    from .plan import Limits, parse_bytes, zip_stem

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
