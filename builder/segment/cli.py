"""The verbs that make masks and look at them: parse, call, report."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import AS_JSON, QUIET, RECURSIVE, SCHEDULER
from nucleusnet_core.terminal.outputs import checked_suffix
from nucleusnet_core.terminal.wording import counted

from ..workers.failure import Failure


class Style(StrEnum):
    """How an overlay shows labels."""

    outlines = "outlines"
    fill = "fill"


def segment(
    stitched: Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif.")],
    *,
    model: Annotated[
        str | None,
        typer.Option(help="File of weights (cellpose-3 or cellpose-SAM), or a name: cpsam_v2.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the masks; default: beside the images.", show_default=False)
    ] = None,
    diameter: Annotated[float, typer.Option(help="Diameter of the nuclei in the images, px.")] = 152.91,
    flow_threshold: Annotated[float, typer.Option(help="Largest error of a nucleus' flows; 0 keeps all.")] = 0.5,
    cellprob_threshold: Annotated[float, typer.Option(help="Lower finds more and larger nuclei.")] = -2.0,
    min_size: Annotated[int, typer.Option(help="Labels of fewer pixels are removed.")] = 15,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:NUMBER or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(help="Tiles that the network gets at a time.")] = 8,
    fast: Annotated[
        bool, typer.Option("--fast", help="Label at the network's scale: little time and memory, edges in steps.")
    ] = False,
    block_size: Annotated[
        int | None,
        typer.Option(
            help="Label in blocks of this side, px; 0: never; default: where memory asks.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: one for each GPU, or one.", show_default=False)
    ] = None,
    scheduler: SCHEDULER = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch a named model that is not here (1.2 GB).")
    ] = False,
    recursive: RECURSIVE = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that were made in another way.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(help="Compare the masks with the true ones in this folder.", show_default=False)
    ] = None,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Make masks of stitched images with cellpose, as published.

    Writes <name>_cp_masks.png and a receipt <name>_segment.json; call again to resume. No mask of another origin is
    replaced without --overwrite. With --compare and no --model, masks that are there are compared with true ones.

    Example: nucleusnet segment stitched --model nuclei_model --diameter 152.91 --device cuda
    """
    if model is None and compare is None:
        raise UsageError("--model: the weights to segment with expected, or --compare TRUTH, neither found.")
    failures: list[Failure] = []
    report: dict[str, Any] = {}
    with Bars(quiet=quiet) as bars:
        if model is not None:
            from nucleusnet_core.terminal.progress import Progress

            from .segment import SegmentOptions, segment_folder

            options = SegmentOptions(
                stitched=stitched,
                model=model,
                out=out,
                diameter_px=diameter,
                flow_threshold=flow_threshold,
                cellprob_threshold=cellprob_threshold,
                min_size_px=min_size,
                fast=fast,
                block_px=block_size,
                device=device,
                batch_size=batch_size,
                download=download,
                recursive=recursive,
                overwrite=overwrite,
                workers=workers,
                scheduler=scheduler,
            )
            result = segment_folder(options, Progress(bars.stage, bars.step), _say)
            report |= {
                "images": len(result.receipts),
                "resumed": result.resumed,
                "rois": sum(receipt.rois for receipt in result.receipts),
                "masks": [asdict(receipt) for receipt in result.receipts],
                "failures": [asdict(failure) for failure in result.failures],
            }
            failures += result.failures
    if report and not as_json:
        masks, nuclei = counted(report["images"], "mask"), counted(report["rois"], "nucleus", "nuclei")
        print(f"{stitched}: {masks} ({report['resumed']:,} were there), {nuclei}")
    if compare is not None:
        failures += _compare(out or stitched, compare, report, recursive=recursive, quiet=quiet, as_json=as_json)
    if as_json:
        print(json.dumps(report))
    _report_failures(failures)


def overlay(
    image: Annotated[Path, typer.Argument(help="The stitched image, TIFF.")],
    mask: Annotated[Path, typer.Argument(help="Its mask.")],
    *,
    out: Annotated[Path, typer.Option(help="The picture, .png.")],
    region: Annotated[
        str | None,
        typer.Option(metavar="Y0,X0,Y1,X1", help="Show this part only, px of the image.", show_default=False),
    ] = None,
    scale: Annotated[float, typer.Option(help="Pixels of the picture for each pixel of the image.")] = 1.0,
    style: Annotated[Style, typer.Option(help="Lines around the nuclei, or coloured areas.")] = Style.outlines,
    seed: Annotated[int, typer.Option(help="Decides the colours; a label keeps its own in every picture.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Show a mask on its image, at any scale, with stretched contrast.

    Example: nucleusnet overlay Run72TR_bottom_left.tif Run72TR_bottom_left_cp_masks.png --out look.png --scale 0.2
    """
    from .overlay import Look, write_overlay

    checked_suffix("--out", out, ".png")
    if out.exists() and not overwrite:
        raise OutputError(f"--out: a file that is not there expected, {out} found; --overwrite replaces it.")
    height, width, labels = write_overlay(image, mask, out, region=region, look=Look(scale, style.value, seed))
    shown = {"out": str(out), "height": height, "width": width, "labels": labels}
    print(json.dumps(shown) if as_json else f"{out}: {height} x {width} px, {labels:,} labels")


def _compare(
    masks: Path, truth: Path, report: dict[str, object], *, recursive: bool, quiet: bool, as_json: bool
) -> list[Failure]:
    from nucleusnet_core.terminal.progress import Progress

    from .compare.compare import compare_folders, comparison_json, comparison_text

    with Bars(quiet=quiet) as bars:
        progress = Progress(bars.stage, bars.step)
        comparisons, failures = compare_folders(masks, truth, recursive=recursive, progress=progress)
    report["comparison"] = comparison_json(comparisons, failures)
    if not as_json:
        print(comparison_text(comparisons))
    return failures


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _report_failures(failures: Sequence[Failure]) -> None:
    if failures:
        _say(f"{counted(len(failures), 'image')} failed:")
        for failure in failures:
            _say(f"  {failure.name}: {failure.message}")
        raise typer.Exit(1)
