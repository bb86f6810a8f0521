"""What a build tells at its end, as JSON and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nucleusnet_core.terminal.wording import counted

from ..workers.failure import Failure
from .assembly import BuildResult
from .build import ShareResult
from .shares import Share


@dataclass(frozen=True)
class Outcome:
    """The end of a build.

    Attributes:
        summary: numbers and failures, for JSON.
        text: the same for people, without the failures.
        failed: lines that name each failure and say what to do about them; empty if nothing failed.
    """

    summary: Mapping[str, Any]
    text: str
    failed: str


def share_outcome(result: ShareResult, share: Share) -> Outcome:
    """Return what one of several jobs has done."""
    summary = {"images": result.images, "kept": result.nuclei, "failures": as_dicts(result.failures)}
    text = (
        f"task {share.task} of {share.tasks}: {counted(result.images, 'image')}, "
        f"{counted(result.nuclei, 'nucleus', 'nuclei')} kept"
    )
    remedy = "Fix these and run this task again, or go on with --finish without them."
    return Outcome(summary, text, failure_text(result.failures, remedy))


def build_outcome(result: BuildResult, out: Path, fractions: Iterable[str]) -> Outcome:
    """Return what a build has made.

    Args:
        result: of the build.
        out: the dataset folder, as the user named it.
        fractions: the splits that were asked for.
    """
    manifest = result.manifest
    summary = {
        "out": str(out),
        "images": result.images,
        "found": manifest.found,
        "kept": manifest.kept,
        "dropped": manifest.dropped,
        "splits": manifest.splits,
        "failures": as_dicts(result.failures),
    }
    dropped = [f"{reason} {count:,}" for reason, count in manifest.dropped.items()]
    lines = [
        f"{out}: {counted(result.images, 'image')}",
        f"found {manifest.found:,} = kept {manifest.kept:,} + {' + '.join(dropped)}",
        "splits: " + ", ".join(f"{split} {rows:,}" for split, rows in manifest.splits.items()),
    ]
    if missing := [split for split in fractions if split not in manifest.splits]:
        lines.append(f"too few runs, so these splits are left out: {', '.join(missing)}")
    remedy = f"Fix these and call again with --overwrite; what is finished is kept in {result.work}."
    return Outcome(summary, "\n".join(lines), failure_text(result.failures, remedy))


def as_dicts(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """Return failures for JSON."""
    return [asdict(failure) for failure in failures]


def failure_text(failures: list[Failure], remedy: str) -> str:
    """Return the lines that name what failed, and what to do about it; nothing for no failures."""
    if not failures:
        return ""
    lines = [f"  {failure.name}: {failure.message}" for failure in failures]
    return "\n".join(
        [f"{counted(len(failures), 'input is', 'inputs are')} not in the dataset:", *lines, remedy],
    )
