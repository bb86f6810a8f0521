"""How the published crops were cut, step by step on whole images: slow, plain, and what the builder is held against.

For every label of the mask, in ascending order:

1. Compare the whole mask with the label. Leave the label out if it touches the first or last row or column.
2. Take 364 x 364 px of image and mask around the middle of its bounding box. Leave it out if they are not all there.
3. Find the outer contours in that window; the largest area wins, the first of equals. Leave it out without any.
4. Turn image and 0/1 mask by OpenCV's bilinear `warpAffine` about the pixel (182, 182), by the angle of the contour's
   minimum-area rectangle, plus 90 degrees where that is higher than wide. Leave it out if no mask pixel remains.
5. Cut 256 x 256 px around the middle of the turned mask, moved inside the window. Set to zero what is not mask.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PublishedCrop:
    pixels: npt.NDArray[Any]
    surroundings: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_]
    rotation_deg: float


def publish_all(image: npt.NDArray[Any], labels: npt.NDArray[Any]) -> dict[int, PublishedCrop | str]:
    """What became of each label: its crop, or why there is none."""
    return {int(label): publish(image, (labels == label).astype(np.uint8)) for label in np.unique(labels) if label != 0}


def publish(image: npt.NDArray[Any], mask: npt.NDArray[np.uint8]) -> PublishedCrop | str:
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        return "touches_border"
    rows, columns = np.nonzero(mask)
    top, left = int(rows.min() + rows.max()) // 2 - 182, int(columns.min() + columns.max()) // 2 - 182
    if top < 0 or left < 0 or top + 364 > mask.shape[0] or left + 364 > mask.shape[1]:
        return "no_full_window"
    here = slice(top, top + 364), slice(left, left + 364)
    return turn_and_cut(image[here], mask[here])


def turn_and_cut(image: npt.NDArray[Any], mask: npt.NDArray[np.uint8]) -> PublishedCrop | str:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) == 0:
        return "no_contour"
    _, (width, height), angle = cv2.minAreaRect(max(contours, key=cv2.contourArea))
    if width < height:
        angle += 90
    rotation = cv2.getRotationMatrix2D((182, 182), angle, 1.0)
    turned_image = cv2.warpAffine(image, rotation, (364, 364))
    turned_mask = cv2.warpAffine(mask, rotation, (364, 364)) > 0
    if not turned_mask.any():
        return "empty_after_rotation"
    rows, columns = np.nonzero(turned_mask)
    top = min(max(int(rows.min() + rows.max()) // 2 - 128, 0), 108)
    left = min(max(int(columns.min() + columns.max()) // 2 - 128, 0), 108)
    frame = slice(top, top + 256), slice(left, left + 256)
    surroundings, inside = turned_image[frame], turned_mask[frame]
    return PublishedCrop(np.where(inside, surroundings, 0).astype(image.dtype), surroundings, inside, float(angle))
