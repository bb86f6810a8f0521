"""Statistics of stitched images, their centroid, and which images represent all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import BuildError
from nucleusnet_core.terminal.wording import counted

DECIMALS = 4
"""Of the published tables."""
_TIE_DECIMALS = 9
"""Distances that are the same up to this decimal differ by rounding only."""


@dataclass(frozen=True)
class ImageStatistics:
    """What was measured in one stitched image.

    Attributes:
        image: its name, the stem of its file.
        num_rois: number of regions of interest, the distinct labels of its mask.
        mean_intensity: over all mask pixels, camera values; None without regions of interest.
        std_intensity: population standard deviation over all mask pixels; None without regions of interest.
    """

    image: str
    num_rois: int
    mean_intensity: float | None
    std_intensity: float | None


@dataclass(frozen=True)
class Centroid:
    """The mean of all images, and the scale of each feature.

    Attributes:
        num_rois: mean number of regions of interest.
        mean_intensity: mean of the images' mean intensities.
        std_num_rois: population standard deviation of the numbers of regions of interest.
        std_mean_intensity: population standard deviation of the mean intensities.
    """

    num_rois: float
    mean_intensity: float
    std_num_rois: float
    std_mean_intensity: float


@dataclass(frozen=True)
class RankedImage:
    """A stitched image with regions of interest and its place among the others.

    Attributes:
        image: its name.
        num_rois: number of regions of interest.
        mean_intensity: over all mask pixels, camera values.
        std_intensity: population standard deviation over all mask pixels.
        distance: to the centroid, after z-scoring both features.
        rank: from 1, nearest first.
    """

    image: str
    num_rois: int
    mean_intensity: float
    std_intensity: float
    distance: float
    rank: int


@dataclass(frozen=True)
class Ranking:
    """All stitched images of a dataset around their centroid.

    Attributes:
        centroid: of the images with regions of interest, None if there are no such images.
        images: those with regions of interest, nearest first.
        empty: names of those without, sorted; they are left out of the centroid.
    """

    centroid: Centroid | None
    images: tuple[RankedImage, ...]
    empty: tuple[str, ...]

    def representatives(self, top: int) -> tuple[RankedImage, ...]:
        """Return the `top` images nearest to the centroid, all of them where there are fewer."""
        return self.images[:top]


def rank_images(measured: Iterable[ImageStatistics]) -> Ranking:
    """Rank images by their distance to the centroid; the order they come in changes no digit.

    The centroid is the mean number of regions of interest and the mean of the mean intensities. Both features are
    z-scored with their population standard deviation; one that is the same in all images adds nothing to the distance.
    Equal distances are ordered by name.
    """
    by_name = sorted(measured, key=lambda one: one.image)
    filled = [
        (one.image, one.num_rois, one.mean_intensity, one.std_intensity)
        for one in by_name
        if one.num_rois and one.mean_intensity is not None and one.std_intensity is not None
    ]
    names = [name for name, _, _, _ in filled]
    found = set(names)
    empty = tuple(one.image for one in by_name if one.image not in found)
    if not filled:
        return Ranking(None, (), empty)
    rois = np.array([count for _, count, _, _ in filled], np.float64)
    intensity = np.array([mean for _, _, mean, _ in filled], np.float64)
    centroid = centroid_of(rois, intensity)
    distance = distances(rois, intensity, centroid)
    places = zip(distance.tolist(), ranks(distance, names).tolist(), strict=True)
    images = [RankedImage(*facts, *place) for facts, place in zip(filled, places, strict=True)]
    return Ranking(centroid, tuple(sorted(images, key=lambda one: one.rank)), empty)


def centroid_of(num_rois: npt.NDArray[np.float64], mean_intensity: npt.NDArray[np.float64]) -> Centroid:
    """Return the centroid of at least one image, both arguments (images,)."""
    return Centroid(float(num_rois.mean()), float(mean_intensity.mean()), _spread(num_rois), _spread(mean_intensity))


def _spread(values: npt.NDArray[np.float64]) -> float:
    """Return the population standard deviation, exactly 0 for equal values, whose mean may be rounded."""
    return float(values.std()) if values.min() < values.max() else 0.0


def distances(
    num_rois: npt.NDArray[np.float64], mean_intensity: npt.NDArray[np.float64], centroid: Centroid
) -> npt.NDArray[np.float64]:
    """Return the Euclidean distance of each image to the centroid, (images,), after z-scoring both features.

    A feature that is the same in all images (standard deviation 0) adds nothing.
    """
    rois = _scores(num_rois - centroid.num_rois, centroid.std_num_rois)
    intensity = _scores(mean_intensity - centroid.mean_intensity, centroid.std_mean_intensity)
    return np.hypot(rois, intensity)


def _scores(deviation: npt.NDArray[np.float64], std: float) -> npt.NDArray[np.float64]:
    return deviation / std if std > 0 else np.zeros_like(deviation)


def ranks(distance: npt.NDArray[np.float64], names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rank of each name from 1, nearest first; distances equal but for rounding are ordered by name."""
    rounded = distance.round(_TIE_DECIMALS)
    order = sorted(range(len(names)), key=lambda index: (rounded[index], names[index]))
    ranked = np.empty(len(names), np.int64)
    ranked[order] = np.arange(1, len(names) + 1)
    return ranked


def no_centroid(what: str) -> BuildError:
    """Return the error of a picture that has nothing to show."""
    return BuildError(f"{what} cannot be drawn: no image has regions of interest; check that the masks are not empty.")


def ranking_json(ranking: Ranking, top: int) -> dict[str, Any]:
    """Return number of images, centroid and representatives as JSON values, not rounded."""
    centroid = ranking.centroid
    return {
        "images": len(ranking.images) + len(ranking.empty),
        "centroid": centroid and {"num_rois": centroid.num_rois, "mean_intensity": centroid.mean_intensity},
        "representatives": [
            {
                "image": one.image,
                "num_rois": one.num_rois,
                "mean_intensity": one.mean_intensity,
                "std_intensity": one.std_intensity,
                "distance": one.distance,
            }
            for one in ranking.representatives(top)
        ],
    }


def ranking_text(ranking: Ranking, top: int) -> str:
    """Return number of images, centroid and the table of the representatives for people."""
    count = counted(len(ranking.images) + len(ranking.empty), "image")
    if ranking.centroid is None:
        return f"{count}; none has regions of interest, so there is no centroid"
    centroid = ranking.centroid
    left_out = f", {len(ranking.empty):,} of them without regions of interest and left out" if ranking.empty else ""
    head = (
        f"{count}{left_out}\n"
        f"centroid: {centroid.num_rois:,.{DECIMALS}f} ROIs, mean intensity {centroid.mean_intensity:.{DECIMALS}f}\n"
    )
    rows = [
        (
            one.image,
            f"{one.num_rois}",
            *(f"{value:.{DECIMALS}f}" for value in (one.mean_intensity, one.std_intensity, one.distance)),
        )
        for one in ranking.representatives(top)
    ]
    return head + "\n" + aligned([("image", "ROIs", "mean", "std", "distance"), *rows])


def notes(ranking: Ranking, top: int) -> list[str]:
    """Return what a reader of the numbers must know: images left out, results that a special case decides."""
    said = []
    if ranking.empty:
        said.append(f"Without regions of interest, so left out of the centroid: {', '.join(ranking.empty)}.")
    if ranking.centroid is None:
        return said
    if len(ranking.images) < top:
        there = counted(len(ranking.images), "image has", "images have")
        said.append(f"{there} regions of interest, fewer than the {top:,} representatives asked for; all are shown.")
    features = {"number of ROIs": ranking.centroid.std_num_rois, "mean intensity": ranking.centroid.std_mean_intensity}
    same = [name for name, std in features.items() if std == 0]
    if len(ranking.images) == 1:
        said.append("There is only one image: it is the centroid, so the standard deviations and its distance are 0.")
    elif same:
        said.append(f"The same in all images, so it adds nothing to the distance: {', '.join(same)}.")
    return said


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of texts as columns, the first one left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
