"""The verbs that make masks and look at them: parse, call, report."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nucleusnet_core.errors import Failure, UsageError
from nucleusnet_core.inputs.channels import ChannelOptions
from nucleusnet_core.terminal.bars import Bars
from nucleusnet_core.terminal.options import (
    ALLOW_PICKLE,
    AS_JSON,
    CHANNEL,
    CHANNELS,
    INPUT,
    NUCLEI,
    OUTPUT,
    OVERWRITE,
    QUIET,
    RECURSIVE,
    RUNNING,
    SCHEDULER,
)
from nucleusnet_core.terminal.progress import Progress
from nucleusnet_core.terminal.wording import counted

from .options import OverlayLook, OverlayStyle, SegmentOptions


def _option(text: str, panel: str, *names: str, **more: Any) -> Any:
    """Return an option in one of the groups of the help."""
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


_STITCHED = Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif.")]
_MODEL = Annotated[str | None, _option("File of weights (cellpose-3 or cellpose-SAM), or a name: cpsam_v2.", INPUT)]
_COMPARE = Annotated[Path | None, _option("Compare the masks with the true ones in this folder.", INPUT)]
_NAME_PATTERN = Annotated[
    str | None,
    _option("Regular expression for the whole names of images, whose group channel tells which show --channel.", INPUT),
]
_DIAMETER = Annotated[float, _option("Diameter of the nuclei in the images, px.", NUCLEI)]
_FLOW_THRESHOLD = Annotated[
    float, _option("Leave out nuclei whose shape fits the network's flows worse than this; 0 keeps all.", NUCLEI)
]
_CELLPROB_THRESHOLD = Annotated[
    float,
    _option("Pixels that the network scores above this belong to nuclei; lower finds more and larger ones.", NUCLEI),
]
_MIN_SIZE = Annotated[int, _option("Leave out nuclei of fewer pixels.", NUCLEI)]
_FAST = Annotated[
    bool, _option("Draw nuclei at the network's coarser scale: little time and memory, jagged edges.", NUCLEI, "--fast")
]
_BLOCK_SIZE = Annotated[
    int | None, _option("Work in blocks of this side, px; 0: never; default: where memory is short.", RUNNING)
]
_DEVICE = Annotated[str, _option("Where to compute: auto, cpu, cuda, cuda:NUMBER or mps.", RUNNING)]
_BATCH_SIZE = Annotated[int, _option("Tiles of the image that the network gets at a time.", RUNNING)]
_WORKERS = Annotated[int | None, _option("Worker processes; default: one for each GPU, or one.", RUNNING)]
_DOWNLOAD = Annotated[bool, _option("Download the named model if it is missing (1.2 GB).", RUNNING, "--download")]
_OUT = Annotated[Path | None, _option("Where to write the masks; default: beside the images.", OUTPUT)]
_REPLACE = Annotated[bool, _option("Replace masks that were made in another way.", OUTPUT, "--overwrite")]

_IMAGE = Annotated[Path, typer.Argument(help="The stitched image, TIFF.")]
_MASK = Annotated[Path, typer.Argument(help="Its mask.")]
_REGION = Annotated[
    str | None, _option("Show this part only, px of the image; default: all.", INPUT, metavar="Y0,X0,Y1,X1")
]
_PICTURE = Annotated[Path, _option("The picture, .png.", OUTPUT)]
_SCALE = Annotated[float, _option("Pixels of the picture for each pixel of the image.", OUTPUT)]
_STYLE = Annotated[OverlayStyle, _option("Lines around the nuclei, or coloured areas.", OUTPUT)]
_COLOURS = Annotated[int, _option("Decides the colours; a label keeps its own in every picture.", OUTPUT, min=0)]


def segment(
    stitched: _STITCHED,
    *,
    model: _MODEL = None,
    compare: _COMPARE = None,
    recursive: RECURSIVE = SegmentOptions.recursive,
    channels: CHANNELS = None,
    channel: CHANNEL = None,
    name_pattern: _NAME_PATTERN = SegmentOptions.name_pattern,
    diameter: _DIAMETER = SegmentOptions.diameter_px,
    flow_threshold: _FLOW_THRESHOLD = SegmentOptions.flow_threshold,
    cellprob_threshold: _CELLPROB_THRESHOLD = SegmentOptions.cellprob_threshold,
    min_size: _MIN_SIZE = SegmentOptions.min_size_px,
    fast: _FAST = SegmentOptions.fast,
    block_size: _BLOCK_SIZE = SegmentOptions.block_px,
    device: _DEVICE = SegmentOptions.device,
    batch_size: _BATCH_SIZE = SegmentOptions.batch_size,
    workers: _WORKERS = SegmentOptions.workers,
    scheduler: SCHEDULER = SegmentOptions.scheduler,
    download: _DOWNLOAD = SegmentOptions.download,
    out: _OUT = SegmentOptions.out,
    overwrite: _REPLACE = SegmentOptions.overwrite,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Make masks of stitched images with cellpose, as published.

    Writes <name>_cp_masks.png and a receipt <name>_segment.json; call again to resume. No mask of another origin is
    replaced without --overwrite. Says where --diameter or a mask looks wrong. With --compare, images that have a mask
    and a true one are scored, without --model too.

    Example: nucleusnet segment stitched --model nuclei_model --diameter 152.91 --out masks
    """
    if model is None and compare is None:
        raise UsageError("Give --model FILE to segment, or --compare TRUTH to score masks that are there.")
    reports = []
    with Bars(quiet=quiet) as bars:
        if compare is not None:
            _check_truth(compare, recursive=recursive)
        if model is not None:
            options = SegmentOptions(
                stitched=stitched,
                model=model,
                recursive=recursive,
                channels=ChannelOptions.of_text(channels, channel),
                name_pattern=name_pattern,
                diameter_px=diameter,
                flow_threshold=flow_threshold,
                cellprob_threshold=cellprob_threshold,
                min_size_px=min_size,
                fast=fast,
                block_px=block_size,
                device=device,
                batch_size=batch_size,
                workers=workers,
                scheduler=scheduler,
                download=download,
                out=out,
                overwrite=overwrite,
            )
            reports.append(_segmented(options, bars))
        if compare is not None:
            reports.append(_compared(out or stitched, compare, bars, recursive=recursive))
    if as_json:
        print(json.dumps({name: value for report in reports for name, value in report.as_json.items()}))
    else:
        print("\n".join(report.text for report in reports))
    _report_failures([failure for report in reports for failure in report.failures])
    if not all(report.complete for report in reports):
        raise typer.Exit(1)


def overlay(
    image: _IMAGE,
    mask: _MASK,
    *,
    out: _PICTURE,
    region: _REGION = None,
    allow_pickle: ALLOW_PICKLE = False,
    channels: CHANNELS = None,
    channel: CHANNEL = None,
    scale: _SCALE = OverlayLook.scale,
    style: _STYLE = OverlayLook.style,
    seed: _COLOURS = OverlayLook.seed,
    overwrite: OVERWRITE = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Show a mask on its image, at any scale, with stretched contrast.

    Example: nucleusnet overlay Run72TR_bottom_left.tif Run72TR_bottom_left_cp_masks.png --out look.png --scale 0.2
    """
    from .overlay import write_overlay

    look = OverlayLook(scale, style, seed)
    with Bars(quiet=quiet) as bars:
        made = write_overlay(
            image,
            mask,
            out,
            region=region,
            look=look,
            allow_pickle=allow_pickle,
            channels=ChannelOptions.of_text(channels, channel),
            overwrite=overwrite,
            progress=bars,
        )
    if as_json:
        print(json.dumps({"file": str(out), "size": [made.height, made.width], "labels": made.labels}))
    else:
        print(f"{out}: {made.height} x {made.width} px, {counted(made.labels, 'label')}")


@dataclass(frozen=True)
class _Report:
    """What a part of `segment` has done, as JSON and in words, which images failed, and whether it did anything."""

    as_json: dict[str, Any]
    text: str
    failures: list[Failure]
    complete: bool = True


def _check_truth(truth: Path, *, recursive: bool) -> None:
    """Refuse a folder without true masks, before any image is segmented."""
    from .compare.compare import find_masks

    find_masks(truth, recursive=recursive)


def _segmented(options: SegmentOptions, progress: Progress) -> _Report:
    from .doubts import doubtful_masks
    from .segment import segment_folder

    result = segment_folder(options, progress)
    if result.log is not None:
        progress.say(f"the traceback of each unexpected error is in {result.log}.")
    for sentence in doubtful_masks(result.receipts):
        progress.say(sentence)
    rois = sum(receipt.rois for receipt in result.receipts)
    shown = {
        "images": len(result.receipts),
        "resumed": result.resumed,
        "rois": rois,
        "masks": [asdict(receipt) for receipt in result.receipts],
        "failures": [asdict(failure) for failure in result.failures],
    }
    masks, nuclei = counted(len(result.receipts), "mask"), counted(rois, "nucleus", "nuclei")
    text = f"{options.out or options.stitched}: {masks} ({result.resumed:,} were there already), {nuclei}"
    return _Report(shown, text, result.failures)


def _compared(masks: Path, truth: Path, progress: Progress, *, recursive: bool) -> _Report:
    from .compare.compare import compare_folders, comparison_json, comparison_text

    compared = compare_folders(masks, truth, recursive=recursive, progress=progress)
    if compared.without_mask:
        progress.say(f"True masks without a mask in {masks}, not compared: {', '.join(compared.without_mask)}.")
    if compared.without_truth:
        progress.say(f"Masks without a true mask in {truth}, not compared: {', '.join(compared.without_truth)}.")
    if not compared.images:
        progress.say(f"No mask in {masks} could be compared with one in {truth}; give folders of the same images.")
    shown = {"comparison": comparison_json(compared)}
    return _Report(shown, comparison_text(compared.images), compared.failures, complete=bool(compared.images))


def _report_failures(failures: Sequence[Failure]) -> None:
    if failures:
        print(f"{counted(len(failures), 'image')} failed:", file=sys.stderr)
        for failure in failures:
            print(f"  {failure.name}: {failure.message}", file=sys.stderr)
        raise typer.Exit(1)
