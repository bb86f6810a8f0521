"""What a build says of its images in words: before it starts, at its end, and where nothing is left."""

from collections.abc import Iterable, Mapping, Sequence

from nucleusnet_core.contract import EMPTY_AFTER_ROTATION, NO_CONTOUR, NO_FULL_WINDOW, TOUCHES_BORDER
from nucleusnet_core.inputs.pairs import FoundInputs
from nucleusnet_core.terminal.wording import counted

from ..cutting.recipe import Recipe
from ..pieces.checks import WARNING_TEXTS
from .frame_use import HELD, FrameUse
from .options import BuildOptions

NAMED = 3
"""How many names stand for many."""
MUCH = 0.25
"""The share of the nuclei above which a build that drops them for one reason, or shrinks them, says so."""
LITTLE = 0.05
"""The share of a crop that half of the nuclei fall below where the frame is too large for them."""

# Reason: what holds for one nucleus, for several, and what keeps them.
_PUBLISHED_REASONS = {
    TOUCHES_BORDER: (
        "touches the border of its image",
        "touch the border of their image",
        "--recipe refined keeps and flags",
    ),
    NO_FULL_WINDOW: (
        "has no full 364 px window around it",
        "have no full 364 px window around them",
        "--recipe refined keeps",
    ),
    NO_CONTOUR: (
        "has no pixel in the window around its middle",
        "have no pixel in the window around their middle",
        "--recipe refined keeps",
    ),
    EMPTY_AFTER_ROTATION: (
        "has no pixel left in its window when turned",
        "have no pixel left in their window when turned",
        "--recipe refined keeps",
    ),
}


def first_names(names: Sequence[str]) -> str:
    """Return the first three names, and dots for the others.

    >>> first_names(["a", "b"]), first_names(["a", "b", "c", "d"])
    ('a, b', 'a, b, c, ...')
    """
    return ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])


def scale_words(scales: Mapping[float, int], sources: Iterable[str]) -> str:
    """Return the scales of some images and where these came from.

    Args:
        scales: number of images by scale, px per um.
        sources: where the scales came from, as `Scale.source` says it.

    >>> scale_words({2.0: 3}, ["ImageJ"])
    'scale: 2 px/µm, stated by the files (ImageJ)'
    >>> scale_words({2.0: 1, 6.0: 2}, ["sample sheet"])
    'scales: 2 px/µm (1 image), 6 px/µm (2 images), given by the sample sheet'
    """
    shown = {scale: f"{scale:.5g} px/µm" for scale in sorted(scales)}
    if len(shown) == 1:
        return f"scale: {next(iter(shown.values()))}, {source_words(sources)}"
    each = ", ".join(f"{text} ({counted(scales[scale], 'image')})" for scale, text in shown.items())
    return f"scales: {each}, {source_words(sources)}"


def source_words(sources: Iterable[str]) -> str:
    """Return who stated a scale.

    >>> source_words(["--pixels-per-um"]), source_words(["OME", "ImageJ", "sample sheet"])
    ('given by --pixels-per-um', 'given by the sample sheet, stated by the files (ImageJ, OME)')
    """
    given = {"sample sheet": "given by the sample sheet", "--pixels-per-um": "given by --pixels-per-um"}
    found = sorted(set(sources))
    said = [given[source] for source in given if source in found]
    if files := [source for source in found if source not in given]:
        said.append(f"stated by the files ({', '.join(files)})")
    return ", ".join(said)


def unmatched_words(found: FoundInputs, options: BuildOptions) -> str:
    """Return the line about names that the name pattern does not match; nothing where it matches all."""
    names, images = found.unmatched, counted(len(found.sources), "name")
    if not names:
        return ""
    match = "does not match" if len(names) == 1 else "do not match"
    said = f"names: {len(names):,} of {images} {match} the name pattern ({first_names(names)})"
    if options.name_pattern is not None:
        return f"{said}: correct --name-pattern if it should match"
    if found.group_by != "run_name":
        return said
    return (
        f"{said}; such an image is its own run: --name-pattern, or --samples with --group-by, tells what belongs "
        "together"
    )


def drop_sentences(dropped: Mapping[str, int], found: int, recipe: Recipe) -> list[str]:
    """Return why nuclei are left out and what keeps them, the most frequent reason first.

    Where that holds for more than a quarter of the nuclei, its sentence begins with "Note:".

    Args:
        dropped: number of nuclei by reason.
        found: number of all nuclei.
        recipe: how they are cut.
    """
    ordered = sorted((reason for reason in dropped if dropped[reason]), key=lambda reason: -dropped[reason])
    sentences = [_drop_sentence(reason, dropped[reason], found, recipe) for reason in ordered]
    if ordered and dropped[ordered[0]] > MUCH * found:
        sentences[0] = f"Note: {sentences[0]}"
    return sentences


def _drop_sentence(reason: str, count: int, found: int, recipe: Recipe) -> str:
    share = f"{count:,} of {counted(found, 'nucleus', 'nuclei')}"
    it = "it" if count == 1 else "them"
    if recipe == Recipe.refined:
        vanish = "vanishes" if count == 1 else "vanish"
        return f"{share} {vanish} when scaled down, as single pixels far apart do: check {it} in the mask."
    one, many, keeps = _PUBLISHED_REASONS[reason]
    return f"{share} {one if count == 1 else many}: {keeps} {it}."


def frame_sentences(use: FrameUse, recipe: Recipe) -> list[str]:
    """Return what is amiss with the frame, and which one would suit the nuclei; nothing where it suits them.

    Args:
        use: how well the nuclei fill the frame.
        recipe: how they are cut.
    """
    said = []
    if use.shrunk > MUCH * use.nuclei:
        share = f"{use.shrunk:,} of {counted(use.nuclei, 'nucleus', 'nuclei')}"
        are = "is larger than the frame and" if use.shrunk == 1 else "are larger than the frame and"
        said.append(
            f"Note: {share} {are} shown at a smaller scale: --frame-um {use.fitting_um:g} would hold {HELD} % of all."
        )
    elif use.covered < LITTLE and use.fitting_um < use.frame_um:
        choose = "" if recipe is Recipe.refined else "--recipe refined "
        said.append(
            f"Note: half of the nuclei cover less than {100 * use.covered:.2g} % of their crop, and the rest is empty: "
            f"{choose}--crop-px {use.fitting_px} --frame-um {use.fitting_um:g} would hold {HELD} % of all, and less "
            "around them."
        )
    return said


def warning_paragraphs(warnings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one paragraph for each warning: how many images have it, the first of them, and what to do.

    Args:
        warnings: words of `checks.WARNING_TEXTS`, by the name of the image.
    """
    images: dict[str, list[str]] = {}
    for image, words in warnings.items():
        for word in words:
            images.setdefault(word, []).append(image)
    return [
        f"Warning for {counted(len(images[word]), 'image')} ({first_names(images[word])}): {text}"
        for word, text in WARNING_TEXTS.items()
        if word in images
    ]
