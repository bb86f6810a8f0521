"""Which run a nucleus belongs to, as a published dataset says it."""

from collections.abc import Iterable, Sequence

from .manifest import Manifest


def run_names(runs: Iterable[int | None], stitched_images: Iterable[str], manifest: Manifest) -> list[str]:
    """Return the name of the run of each row; arguments as those of `runs_of_rows`."""
    return [str(run) for run in runs_of_rows(runs, stitched_images, manifest)]


def runs_of_rows(runs: Iterable[int | None], stitched_images: Iterable[str], manifest: Manifest) -> list[int | str]:
    """Return the run of each row, its number or its name.

    Args:
        runs: column `run`, None where a run is no number.
        stitched_images: column `stitched_image`.
        manifest: of the dataset; lists the runs that are names.
    """
    texts = {run for group in manifest.runs.values() for run in group if isinstance(run, str)}
    named: dict[str, str] = {}
    found: list[int | str] = []
    for run, image in zip(runs, stitched_images, strict=True):
        if run is None and image not in named:
            named[image] = run_in_name(image, sorted(texts))
        found.append(named[image] if run is None else run)
    return found


def run_in_name(stitched_image: str, texts: Sequence[str]) -> str:
    """Return the longest run that occurs in the name of an image, or the name itself, which is then its own run."""
    return max((text for text in texts if text in stitched_image), key=len, default=stitched_image)


def natural_order(run_group: str) -> tuple[bool, int, str]:
    """Return a key that sorts runs by number, and names after them."""
    number = run_group.isascii() and run_group.isdecimal()
    return not number, int(run_group) if number else 0, run_group
