"""What a build prints at its end: results to stdout, failures to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from nucleusnet_core.terminal.wording import counted

from ..workers.failure import Failure
from .assembly import BuildResult
from .build import ShareResult


def report_share(result: ShareResult, name: str, *, as_json: bool) -> None:
    """Print what one of several jobs has done."""
    failures = [asdict(failure) for failure in result.failures]
    summary = {"images": result.images, "kept": result.nuclei, "failures": failures}
    print(json.dumps(summary) if as_json else f"{name}: {counted(result.images, 'image')}, kept {result.nuclei:,}")
    if result.failures:
        report_failures(result.failures, "mend these and run this task again, or go on with --finish without them.")


def report_build(result: BuildResult, out: Path, fractions: Mapping[str, float], *, as_json: bool) -> None:
    """Print what a build has made."""
    manifest = result.manifest
    summary = {
        "out": str(out),
        "images": result.images,
        "found": manifest.found,
        "kept": manifest.kept,
        "dropped": manifest.dropped,
        "splits": manifest.splits,
        "failures": [asdict(failure) for failure in result.failures],
    }
    print(json.dumps(summary) if as_json else readable(summary, fractions))
    if result.failures:
        report_failures(
            result.failures, f"pieces are kept in {result.work}: mend these and call again with --overwrite."
        )


def readable(summary: Mapping[str, Any], fractions: Mapping[str, float]) -> str:
    """Return the lines that a finished build prints."""
    dropped = [f"{reason} {count:,}" for reason, count in summary["dropped"].items()]
    lines = [
        f"{summary['out']}: {counted(summary['images'], 'image')}",
        f"found {summary['found']:,} = kept {summary['kept']:,} + {' + '.join(dropped)}",
        "splits: " + ", ".join(f"{split} {rows:,}" for split, rows in summary["splits"].items()),
    ]
    if missing := [split for split in fractions if split not in summary["splits"]]:
        lines.append(f"left out, too few runs: {', '.join(missing)}")
    return "\n".join(lines)


def report_failures(failures: Sequence[Failure], remedy: str) -> None:
    """List what failed on stderr and end with exit code 1."""
    print(f"{counted(len(failures), 'input is', 'inputs are')} not in the dataset:", file=sys.stderr)
    for failure in failures:
        print(f"  {failure.name}: {failure.message}", file=sys.stderr)
    print(remedy, file=sys.stderr)
    raise typer.Exit(1)
