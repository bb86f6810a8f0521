"""Outlines of masks, which show in a crop with surroundings which nucleus is meant."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOUR = (255, 216, 79)
"""Of outlines in pictures: yellow, as in the pages of `browse`."""


def outlines_of(masks: Iterable[npt.NDArray[np.bool_]], size_px: int) -> npt.NDArray[np.bool_]:
    """Return the outlines of masks (height, width) at the size of tiles, bool (n, size_px, size_px).

    A pixel of a tile is mask where more than half of it is; those with a neighbour that is none, or at the border, are
    the outline.
    """
    return np.stack([_outline(mask, size_px) for mask in masks])


def _outline(mask: npt.NDArray[np.bool_], size_px: int) -> npt.NDArray[np.bool_]:
    share = Image.fromarray(mask.astype(np.float32)).resize((size_px, size_px), Image.Resampling.BOX)
    inside = np.pad(np.asarray(share) > 0.5, 1)
    inner = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return inside[1:-1, 1:-1] & ~inner
