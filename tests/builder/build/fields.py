"""Small folders as other labs have them: fields of 512 px with ten nuclei, in ImageJ's TIFF."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

SIDE_PX = 512
MIDDLE = ((250, 250), (265, 200))
BORDER = ((0, 100), (498, 300))
NO_WINDOW = ((40, 40), (40, 440), (440, 40), (440, 440), (100, 250), (400, 100))
CORNERS = (*MIDDLE, *BORDER, *NO_WINDOW)
"""First row and column of each nucleus: the recipe `published` keeps 2, 2 touch the border, and 6 lack a window."""


def pair(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """An image of ten nuclei of 14 x 20 px with its mask."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((SIDE_PX, SIDE_PX), np.uint16)
    for label, (y, x) in enumerate(CORNERS, 1):
        labels[y : y + 14, x : x + 20] = label
    image = np.where(labels > 0, 120, 12) + rng.normal(0, 3, labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def write_field(folder: Path, name: str, *, pixels_per_um: float | None = 2.0, seed: int = 0) -> Path:
    """Write an image with its mask, and return the image's path."""
    folder.mkdir(parents=True, exist_ok=True)
    image, labels = pair(seed)
    path = folder / f"{name}.tif"
    stated: dict[str, Any] = {}
    if pixels_per_um is not None:
        resolution = (pixels_per_um, pixels_per_um)
        stated = {"imagej": True, "resolution": resolution, "metadata": {"unit": "um"}}
    tifffile.imwrite(path, image, **stated)
    Image.fromarray(labels).save(folder / f"{name}_cp_masks.png")
    return path
