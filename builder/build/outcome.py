"""What a build tells at its end, as JSON and in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import Failure
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.terminal.wording import counted

from .assembly import BuildResult
from .build import ShareResult
from .options import BuildOptions
from .sentences import drop_sentences, frame_sentences, scale_words, unmatched_words, warning_paragraphs
from .shares import Share
from .understanding import Understanding, all_lines


@dataclass(frozen=True)
class Outcome:
    """The end of a build.

    Attributes:
        summary: numbers, warnings and failures, for JSON.
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


def build_outcome(result: BuildResult, out: Path, options: BuildOptions) -> Outcome:
    """Return what a build has made.

    Args:
        result: of the build.
        out: the dataset folder, as the user named it.
        options: that the build was asked for.
    """
    remedy = f"Fix these and call again with --overwrite; what is finished is kept in {result.work}."
    manifest, found = result.manifest, result.found
    paragraphs = [
        *drop_sentences(manifest.dropped, manifest.found, options.recipe),
        *frame_sentences(result.frame_use, options.recipe),
        *warning_paragraphs(result.warnings),
    ]
    lines = [
        f"{out}: {counted(result.images, 'image')}",
        scale_words(result.scales, manifest.scale_sources),
        found_words(manifest),
        *split_lines(result, options),
        *filter(None, [unmatched_words(found, options)]),
        *paragraphs,
    ]
    return Outcome(build_summary(result, out), "\n".join(lines), failure_text(result.failures, remedy))


def dry_run_outcome(understanding: Understanding) -> Outcome:
    """Return what a build would do."""
    summary = {
        "images": understanding.images,
        "masks": understanding.masks,
        "scales": scales_as_dicts(Counter(scale.pixels_per_um for scale in understanding.headers.scales)),
        "scale_sources": dict(Counter(scale.source for scale in understanding.headers.scales)),
        "no_scale": understanding.headers.unscaled,
        "group_by": understanding.group_by,
        "groups": understanding.groups,
        "unmatched": understanding.unmatched,
        "channels": list(understanding.channels.names),
        "columns": understanding.columns,
        "examples": understanding.examples,
        "splits": understanding.splits,
        "split_by": "sample sheet" if understanding.split_by_sheet else "fractions",
        "recipe": understanding.recipe.value,
        "looked_at": {
            "images": understanding.fates.images,
            "found": understanding.fates.found,
            "dropped": understanding.fates.dropped,
        },
        "needed_bytes": understanding.needed_bytes,
        "free_bytes": understanding.free_bytes,
        "out_exists": understanding.taken is not None,
        "failures": as_dicts(understanding.failures),
    }
    remedy = "Fix these before you build; nothing was written."
    return Outcome(summary, "\n".join(all_lines(understanding)), failure_text(understanding.failures, remedy))


def build_summary(result: BuildResult, out: Path) -> dict[str, Any]:
    """Return the numbers of a finished build, for JSON."""
    manifest = result.manifest
    return {
        "out": str(out),
        "images": result.images,
        "found": manifest.found,
        "kept": manifest.kept,
        "dropped": manifest.dropped,
        "splits": manifest.splits,
        "group_by": manifest.group_by,
        "channels": manifest.channels,
        "columns": manifest.columns,
        "frame": asdict(result.frame_use),
        "scales": scales_as_dicts(result.scales),
        "scale_sources": manifest.scale_sources,
        "unmatched": result.found.unmatched,
        "warnings": {image: words for image, words in result.warnings.items() if words},
        "failures": as_dicts(result.failures),
    }


def found_words(manifest: Manifest) -> str:
    """Return how many nuclei were found, and what became of them."""
    dropped = [f"{reason} {count:,}" for reason, count in manifest.dropped.items()]
    return f"found {manifest.found:,} = kept {manifest.kept:,} + {' + '.join(dropped)}"


def split_lines(result: BuildResult, options: BuildOptions) -> list[str]:
    """Return the nuclei and the groups of each split, and the splits that have got none."""
    manifest = result.manifest
    groups = ", ".join(f"{split} {len(names):,}" for split, names in manifest.runs.items())
    lines = [
        "splits: " + ", ".join(f"{split} {rows:,}" for split, rows in manifest.splits.items()),
        f"splits keep each {manifest.group_by} together: {groups}",
    ]
    by_sheet = any(source.split is not None for source in result.found.sources)
    missing = [] if by_sheet else [split for split in options.fractions if split not in manifest.splits]
    if missing:
        groups = "runs" if manifest.group_by == "run_name" else f"values of {manifest.group_by}"
        lines.append(f"too few {groups}, so these splits are left out: {', '.join(missing)}")
    return lines


def scales_as_dicts(scales: Mapping[float, int]) -> list[dict[str, float | int]]:
    """Return the number of images by scale, for JSON, whose keys are texts."""
    return [{"pixels_per_um": scale, "images": scales[scale]} for scale in sorted(scales)]


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
