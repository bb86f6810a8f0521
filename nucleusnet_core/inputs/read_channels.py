"""The channels of one file: those that are taken, by the names that the file or the user gives its planes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..errors import InputImageError
from .channels import Channels, channel_name
from .images import StitchedImage, read_file, read_image
from .kinds import reading
from .planes import StoredPlanes, decode_planes
from .scale import Scale
from .tiff import SIGNATURES as TIFF_SIGNATURES


def decode_channels(
    data: bytes | memoryview, name: str, channels: Channels, *, file_scale: bool = True
) -> tuple[list[npt.NDArray[Any]], Scale | None]:
    """Return the pixels (height, width) of the channels that are taken, and the scale that the file states.

    Args:
        data: a whole TIFF file.
        name: how error messages call it.
        channels: with the names of its planes.
        file_scale: read the scale that the file states.

    Raises:
        InputImageError: it cannot be used, or has other channels than the rest.
    """
    if not bytes(data[:4]).startswith(TIFF_SIGNATURES):
        raise InputImageError(
            f"{name} is no TIFF, so it has one plane, and the other images have {len(channels.planes)}; leave it out."
        )
    wanted = [channels.planes.index(channel) for channel in channels.names]
    planes = decode_planes(data, name, wanted, count=len(channels.planes), file_scale=file_scale)
    if not channels.renamed:
        _check_names(planes.stored, channels, name)
    return planes.pixels, planes.scale


def read_channel(path: Path, channels: Channels, *, file_scale: bool = True) -> StitchedImage:
    """Read a stitched image in its first channel; without planes of several channels as `read_image` does.

    Raises:
        InputImageError: as `read_image`, or the file has other channels than the rest.
    """
    if not channels.planes:
        return read_image(path, file_scale=file_scale)
    with reading(path, InputImageError):
        data = read_file(path)
    [pixels], scale = decode_channels(data, path.name, channels.first_alone(), file_scale=file_scale)
    return StitchedImage(pixels, hashlib.sha256(data).hexdigest(), scale)


def _check_names(stored: StoredPlanes, channels: Channels, name: str) -> None:
    """Refuse a file whose channels are called otherwise, or lie in another order.

    Raises:
        InputImageError: it is so.
    """
    own = tuple(map(channel_name, stored.names))
    if own == channels.planes:
        return
    has = f"the channels {', '.join(own)}" if own else "planes without names"
    raise InputImageError(
        f"{name} has {has}, and the other images have {', '.join(channels.planes)}; leave it out, or export it with "
        "the same channels in the same order."
    )
