"""The command `sample`: a random sample through a PyTorch DataLoader, counted and shown."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..terminal.options import AS_JSON, NUCLEI, ONLY, OUTPUT, OVERWRITE, QUIET, RUNNING, SHOWN_CHANNEL, SOURCE, WITHOUT


class Method(StrEnum):
    """How a sample is drawn."""

    blocks = "blocks"
    rows = "rows"


def sample(
    source: SOURCE = "nucleusnet",
    *,
    n: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of nuclei; default: 1000, or all of fewer.", show_default=False, rich_help_panel=NUCLEI
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="The split to draw from, or several: train+test.", rich_help_panel=NUCLEI)
    ] = "train",
    without: WITHOUT = None,
    only: ONLY = None,
    method: Annotated[
        Method,
        typer.Option(
            help="blocks: runs of neighbours, which are random too; rows: each nucleus by itself, slower.",
            rich_help_panel=NUCLEI,
        ),
    ] = Method.blocks,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed draws the same nuclei; default: a new draw each time.",
            show_default=False,
            rich_help_panel=NUCLEI,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Nuclei of a batch.", rich_help_panel=RUNNING)] = 32,
    out: Annotated[Path, typer.Option(help="Where to write the contact sheet, a .png.", rich_help_panel=OUTPUT)] = Path(
        "nucleusnet-sample.png"
    ),
    channel: SHOWN_CHANNEL = None,
    overwrite: OVERWRITE = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Stream a truly random sample into a PyTorch DataLoader and show it.

    Prints the batches, the nuclei of each run, and the seconds and MB that reading took, and draws the nuclei on a
    contact sheet with a scale bar, several channels in colours. With --without blurred or --only blurred, every
    nucleus that is left has the same chance; their warnings are read from the dataset's table of measurements (config
    metadata).

    Example: nucleusnet sample nucleusnet --n 100 --seed 0 --out nucleusnet-sample.png
    """
    from ..shards.warning_filter import WarningFilter
    from ..terminal.bars import Bars
    from ..terminal.outputs import output_file
    from .report import SampleRequest, show_sample

    wanted = WarningFilter(tuple(without or ()), tuple(only or ()))
    output_file(out, suffixes=(".png",), overwrite=overwrite)
    request = SampleRequest(
        source,
        n,
        split=split,
        wanted=wanted,
        seed=seed,
        method=method.value,
        batch_size=batch_size,
        out=out,
        channel=channel,
    )
    torch_batches([], batch_size)  # if PyTorch is missing, it is said before anything is read
    with Bars(quiet=quiet) as bars:
        report = show_sample(request, torch_batches, bars)
    print(report.to_json() if as_json else report.to_text())


def torch_batches(cells: list[bytes], batch_size: int) -> Iterable[Any]:
    """Return a PyTorch DataLoader of image cells, whose batches are tensors (batch, 1, height, width)."""
    import numpy as np
    import torch
    from torch.utils.data import DataLoader

    from ..cells.png import decode_cell

    def collate(batch: list[bytes]) -> torch.Tensor:
        return torch.from_numpy(np.stack([decode_cell(cell) for cell in batch])[:, None])

    return DataLoader(cells, batch_size=batch_size, collate_fn=collate)  # type: ignore[arg-type]  # a list is one
