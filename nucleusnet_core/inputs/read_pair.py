"""A stitched image and its mask, read together: both are there, whole, and of one shape."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputImageError, InputMaskError
from .images import StitchedImage, decode_image, read_file, reading
from .masks import LabelRuns, read_label_runs


@dataclass(frozen=True)
class Pair:
    """An image with its mask.

    Attributes:
        image: the stitched image.
        runs: the labels of the mask, of the same shape.
        mask_sha256: of the mask file's bytes; empty if it was not asked for.
    """

    image: StitchedImage
    runs: LabelRuns
    mask_sha256: str


def read_pair(
    image_path: Path,
    mask_path: Path,
    *,
    allow_pickle: bool = False,
    hashes: bool = True,
    file_scale: bool = True,
) -> Pair:
    """Read a stitched image and its mask.

    Args:
        image_path: the image.
        mask_path: its label image.
        allow_pickle: masks may be `_seg.npy` files, which are pickles.
        hashes: take the SHA-256 of both files, a fifth of the time that reading takes.
        file_scale: as in `read_image`.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape than the image.
    """
    with reading(mask_path, InputMaskError):
        mask_data = mask_path.read_bytes()
    runs = read_label_runs(mask_data, mask_path.name, allow_pickle=allow_pickle)
    with reading(image_path, InputImageError):
        image_data = read_file(image_path)
    pixels, scale = decode_image(image_data, image_path.name, file_scale=file_scale)
    if pixels.shape != runs.shape:
        raise InputMaskError(
            f"{mask_path.name} has {runs.shape[0]} x {runs.shape[1]} px, but {image_path.name} has {pixels.shape[0]} x "
            f"{pixels.shape[1]}; segment this image again, or give the mask that belongs to it."
        )
    image_sha256, mask_sha256 = (hashlib.sha256(data).hexdigest() if hashes else "" for data in (image_data, mask_data))
    return Pair(StitchedImage(pixels, image_sha256, scale), runs, mask_sha256)
