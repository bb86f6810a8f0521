"""Mask files as cellpose names and writes them; the mask of an image without nuclei has no label."""

import glob
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..stitched_names import MASK_SUFFIXES, SEGMENTATION_SUFFIX

LARGEST_PNG_LABEL = 2**16 - 2  # a reader would take the last number of the type for an overflow
PNG_SUFFIX, TIFF_SUFFIX = "_cp_masks.png", "_cp_masks.tif"


def mask_name(stem: str, labels: npt.NDArray[Any]) -> str:
    """Return the name of the mask of an image: a 16-bit PNG, or a TIFF where 16 bits do not hold the labels."""
    return stem + (PNG_SUFFIX if int(labels.max(initial=0)) <= LARGEST_PNG_LABEL else TIFF_SUFFIX)


def mask_bytes(labels: npt.NDArray[Any]) -> bytes:
    """Encode labels (H, W) as a greyscale PNG of 16 bits, or as a TIFF of 32 bits where they need it.

    Raises:
        MemoryError: there is too little memory.
    """
    import cv2  # noqa: PLC0415 - heavy
    import tifffile  # noqa: PLC0415 - heavy

    if int(labels.max(initial=0)) <= LARGEST_PNG_LABEL:
        encoded, data = cv2.imencode(".png", labels.astype(np.uint16, copy=False))
        if not encoded:  # all that OpenCV says of a failed allocation in its codecs
            raise MemoryError("OpenCV could not encode the mask")
        return data.tobytes()
    with io.BytesIO() as file:
        tifffile.imwrite(file, labels.astype(np.uint32, copy=False), compression="zlib", metadata=None)
        return file.getvalue()


def mask_paths(folder: Path, stem: str) -> list[Path]:
    """Return the label images of one stem that are in a folder."""
    suffixes = [suffix for suffix in MASK_SUFFIXES if suffix != SEGMENTATION_SUFFIX]
    return [path for suffix in suffixes if (path := folder / f"{stem}{suffix}").exists()]


def remove_leftovers(path: Path) -> None:
    """Remove what a killed process left half written of a file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        left.unlink(missing_ok=True)
