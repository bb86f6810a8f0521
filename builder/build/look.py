"""A look at a few images before a build: their headers, and what the recipe would make of their masks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nucleusnet_core.contract import KEPT
from nucleusnet_core.errors import Failure, InputImageError, InputMaskError
from nucleusnet_core.inputs.header import read_header
from nucleusnet_core.inputs.pairs import Source
from nucleusnet_core.inputs.scale import Scale, resolve_scale

from ..cutting.recipe import Recipe


@dataclass(frozen=True)
class Headers:
    """What the headers of a few images say.

    Attributes:
        scales: of those that have one, px per um, with where it came from.
        pixel_bytes: bytes of the pixels of each image that can be read.
        shapes: (height, width) of these, px.
        unscaled: file names of those for which nobody states a scale.
        failures: of those that cannot be used.
    """

    scales: list[Scale] = field(default_factory=list)
    pixel_bytes: list[int] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    unscaled: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Fates:
    """What the recipe would make of the nuclei of a few masks.

    Attributes:
        images: number of masks that were read.
        found: nuclei in them.
        dropped: nuclei that would be left out, by reason; those that only a cut can tell are not counted.
        failures: of masks that cannot be used.
    """

    images: int
    found: int
    dropped: dict[str, int]
    failures: list[Failure]


def read_headers(sources: Sequence[Source], *, ignore_file_scale: bool) -> Headers:
    """Read the headers of images, and find the scale of each as a build does."""
    seen = Headers()
    for source in sources:
        try:
            given, name = source.given_scale, source.image_path.name
            header = read_header(source.image_path, file_scale=not (ignore_file_scale and given))
            seen.shapes.append(header.shape)
            seen.pixel_bytes.append(header.pixel_bytes)
            if header.scale is None and given is None:
                seen.unscaled.append(name)
            seen.scales.append(resolve_scale(header.scale, given, ignore_file=ignore_file_scale, name=name))
        except InputImageError as error:
            seen.failures.append(Failure(source.stem, str(error)))
    return seen


def read_fates(sources: Sequence[Source], recipe: Recipe, *, allow_pickle: bool) -> Fates:
    """Read masks, and tell what the recipe would make of their nuclei; no crop is cut."""
    images, fates, failures = 0, Counter[str](), []
    for source in sources:
        try:
            fates.update(mask_fates(source, recipe, allow_pickle=allow_pickle))
            images += 1
        except InputMaskError as error:
            failures.append(Failure(source.stem, str(error)))
    found = fates.total()
    del fates[KEPT]
    return Fates(images, found, dict(fates), failures)


def mask_fates(source: Source, recipe: Recipe, *, allow_pickle: bool) -> Counter[str]:
    """Return the number of nuclei of a mask by what would become of them.

    Raises:
        InputMaskError: the mask cannot be used.
    """
    from nucleusnet_core.inputs.kinds import reading  # noqa: PLC0415
    from nucleusnet_core.inputs.masks import read_label_runs  # noqa: PLC0415
    from nucleusnet_core.inputs.regions import regions_from_runs  # noqa: PLC0415

    from ..cutting.published import published_window  # noqa: PLC0415 - brings numba and OpenCV

    with reading(source.mask_path, InputMaskError):
        data = source.mask_path.read_bytes()
    regions = regions_from_runs(read_label_runs(data, source.mask_path.name, allow_pickle=allow_pickle))
    if recipe is Recipe.refined:
        return Counter({KEPT: len(regions)})
    sides = (regions.bbox_y0, regions.bbox_x0, regions.bbox_y1, regions.bbox_x1)
    windows = (published_window(regions.shape, box) for box in zip(*(side.tolist() for side in sides), strict=True))
    return Counter(window if isinstance(window, str) else KEPT for window in windows)
