"""Recipe `published`: one label -> one 256 x 256 crop, bit for bit as the published data were cut.

Per label: leave out what touches the image border or lacks a full 364 px window around the middle of its bounding
box; rotate about the window's centre, so that the minimum-area rectangle of the largest outer contour lies flat;
cut 256 px around the middle of the rotated mask; set to zero what is outside the rotated mask.
"""

import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nucleusnet_core.contract import CROP_PX, EMPTY_AFTER_ROTATION, NO_CONTOUR, NO_FULL_WINDOW, TOUCHES_BORDER
from nucleusnet_core.errors import BuildError
from nucleusnet_core.inputs.regions import Regions

from .crop import Crop, paint_mask
from .published_warp import WINDOW_PX, Placement, Scratch, warp_frame, warp_nucleus
from .recipe import Outside

_HALF_WINDOW_PX = WINDOW_PX // 2
_scratch = Scratch()


def published_window(shape: tuple[int, int], bbox: tuple[int, int, int, int]) -> tuple[int, int] | str:
    """Return the first (row, column) of the 364 px window around a bounding box, or why there is none.

    Args:
        shape: (height, width) of the stitched image, px.
        bbox: (y0, x0, y1, x1), half-open, px.

    Returns:
        (y0, x0), or "touches_border", or "no_full_window".
    """
    y0, x0, y1, x1 = bbox
    if y0 == 0 or x0 == 0 or y1 == shape[0] or x1 == shape[1]:
        return TOUCHES_BORDER
    window_y0 = (y0 + y1 - 1) // 2 - _HALF_WINDOW_PX
    window_x0 = (x0 + x1 - 1) // 2 - _HALF_WINDOW_PX
    if min(window_y0, window_x0) < 0 or window_y0 + WINDOW_PX > shape[0] or window_x0 + WINDOW_PX > shape[1]:
        return NO_FULL_WINDOW
    return window_y0, window_x0


def cut_published(
    image: npt.NDArray[Any],
    regions: Regions,
    index: int,
    *,
    outside: Outside = Outside.zero,
    further: Sequence[npt.NDArray[Any]] = (),
) -> Crop | str:
    """Return the crop of one label, or why the recipe leaves it out.

    Args:
        image: stitched image (H, W), uint8 or uint16, C-contiguous, of the shape of the mask.
        regions: the labels of its mask.
        index: which of them.
        outside: "zero" outside the mask, or "keep" what the rotated 364 px window shows there.
        further: the image in further channels, of the same shape, each uint8 or uint16.

    Returns:
        The crop, or one of `DROP_REASONS`.

    Raises:
        ValueError: image and mask differ in shape.
        BuildError: the installed OpenCV would turn nuclei differently.
    """
    if image.shape != regions.shape:
        raise ValueError(f"the image has shape {image.shape}, and its mask {regions.shape}.")
    require_published_opencv(cv2.__version__)
    bbox = _bbox(regions, index)
    window = published_window(regions.shape, bbox)
    if isinstance(window, str):
        return window
    corner, mask = _window_mask(regions, index, bbox, window)
    contours = _contours(mask, (corner[0] - window[0], corner[1] - window[1]))
    if not contours:
        return NO_CONTOUR
    rotation_deg = flat_rotation_deg(contours)
    placement = Placement(corner, window, _rotation_matrix(rotation_deg))
    rotated, room = np.zeros((CROP_PX, CROP_PX), np.bool_), (_scratch.paired, _scratch.warped)
    points = contours[0] if len(contours) == 1 else np.concatenate(contours)
    channels = []
    for channel in (image, *further):
        pixels = np.zeros((CROP_PX, CROP_PX), channel.dtype)
        frame_y, frame_x, clipped = warp_nucleus(channel, mask, placement, points[:, 0], (pixels, rotated, *room))
        if frame_y < 0:
            return EMPTY_AFTER_ROTATION
        if outside == Outside.keep:
            warp_frame(channel, placement, (frame_y, frame_x), (pixels, np.empty_like(rotated), *room))
        channels.append(pixels)
    cut_by_window = max(bbox[2] - bbox[0], bbox[3] - bbox[1]) > WINDOW_PX
    return Crop(channels[0], rotated, rotation_deg, clipped or cut_by_window, tuple(channels[1:]))


def flat_rotation_deg(contours: Sequence[npt.NDArray[np.int32]]) -> float:
    """Return the rotation that lays the minimum-area rectangle of the largest contour with its long side along x.

    Args:
        contours: one or more as `cv2.findContours` gives them; of equally large ones the first counts.
    """
    _, (width, height), angle = cv2.minAreaRect(max(contours, key=cv2.contourArea))
    return float(angle + 90 if width < height else angle)


def _bbox(regions: Regions, index: int) -> tuple[int, int, int, int]:
    return (
        int(regions.bbox_y0[index]),
        int(regions.bbox_x0[index]),
        int(regions.bbox_y1[index]),
        int(regions.bbox_x1[index]),
    )


def _window_mask(
    regions: Regions, index: int, bbox: tuple[int, int, int, int], window: tuple[int, int]
) -> tuple[tuple[int, int], npt.NDArray[np.uint8]]:
    """Return what the window shows of one label, with a rim of one empty pixel: its first pixel, and the 0/1 mask."""
    y0, x0 = max(bbox[0], window[0]) - 1, max(bbox[1], window[1]) - 1
    y1, x1 = min(bbox[2], window[0] + WINDOW_PX) + 1, min(bbox[3], window[1] + WINDOW_PX) + 1
    which = int(regions.run_start[index]), int(regions.run_start[index + 1])
    runs = (regions.row, regions.x0, regions.x1)
    mask: npt.NDArray[np.uint8] = paint_mask(runs, which, (y0, x0), (y1 - y0, x1 - x0))
    return (y0, x0), mask


def _contours(mask: npt.NDArray[np.uint8], corner: tuple[int, int]) -> Sequence[npt.NDArray[np.int32]]:
    """Return the outer contours (n, 1, 2) as (x, y), counted from the pixel (0, 0) if `mask` lies at `corner`."""
    found: Sequence[npt.NDArray[np.int32]] = cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(corner[1], corner[0])
    )[0]
    return found


def _rotation_matrix(rotation_deg: float) -> npt.NDArray[np.float64]:
    """Return what `cv2.getRotationMatrix2D` returns for the window's centre, in a tenth of its time."""
    angle = rotation_deg * (math.pi / 180)
    cosine, sine, centre = math.cos(angle), math.sin(angle), _HALF_WINDOW_PX
    x_shift, y_shift = (1 - cosine) * centre - sine * centre, sine * centre + (1 - cosine) * centre
    return np.array([[cosine, sine, x_shift], [-sine, cosine, y_shift]])


@functools.cache
def require_published_opencv(version: str) -> None:
    """Check that this OpenCV reports the angles by which the published crops were turned.

    Raises:
        BuildError: 4.13 and later report another range, which turns half of the nuclei by 180 degrees.
    """
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not (4, 5, 4) <= found < (4, 13):
        raise BuildError(
            f"OpenCV {version} turns nuclei otherwise than the published ones were turned; the recipe `published` "
            "needs OpenCV 4.5.4 to 4.12: run pip install 'opencv-python-headless>=4.5.4,<4.13'."
        )
