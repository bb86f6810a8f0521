"""The verbs of the builder: parse, call, report."""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from nucleusnet_source.errors import UsageError

from .sources import DEFAULT_NAME_PATTERN, Failure

SEED = Annotated[int, typer.Option(help="Decides every random choice; the same seed gives the same bytes.")]
QUIET = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to stdout.")]


class Outside(StrEnum):
    """What a crop shows outside the nucleus."""

    zero = "zero"
    keep = "keep"


class Recipe(StrEnum):
    """How a nucleus is cut."""

    published = "published"


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the images go; made if missing.")],
    *,
    images: Annotated[int, typer.Option(help="Number of stitched images.")] = 24,
    size: Annotated[int, typer.Option(help="Height and width of an image, px.")] = 3000,
    seed: SEED = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    quiet: QUIET = False,
) -> None:
    """Make stitched images with masks and truth, to try everything on.

    The images show DAPI-like nuclei at 8.0453 px/um: touching neighbours, nuclei cut by the border, anaphase pairs,
    micronuclei, debris, an empty image.

    Example: nucleusnet simulate stitched --images 24 --size 3000 --seed 0
    """
    from .simulate import simulate as run  # noqa: PLC0415 - `--help` stays fast

    with bar("simulate", images, "image", quiet=quiet) as shown:
        made = run(
            folder, images=images, size_px=size, seed=seed, overwrite=overwrite, on_image=lambda _files: shown.update(1)
        )
    print(f"{folder}: {len(made)} images of {size} x {size} px, {sum(files.nuclei for files in made)} nuclei")


def build(
    stitched: Annotated[Path, typer.Argument(help="Folder of the stitched images <name>.tif.")],
    *,
    out: Annotated[Path, typer.Option(help="The dataset folder to be.")] = Path("nucleusnet"),
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if another.")] = None,
    pixels_per_um: Annotated[float, typer.Option(help="Scale of the images.")] = 8.0453,
    seed: SEED = 0,
    splits: Annotated[str, typer.Option(help="Fractions of the runs.")] = "train=0.8,validation=0.1,test=0.1",
    name_pattern: Annotated[
        str, typer.Option(help="Regular expression with groups run, quarter, position.", show_default=False)
    ] = DEFAULT_NAME_PATTERN,
    recipe: Annotated[Recipe, typer.Option(help="How a nucleus is cut.")] = Recipe.published,
    outside: Annotated[Outside, typer.Option(help="What a crop shows outside the nucleus.")] = Outside.zero,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: the cores.", show_default=False)
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Look for images in subfolders too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing dataset folder.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.")] = False,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Turn stitched images and masks into a dataset folder.

    Everything is made in OUT.work and appears as OUT when it is complete; call again to resume. Images that fail are
    listed at the end and leave the others alone.

    Example: nucleusnet build stitched --out nucleusnet --pixels-per-um 8.0453 --workers 8
    """
    from .build import BuildOptions, Progress  # noqa: PLC0415 - `--help` stays fast
    from .build import build as run  # noqa: PLC0415

    options = BuildOptions(
        stitched=stitched,
        out=out.absolute(),
        masks=masks,
        pixels_per_um=pixels_per_um,
        seed=seed,
        splits=splits,
        name_pattern=name_pattern,
        recipe=recipe.value,
        outside=outside.value,
        workers=available_cores() if workers is None else workers,
        recursive=recursive,
        overwrite=overwrite,
        fresh=fresh,
    )
    with Bars(quiet=quiet) as bars:
        result = run(options, Progress(bars.stage, bars.step))
    manifest = result.manifest
    summary = {
        "out": str(out),
        "images": result.images,
        "found": manifest.found,
        "kept": manifest.kept,
        "dropped": manifest.dropped,
        "splits": manifest.splits,
        "failures": [{"name": failure.name, "message": failure.message} for failure in result.failures],
    }
    print(json.dumps(summary) if as_json else readable(summary, options.splits))
    if result.failures:
        report(result.failures, f"pieces are kept in {result.work}: mend these and call again with --overwrite.")


def verify(
    folder: Annotated[Path, typer.Argument(help="The dataset folder.")] = Path("nucleusnet"),
    *,
    quiet: QUIET = False,
    as_json: AS_JSON = False,
) -> None:
    """Check every file, cell and count of a dataset folder.

    Example: nucleusnet verify nucleusnet
    """
    from .verify import verify as run  # noqa: PLC0415 - `--help` stays fast

    with Bars(quiet=quiet) as bars:
        result = run(folder, stage=bars.stage, step=bars.step)
    problems = [{"where": problem.where, "message": problem.message} for problem in result.problems]
    if as_json:
        print(json.dumps({"folder": str(folder), "files": result.files, "rows": result.rows, "problems": problems}))
    else:
        print(f"{folder}: {result.files} files, {result.rows:,} nuclei, {len(problems) or 'no'} problems")
    for problem in problems:
        print(f"{problem['where']}: {problem['message']}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)


def readable(summary: dict[str, Any], splits: str) -> str:
    """Return the lines that a finished build prints."""
    dropped = [f"{reason} {count:,}" for reason, count in summary["dropped"].items()]
    lines = [
        f"{summary['out']}: {summary['images']:,} images",
        f"found {summary['found']:,} = kept {summary['kept']:,} + {' + '.join(dropped)}",
        "splits: " + ", ".join(f"{split} {rows:,}" for split, rows in summary["splits"].items()),
    ]
    asked = [part.split("=")[0].strip() for part in splits.split(",")]
    if missing := [split for split in asked if split not in summary["splits"]]:
        lines.append(f"left out, too few runs: {', '.join(missing)}")
    return "\n".join(lines)


def report(failures: list[Failure], remedy: str) -> None:
    """List what failed on stderr and end with exit code 1."""
    print(f"{len(failures)} inputs are not in the dataset:", file=sys.stderr)
    for failure in failures:
        print(f"  {failure.name}: {failure.message}", file=sys.stderr)
    print(remedy, file=sys.stderr)
    raise typer.Exit(1)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bar(what: str, total: int | None, unit: str, *, quiet: bool) -> Any:
    """Return a progress bar on stderr."""
    return tqdm(desc=what, total=total, unit=unit, disable=quiet, file=sys.stderr, dynamic_ncols=True)


@dataclass
class Bars:
    """One progress bar after the other, each with its steps and nuclei per second."""

    quiet: bool
    shown: Any = None
    nuclei: int = 0
    started: float = field(default_factory=time.monotonic)

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.close()

    def stage(self, name: str, steps: int) -> None:
        """Begin another bar."""
        self.__exit__()
        self.nuclei, self.started = 0, time.monotonic()
        self.shown = bar(name, steps or None, name.rstrip("s"), quiet=self.quiet)

    def step(self, steps: int, nuclei: int) -> None:
        """Move the bar."""
        if self.shown is None:
            raise UsageError("a progress step before its stage")
        self.nuclei += nuclei
        rate = self.nuclei / max(1e-3, time.monotonic() - self.started)
        self.shown.set_postfix_str(f"{self.nuclei:,} nuclei, {rate:,.0f}/s", refresh=False)
        self.shown.update(steps)
