"""TIFF files with several planes: how many there are, what they are called, and the pixels of each.

The planes are pages of one size, planes of one page, or a stack behind one page as ImageJ writes it. Only channels are
told apart here: files with several depths or times are refused, since what to make of them is not known.

Source: OME schema 2016-06, Channel; ImageJ 1.54 `FileSaver`, slice labels; TIFF 6.0, PlanarConfiguration.
"""

import mmap
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ..cells.png_chunks import SIGNATURE as PNG_SIGNATURE
from ..contract import MOST_CHANNELS
from ..errors import InputImageError
from .kinds import IMAGE, check_expansion, check_sides, reading
from .scale import Scale, stated_scale
from .tiff import MAX_EXPANSION, check_whole, opened_tiff, stored_pixels, unfinished
from .tiff import SIGNATURES as TIFF_SIGNATURES

_OTHER_AXES = {"Z": "depths (z)", "T": "times (t)", "S": "colours"}
_PLANE_AXES = "CIQ"  # channels; pages that nothing is said of
_LABEL_OF_SPLIT = re.compile(r"c:\d+/\d+.*")  # ImageJ numbers the slices of channels that it split


@dataclass(frozen=True)
class StoredPlanes:
    """The planes of a file.

    Attributes:
        count: how many there are.
        names: as the file has them; none where it names none, or not all.
    """

    count: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planes:
    """The pixels of an image with several planes.

    Attributes:
        stored: number and names.
        pixels: one array (height, width) for each plane, uint8 or uint16.
        scale: that the file states, None where it states none or was not asked.
    """

    stored: StoredPlanes
    pixels: list[npt.NDArray[Any]]
    scale: Scale | None


def read_stored_planes(path: Path) -> StoredPlanes:
    """Return number and names of the planes of an image, from its header.

    Raises:
        InputImageError: it cannot be read, or has several depths, times or images.
    """
    with reading(path, InputImageError), path.open("rb") as file:
        if not file.read(len(PNG_SIGNATURE)).startswith(TIFF_SIGNATURES):
            return StoredPlanes(1)  # a PNG has one; what is neither, its reader refuses
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
            opened_tiff(data, path.name, IMAGE) as (tiff, _),
        ):
            return _stored(tiff, _image_series(tiff, path.name), path.name)


def decode_planes(
    data: bytes | memoryview, name: str, wanted: Sequence[int], *, count: int, file_scale: bool = True
) -> Planes:
    """Return planes of a TIFF file.

    Args:
        data: the whole file.
        name: how error messages call it.
        wanted: numbers of the planes, from 0.
        count: how many planes the file must have.
        file_scale: read the scale that the file states.

    Raises:
        InputImageError: unreadable, not written to its end, above 60,000 px a side, of another type than uint8 or
            uint16, or with another number of planes.
    """
    with opened_tiff(data, name, IMAGE) as (tiff, _):
        series = _image_series(tiff, name)
        stored, page = _stored(tiff, series, name), series.keyframe
        if stored.count != count:
            raise InputImageError(
                f"{name} has {stored.count} planes, and the other images have {count}; leave it out, or export it with "
                "the same channels."
            )
        if page.dtype not in (np.uint8, np.uint16):
            raise InputImageError(
                f"{name} has pixels of type {page.dtype}; channels must be uint8 or uint16: export the camera values "
                "without scaling."
            )
        check_sides(page.imagelength, page.imagewidth, name, IMAGE)
        check_expansion(count * page.nbytes // page.samplesperpixel, len(data) * MAX_EXPANSION, name, IMAGE)
        scale = stated_scale(tiff, page, name) if file_scale else None
        return Planes(stored, _pixels(series, data, name, wanted), scale)


def _image_series(tiff: tifffile.TiffFile, name: str) -> Any:
    """Return the image of a file: its first series, of which all others must be smaller copies, labels or previews."""
    if not tiff.series:
        raise InputImageError(f"{name} holds no image; export it again.")
    first, *others = tiff.series
    first = first.levels[0]
    if any(_area_px(other) >= _area_px(first) for other in others):
        raise InputImageError(f"{name} holds {len(tiff.series)} images; export each as a file of its own.")
    return first


def _area_px(series: Any) -> int:
    return int(series.keyframe.imagelength * series.keyframe.imagewidth)


def _stored(tiff: tifffile.TiffFile, series: Any, name: str) -> StoredPlanes:
    """Return number and names of the planes of a series, refusing axes that are no channels."""
    sizes = {axis: size for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 and axis not in "YX"}
    if sizes.keys() == {"S"} and int(series.keyframe.photometric) <= 1:  # grey planes of one page
        return _named(tiff, sizes["S"])
    odd = [axis for axis in sizes if axis not in _PLANE_AXES]
    if odd or len(sizes) > 1:
        what = " and ".join(f"{sizes[axis]} {_OTHER_AXES.get(axis, 'planes')}" for axis in odd or sizes)
        raise InputImageError(
            f"{name} has {what}; an image may have several channels, and nothing else: export one plane for each "
            "channel."
        )
    count = next(iter(sizes.values()), 1)
    if count > MOST_CHANNELS:
        raise InputImageError(f"{name} has {count} planes; an image may have {MOST_CHANNELS} channels.")
    return _named(tiff, count)


def _named(tiff: tifffile.TiffFile, count: int) -> StoredPlanes:
    names = _ome_names(tiff.ome_metadata or "") if tiff.is_ome else _imagej_names(tiff.imagej_metadata or {})
    return StoredPlanes(count, tuple(names) if len(names) == count and all(names) else ())


def _ome_names(xml: str) -> list[str]:
    """Return the names of the channels of the first image in OME-XML, empty for one without a name."""
    first = re.split(r"</(?:\w+:)?Pixels>", xml, maxsplit=1)[0]
    return [
        unescape(name[2]).strip() if (name := re.search(r"""\sName\s*=\s*(["'])(.*?)\1""", attributes)) else ""
        for attributes in re.findall(r"<(?:\w+:)?Channel\b([^>]*)>", first)
    ]


def _imagej_names(properties: dict[str, Any]) -> list[str]:
    labels = properties.get("Labels")
    labels = [labels] if isinstance(labels, str) else labels if isinstance(labels, list) else []
    texts = [str(label).strip() for label in labels]
    return [] if any(_LABEL_OF_SPLIT.fullmatch(text) for text in texts) else texts


def _pixels(series: Any, data: bytes | memoryview, name: str, wanted: Sequence[int]) -> list[npt.NDArray[Any]]:
    """Return the pixels of planes, each C-contiguous, in native byte order and read-only."""
    page = series.keyframe
    if page.samplesperpixel > 1:
        check_whole(page, len(data), name, IMAGE)
        samples = page.asarray()
        axis = page.axes.index("S")
        found = [np.take(samples, number, axis).reshape(page.imagelength, page.imagewidth) for number in wanted]
    elif series.dataoffset is not None:
        found = [_lying_together(series, data, name, number) for number in wanted]
    else:
        found = []
        for number in wanted:
            each = series.pages[number]
            if each is None:
                raise InputImageError(f"{name} is part of a set of files; export each image as one file.")
            whole = each.aspage()
            check_whole(whole, len(data), name, IMAGE)
            found.append(stored_pixels(whole, data))
    planes = [np.ascontiguousarray(pixels) for pixels in found]
    for pixels in planes:
        pixels.flags.writeable = False
    return planes


def _lying_together(series: Any, data: bytes | memoryview, name: str, number: int) -> npt.NDArray[Any]:
    """Return one of the planes that lie behind each other without compression."""
    page = series.keyframe
    shape = page.imagelength, page.imagewidth
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    size = shape[0] * shape[1]
    offset = series.dataoffset + number * size * dtype.itemsize
    if offset + size * dtype.itemsize > len(data):
        raise unfinished(name, IMAGE)
    stored = np.frombuffer(data, dtype, size, offset).reshape(shape)
    return stored if dtype.isnative else stored.astype(dtype.newbyteorder("="))
