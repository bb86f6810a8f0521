"""What is suspicious about one image with its mask, as the warning words of reports, card and config `stitched`.

The thresholds were set on 541 real fluorescence images (Data Science Bowl 2018) and on simulated ones. Where a mask
fits, at least 93 % of its nuclei are brighter than their surroundings. Where it was exchanged or shifted by one
nucleus, fewer than 80 % are, in 98 of 100 images with three nuclei or more.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.regions import Regions

from ..cutting.bodies import Bodies, bodies_of
from ..cutting.extremes import count_values, has_range_above, saturation_value
from ..cutting.measure import IntensitySums
from ..cutting.surroundings import mean_surroundings

WARNING_TEXTS = {
    "duplicate_image": "The image is an exact copy of another one; remove one of the two, or its nuclei count twice, "
    "perhaps in two splits.",
    "duplicate_mask": "The mask is an exact copy of the mask of another image; give each image the mask made from it.",
    "blank": "All pixels of the image have nearly the same value; export the image again, or leave it out.",
    "mask_does_not_fit": "The nuclei in the mask are not brighter than their surroundings; give the mask that belongs "
    "to this image, not shifted, and invert an image whose nuclei are dark.",
    "labels_restart": "The same labels stand for bodies that lie far apart, as where tiles were segmented one by one; "
    "number the nuclei anew over the whole image.",
    "saturated": "More than 1 % of the pixels in nuclei have the highest value of the image, so their true intensities "
    "are unknown; take the image again with a shorter exposure, or use no intensities of it.",
    "all_at_border": "Every nucleus touches the border of the image, so none is surely whole; give larger images, or "
    "the stitched image instead of its tiles.",
}
"""Warning word -> what it says and what to do; the order of the words is that of every list of them."""

_BLANK_RANGE = 2  # grey values
_SAMPLED_REGIONS = 200  # so that the cost has a bound
_BRIGHTER_SHARE = 0.8
_FAR_DIAMETERS = 4
_RESTARTED_SHARE = 0.1  # of labels; in the real images it is 0
_SATURATED_SHARE = 0.01  # of mask pixels
_BODY_SHARE = 0.2  # of the largest body's area; micronuclei and specks are smaller
_SCATTER_BODIES, _SCATTER_DIAMETERS = 3, 3
_MANY_BODIES, _SPECK_SHARE = 16, 0.01  # of the largest body's area: one cluster may hold most nuclei of a binary mask
_MOST_CLASSES = 3


def image_warnings(pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums) -> list[str]:
    """Return the warning words of one image, in the order of `WARNING_TEXTS`.

    Args:
        pixels: (H, W) uint8 or uint16.
        regions: the labels of its mask.
        sums: the intensities under them.
    """
    blank = not has_range_above(pixels, _BLANK_RANGE)
    decided = {
        "blank": blank,
        "mask_does_not_fit": not blank and _does_not_fit(pixels, regions, sums),
        "labels_restart": _labels_restart(regions),
        "saturated": not blank and _is_saturated(pixels, regions, sums),
        "all_at_border": _all_at_border(regions),
    }
    return [word for word in WARNING_TEXTS if decided.get(word)]


def duplicate_warnings(images: Sequence[tuple[str, str, str, bool]]) -> dict[str, list[str]]:
    """Return the warning words of images that share a file, by stem; images without any are left out.

    Two masks without nuclei are the same by right. A copy of an image with a copy of its mask is a duplicate image.

    Args:
        images: stem, SHA-256 of the image, SHA-256 of the mask, and whether the mask has nuclei.
    """
    of_image, of_mask = defaultdict(list), defaultdict(set)
    for stem, image_sha256, mask_sha256, has_nuclei in images:
        of_image[image_sha256].append(stem)
        if has_nuclei:
            of_mask[mask_sha256].add(image_sha256)
    found = {}
    for stem, image_sha256, mask_sha256, has_nuclei in images:
        words = ["duplicate_image"] if len(of_image[image_sha256]) > 1 else []
        words += ["duplicate_mask"] if has_nuclei and len(of_mask[mask_sha256]) > 1 else []
        if words:
            found[stem] = words
    return found


def check_label_image(name: str, regions: Regions) -> None:
    """Refuse a mask of one to three labels that each stand for many nuclei: a binary mask or a map of classes.

    A label that covers more than half of the image is background by another number. A label stands for many nuclei if
    it has three bodies or more of similar size, spread over more than three times the diameter of the largest, or
    sixteen that are more than specks. Lobes, fragments, the poles of a mitosis and micronuclei are fewer and closer.

    Raises:
        InputMaskError: the mask is no label image.
    """
    labels = np.flatnonzero(regions.area_px * 2 <= regions.shape[0] * regions.shape[1])
    if not 1 <= labels.size <= _MOST_CLASSES or not all(_is_scattered(regions, int(label)) for label in labels):
        return
    one = labels.size == 1
    raise InputMaskError(
        f"{name} has {'one label' if one else f'{labels.size} labels'} for {regions.components[labels].sum()} separate "
        f"bodies: it is a {'binary mask' if one else 'map of classes'}, not a label image, in which each nucleus has a "
        "number of its own; save the labels."
    )


def _does_not_fit(pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums) -> bool:
    """Whether too few nuclei are brighter than their surroundings; one that is not may be debris."""
    which = _sample(regions)
    outside = mean_surroundings(pixels, regions, which)
    inside = sums.total[which] / sums.area_px[which]
    known = int(np.count_nonzero(~np.isnan(outside)))
    brighter = int(np.count_nonzero(inside > outside))
    return known > 0 and brighter < _BRIGHTER_SHARE * known and (known - brighter > 1 or brighter == 0)


def _sample(regions: Regions) -> npt.NDArray[np.int64]:
    """Return the regions to look at: all, or 200 evenly spread over the labels."""
    count = min(len(regions), _SAMPLED_REGIONS)
    return np.arange(count) * len(regions) // max(count, 1)


def _labels_restart(regions: Regions) -> bool:
    """Whether many labels have bodies of similar size that lie far apart."""
    if not len(regions):
        return False
    which = _sample(regions)
    typical_px = _diameter(np.median(regions.area_px[which] / regions.components[which]))
    box_px = np.hypot(regions.bbox_y1 - regions.bbox_y0, regions.bbox_x1 - regions.bbox_x0)[which]
    possible = which[(regions.components[which] > 1) & (box_px > _FAR_DIAMETERS * typical_px)]
    far_apart = 0
    for label in possible.tolist():
        bodies = _similar_bodies(regions, label)
        far_apart += _spread(bodies) > _FAR_DIAMETERS * max(typical_px, _diameter(bodies.area_px.max()))
    return far_apart > _RESTARTED_SHARE * which.size


def _is_scattered(regions: Regions, label: int) -> bool:
    """Whether a label has more bodies, or further apart, than one nucleus can have."""
    if regions.components[label] < _SCATTER_BODIES:
        return False
    bodies = _similar_bodies(regions, label)
    apart_px = _SCATTER_DIAMETERS * _diameter(bodies.area_px.max())
    spread = len(bodies.area_px) >= _SCATTER_BODIES and _spread(bodies) > apart_px
    return spread or len(_similar_bodies(regions, label, _SPECK_SHARE).area_px) >= _MANY_BODIES


def _similar_bodies(regions: Regions, label: int, least: float = _BODY_SHARE) -> Bodies:
    """Return the bodies of a label that have at least a share of the largest one's area."""
    bodies = bodies_of(regions, label)
    similar = bodies.area_px >= least * bodies.area_px.max()
    return Bodies(*(values[similar] for values in bodies))


def _spread(bodies: Bodies) -> float:
    """Return the diagonal of the box around the centres, px."""
    return float(np.hypot(np.ptp(bodies.centroid_y), np.ptp(bodies.centroid_x)))


def _diameter(area_px: np.floating[Any] | np.integer[Any]) -> float:
    """Return the diameter of a disc of that area, px."""
    return 2 * float(np.sqrt(area_px / np.pi))


def _is_saturated(pixels: npt.NDArray[Any], regions: Regions, sums: IntensitySums) -> bool:
    """Whether more than 1 % of the mask pixels share the highest value, and this is where the camera ends."""
    if not len(regions):
        return False
    sampled = np.zeros(len(regions), np.bool_)
    sampled[_sample(regions)] = True
    top = int(sums.maximum.max())
    maximum = np.where(sampled, sums.maximum, 0).astype(np.uint16)
    enough = _SATURATED_SHARE * int(sums.area_px[sampled].sum())
    if sums.area_px[maximum == top].sum() <= enough or count_values(pixels, regions, maximum, top).sum() <= enough:
        return False
    return top == saturation_value(pixels, regions, maximum)


def _all_at_border(regions: Regions) -> bool:
    """Whether there are three regions or more and each touches the border."""
    height, width = regions.shape
    touching = (
        (regions.bbox_y0 == 0) | (regions.bbox_x0 == 0) | (regions.bbox_y1 == height) | (regions.bbox_x1 == width)
    )
    return len(regions) >= 3 and bool(touching.all())
