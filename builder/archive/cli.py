"""The verb `archive`: parse, call, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.location import local_folder
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, DATASET, INPUT, MASKS, OUTPUT, QUIET, RECURSIVE
from nucleusnet_core.terminal.wording import counted


def archive(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of stitched images and masks, or a dataset folder. Default: the dataset ./nucleusnet, else "
            "$NUCLEUSNET_DATA.",
            show_default=False,
        ),
    ] = BARE_NAME,
    *,
    masks: MASKS = None,
    recursive: RECURSIVE = False,
    study: Annotated[
        Path | None,
        typer.Option(help="Facts about the study, a .toml file.", show_default=False, rich_help_panel=INPUT),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(
            help="Title of the records; default: that of the study or card, or the folder's name.",
            rich_help_panel=DATASET,
        ),
    ] = None,
    description: Annotated[
        str | None,
        typer.Option(help="Description of the data; default: that of the study or card.", rich_help_panel=DATASET),
    ] = None,
    creator: Annotated[
        list[str] | None,
        typer.Option(
            help="Who made the data, 'Family, Given; affiliation; ORCID iD'; repeat for several.",
            rich_help_panel=DATASET,
        ),
    ] = None,
    license_id: Annotated[
        str | None,
        typer.Option(
            "--license",
            help="SPDX identifier of the license; default: that of the study or card.",
            rich_help_panel=DATASET,
        ),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(
            help="A keyword; repeat for several; default: those of the study or card.", rich_help_panel=DATASET
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="Date of publication; default: as before, or today.", rich_help_panel=DATASET)
    ] = None,
    out: Annotated[Path, typer.Option(help="The archive folder, new or to continue.", rich_help_panel=OUTPUT)],
    record_bytes: Annotated[str, typer.Option(help="Largest size of a record.", rich_help_panel=OUTPUT)] = "50GB",
    record_files: Annotated[int, typer.Option(help="Most files of a record.", rich_help_panel=OUTPUT)] = 100,
    zip_bytes: Annotated[
        str, typer.Option(help="Largest size of a zip; a larger file gets a zip of its own.", rich_help_panel=OUTPUT)
    ] = "10GB",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace finished zips of other files or limits.", rich_help_panel=OUTPUT),
    ] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Pack images and masks, or a dataset folder, into zips that fit the records of a repository such as Zenodo.

    Of a folder of images, only images and masks go in; of a dataset folder, exactly the files that it lists.

    Each folder OUT/record-N holds one record: zips without compression, contents.csv, SHA256SUMS and RO-Crate
    metadata. Call again to resume, or to change title, creators and so on: finished zips are kept, and so is what an
    earlier call said that this one does not.

    Example: nucleusnet archive stitched --out zips --creator "Doe, Jane; Some Institute" --license CC-BY-4.0
    """
    from .archive import ArchiveOptions
    from .archive import archive as run
    from .metadata import default_metadata, from_study, overridden, remembered
    from .plan import Limits, parse_bytes, zip_stem

    folder = local_folder(source) if source == BARE_NAME else Path(source)
    limits = Limits(parse_bytes(record_bytes, "--record-bytes"), record_files, parse_bytes(zip_bytes, "--zip-bytes"))
    metadata = overridden(
        from_study(study, folder, default_metadata(folder))
        if study is not None
        else remembered(out, zip_stem(folder)) or default_metadata(folder),
        creators=creator or (),
        keywords=keyword or (),
        title=title,
        description=description,
        license=license_id,
        published=date,
    )
    options = ArchiveOptions(folder, out.absolute(), metadata, limits, masks, recursive, overwrite)
    with Bars(quiet=quiet) as bars:
        result = run(options, bars)
    records = [
        {"record": record.name, "files": len(record.files), "bytes": record.bytes} for record in result.index.records
    ]
    if as_json:
        print(json.dumps({"archive": str(out), "records": records, "written": result.written, "kept": result.kept}))
        return
    for record in result.index.records:
        print(f"{out / record.name}: {counted(len(record.files), 'file')}, {record.bytes:,} bytes")
    print(f"{out}: {counted(len(records), 'record')}, {counted(result.written, 'zip')} written, {result.kept} kept")
