"""A stitched image and its mask, read together: both are there, whole, and of one shape, and so is every channel."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..errors import InputImageError, InputMaskError
from .channels import ONE_PLANE, Channels
from .images import StitchedImage, decode_image, map_file, read_file
from .kinds import reading
from .masks import LabelRuns, read_label_runs
from .read_channels import decode_channels
from .scale import check_same_scale


@dataclass(frozen=True)
class Pair:
    """An image with its mask.

    Attributes:
        image: the stitched image in its first channel.
        further: its further channels, each of the shape of the image.
        runs: the labels of the mask, of the same shape.
        mask_sha256: of the mask file's bytes; empty if it was not asked for.
    """

    image: StitchedImage
    further: tuple[StitchedImage, ...]
    runs: LabelRuns
    mask_sha256: str


def read_pair(
    image_path: Path,
    mask_path: Path,
    *,
    allow_pickle: bool = False,
    hashes: bool = True,
    file_scale: bool = True,
    channels: Channels = ONE_PLANE,
    further_paths: Sequence[Path] = (),
) -> Pair:
    """Read a stitched image and its mask.

    Args:
        image_path: the image.
        mask_path: its label image.
        allow_pickle: masks may be `_seg.npy` files, which are pickles.
        hashes: take the SHA-256 of all files, a fifth of the time that reading takes.
        file_scale: as in `read_image`.
        channels: that are taken.
        further_paths: files of the further channels, none where they lie in the image.

    Raises:
        InputImageError: the image cannot be used, or one of its channels has another shape or scale.
        InputMaskError: the mask cannot be used, or has another shape than the image.
    """
    with reading(mask_path, InputMaskError):
        mask_data = mask_path.read_bytes()
    runs = read_label_runs(mask_data, mask_path.name, allow_pickle=allow_pickle)
    image, *further = _read_channels(image_path, channels, hashes=hashes, file_scale=file_scale)
    for path in further_paths:
        further += _read_channels(path, ONE_PLANE, hashes=hashes, file_scale=file_scale)
        _check_alike((image, image_path.name), (further[-1], path.name))
    if image.pixels.shape != runs.shape:
        raise InputMaskError(
            f"{mask_path.name} has {_size(runs.shape)} px, but {image_path.name} has {_size(image.pixels.shape)}; "
            "segment this image again, or give the mask that belongs to it."
        )
    return Pair(image, tuple(further), runs, hashlib.sha256(mask_data).hexdigest() if hashes else "")


def _read_channels(path: Path, channels: Channels, *, hashes: bool, file_scale: bool) -> list[StitchedImage]:
    """Return the channels of one file."""
    with reading(path, InputImageError):
        whole = hashes or not channels.planes  # else only some planes are used
        data = read_file(path) if whole else map_file(path)
    planes: Sequence[npt.NDArray[Any]]
    if channels.planes:
        planes, scale = decode_channels(data, path.name, channels, file_scale=file_scale)
    else:
        pixels, scale = decode_image(data, path.name, file_scale=file_scale)
        planes = [pixels]
    sha256 = hashlib.sha256(data).hexdigest() if hashes else ""
    return [StitchedImage(pixels, sha256, scale) for pixels in planes]


def _check_alike(one: tuple[StitchedImage, str], other: tuple[StitchedImage, str]) -> None:
    """Refuse a channel of another size or scale than the first one.

    Raises:
        InputImageError: it is so.
    """
    (image, name), (channel, channel_name) = one, other
    if image.pixels.shape != channel.pixels.shape:
        raise InputImageError(
            f"{channel_name} has {_size(channel.pixels.shape)} px, but {name}, the same image in another channel, has "
            f"{_size(image.pixels.shape)}; export both in one size."
        )
    check_same_scale((image.scale, name), (channel.scale, channel_name))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
