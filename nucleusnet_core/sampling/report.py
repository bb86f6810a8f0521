"""A random sample put to work: drawn, streamed in batches, counted, timed and shown on a contact sheet."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..cells.png import decode_cell
from ..dataset import open_dataset
from ..errors import CorruptDataError
from ..pictures.channels import shown_channels
from ..pictures.contact_sheet import MAX_NUCLEI, NO_SCALE_BAR, draw_sheet, sheet_grid, shrunk, write_sheet
from ..pictures.outlines import outlines_of
from ..runs import natural_order
from ..shards.rows import fetch_rows
from ..shards.tables import common_scale
from ..shards.warning_filter import WARNINGS, WarningFilter
from ..terminal.progress import Progress
from ..terminal.wording import counted
from .draw import candidates

USUAL_NUCLEI = 1000
"""How many nuclei are drawn where the request does not say it."""
MOST_RUNS = 10
"""So many runs are listed in the text; JSON has them all."""

_COLUMNS = ("run_name", "crop_pixels_per_um")

Loader = Callable[[list[bytes], int], Iterable[Any]]
"""Returns batches of at most so many of these image cells, (batch, 1, height, width) of uint8 or uint16."""


@dataclass(frozen=True)
class SampleRequest:
    """What to draw and where to show it.

    Attributes:
        source: the dataset.
        n: number of nuclei; None for `USUAL_NUCLEI`, or all where there are fewer.
        split: the split to draw from.
        wanted: which of its nuclei are drawn from, by their warnings.
        seed: of the draw; None for another one each time.
        method: "blocks" or "rows".
        batch_size: nuclei of a batch.
        out: the contact sheet to write.
        channel: the only one to draw; None for all.
    """

    source: str
    n: int | None
    split: str
    wanted: WarningFilter
    seed: int | None
    method: str
    batch_size: int
    out: Path
    channel: str | None = None


@dataclass(frozen=True)
class SampleReport:
    """What a request led to.

    Attributes:
        dataset: the dataset that was read.
        split: the split that was drawn from.
        without: nuclei with one of these warnings were left out.
        only: only nuclei with one of these warnings were drawn; empty for all.
        method: "blocks" or "rows".
        seed: draws the same nuclei again.
        nuclei: number of nuclei.
        batches: number of batches of each type and shape.
        nuclei_per_run: number of nuclei of each run, by its name.
        seconds: from opening the dataset to the last batch.
        requests: reads of the dataset's files.
        bytes_read: their bytes.
        contact_sheet: the file.
    """

    dataset: str
    split: str
    without: tuple[str, ...]
    only: tuple[str, ...]
    method: str
    seed: int
    nuclei: int
    batches: dict[str, int]
    nuclei_per_run: dict[str, int]
    seconds: float
    requests: int
    bytes_read: int
    contact_sheet: str

    def to_json(self) -> str:
        """Return everything as one JSON object."""
        return json.dumps(asdict(self))

    def to_text(self) -> str:
        """Return everything in a few lines for people."""
        nuclei = counted(self.nuclei, "random nucleus", "random nuclei")
        of_what = f"split {self.split} {WarningFilter(self.without, self.only)}".strip()
        read = f"{self.bytes_read / 1e6:.1f} MB in {counted(self.requests, 'read')}"
        return "\n".join(
            [
                f"{self.dataset}: {nuclei} of {of_what} ({self.method}, seed {self.seed})",
                *(f"{counted(count, 'batch', 'batches')} of {kind}" for kind, count in self.batches.items()),
                self._runs_text(),
                f"{read}, {self.seconds:.2f} s to the last batch",
                f"contact sheet: {self.contact_sheet}",
            ]
        )

    def _runs_text(self) -> str:
        """Return the line that says how many nuclei the runs have; of many runs, only the first are listed."""
        runs = [f"{run}: {count:,}" for run, count in self.nuclei_per_run.items()]
        others = len(runs) - MOST_RUNS
        more = [f"and {counted(others, 'other run')}"] if others > 0 else []
        return f"nuclei of {counted(len(runs), 'run')}: {', '.join(runs[:MOST_RUNS] + more)}"


def show_sample(request: SampleRequest, loader: Loader, progress: Progress) -> SampleReport:
    """Draw a sample, pass its images through `loader`, and write the contact sheet.

    Args:
        request: what to draw.
        loader: makes the batches.
        progress: told of the nuclei, and of what a person should know beside the report.

    Raises:
        NucleusNetError: the sample cannot be drawn, or the contact sheet cannot be written.
    """
    seed = secrets.randbits(32) if request.seed is None else request.seed
    started = time.perf_counter()
    opened = open_dataset(request.source)
    shown = shown_channels(opened.manifest, request.channel)
    choice = candidates(opened, request.split, request.wanted)
    n = _usual_number(sum(choice.shard_rows), request, progress) if request.n is None else request.n
    picks = choice.picks(n, seed=seed, method=request.method)
    progress.begin("nuclei", n, unit="nucleus")
    outlined = opened.manifest.shows_surroundings
    columns = [*shown.values(), *_COLUMNS, *([WARNINGS] if request.wanted else []), *(["mask"] if outlined else [])]
    table, read = fetch_rows(opened, picks, columns)
    _check_warnings(opened.store.name, request.wanted, table)
    seconds, tile_px = time.perf_counter() - started, sheet_grid(min(n, MAX_NUCLEI)).tile_px
    batches: Counter[str] = Counter()
    tiles: dict[str, npt.NDArray[np.float32]] = {}
    for channel, column in shown.items():
        if tiles:
            progress.begin(channel, n, unit="nucleus")
        cells = [cell["bytes"] for cell in table[column].to_pylist()]
        stream = _Stopwatch(loader(cells, request.batch_size), seconds)
        kinds, tiles[channel] = _consumed(stream, tile_px, progress)
        batches, seconds = batches + kinds, stream.seconds
    pixels_per_um = common_scale(table["crop_pixels_per_um"])
    if pixels_per_um is None:
        progress.say(NO_SCALE_BAR)
    tile_um = opened.manifest.crop_px / pixels_per_um if pixels_per_um else None
    outlines = _outlines(table["mask"], tile_px) if outlined else None
    of_all = f"{MAX_NUCLEI:,} of {n:,}" if n > MAX_NUCLEI else f"{n:,}"
    one = [f"channel {name}" for name in shown if name and len(shown) == 1]
    caption = [f"{of_all} random nuclei", *one, _of_what(request), f"seed {seed}"]
    write_sheet(request.out, draw_sheet(tiles, caption=caption, tile_um=tile_um, outlines=outlines))
    return SampleReport(
        dataset=opened.store.name,
        split=request.split,
        without=request.wanted.without,
        only=request.wanted.only,
        method=request.method,
        seed=seed,
        nuclei=len(table),
        batches=dict(batches),
        nuclei_per_run=_count_by_run(table["run_name"]),
        seconds=round(seconds, 3),
        requests=read.requests,
        bytes_read=read.bytes,
        contact_sheet=str(request.out),
    )


def _usual_number(total: int, request: SampleRequest, progress: Progress) -> int:
    """Return how many nuclei to draw where the request does not say it, and tell a person so."""
    n = min(USUAL_NUCLEI, total)
    share = f"all {n:,}" if n == total else f"{n:,} of the {total:,}"
    progress.say(f"Drawing {share} nuclei of {_of_what(request)}; --n draws another number.")
    return n


def _of_what(request: SampleRequest) -> str:
    """Return what is drawn from, such as "split train without dim"."""
    return f"split {request.split} {request.wanted}".strip()


def _check_warnings(name: str, wanted: WarningFilter, table: pa.Table) -> None:
    """Refuse nuclei whose warnings are not those for which config metadata had them chosen.

    Raises:
        CorruptDataError: rows of config default and metadata are not the same.
    """
    if wanted and len(wanted.chosen(table[WARNINGS])) < len(table):
        raise CorruptDataError(
            f"{name}: a row has other warnings in config metadata than in config default; run `nucleusnet verify`."
        )


class _Stopwatch:
    """Passes batches on and adds up the seconds that they take to come; what is done with them does not count."""

    def __init__(self, batches: Iterable[Any], seconds: float) -> None:
        self.batches, self.seconds = batches, seconds

    def __iter__(self) -> Iterator[Any]:
        end = object()
        started = time.perf_counter()
        batches = iter(self.batches)
        while (batch := next(batches, end)) is not end:
            self.seconds += time.perf_counter() - started
            yield batch
            started = time.perf_counter()
        self.seconds += time.perf_counter() - started


def _consumed(batches: Iterable[Any], tile_px: int, progress: Progress) -> tuple[Counter[str], npt.NDArray[np.float32]]:
    """Return how many batches of each type and shape there were, and the images as tiles of a contact sheet."""
    kinds: Counter[str] = Counter()
    tiles: list[npt.NDArray[np.float32]] = []
    for batch in batches:
        images = np.asarray(batch)
        kinds[f"{images.dtype} {images.shape}"] += 1
        if sum(map(len, tiles)) < MAX_NUCLEI:
            tiles.append(shrunk(images[:, 0], tile_px))
        progress.step(len(images))
    return kinds, np.concatenate(tiles)[:MAX_NUCLEI]


def _count_by_run(runs: pa.ChunkedArray) -> dict[str, int]:
    counts = Counter(runs.to_pylist())
    return {run: counts[run] for run in sorted(counts, key=natural_order)}


def _outlines(masks: pa.ChunkedArray, tile_px: int) -> npt.NDArray[np.bool_]:
    """Return the outlines of the nuclei that the contact sheet shows, (nuclei, tile_px, tile_px)."""
    cells = (cell["bytes"] for cell in masks[:MAX_NUCLEI].to_pylist())
    return outlines_of((decode_cell(cell) for cell in cells), tile_px)
