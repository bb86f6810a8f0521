"""Pyramids of tiles, one file each: SZI, a zip of stored Deep Zoom tiles that a page reads by range.

libvips reads and writes strip by strip, so that memory does not grow with the image.

Source: https://www.libvips.org/API/current/method.Image.dzsave.html
"""

import functools
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucleusnet_source.errors import InputImageError, InputMaskError, UsageError

from .label_colours import Colours

if TYPE_CHECKING:
    import pyvips

TILE_PX = 510
OVERLAP_PX = 1
THUMBNAIL_PX = 320
MAX_LABELS = 65_536
_WRITTEN_AT = re.compile(rb' date="[^"]*"')
Progress = Callable[[int], None]


class Stopped(Exception):  # noqa: N818 - no error
    """Ends a pyramid that is being written, if a progress callback raises it."""


def vips() -> Any:
    """Return the module pyvips.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyvips  # noqa: PLC0415 - 20 MB, for panoramas only
    except (ImportError, OSError) as error:
        raise UsageError(
            f'pyvips expected, it cannot be imported ({error}); python -m pip install "nucleusnet[browse]"'
        ) from error
    pyvips.cache_set_max(0)  # it would keep files open, which Windows then does not delete
    return pyvips


def open_image(path: Path) -> "pyvips.Image":
    """Open a grey image for one pass from top to bottom; 16 bits become 8, from 0 to the 99.9th percentile.

    Raises:
        InputImageError: it cannot be read, or is not grey.
    """
    try:
        image = vips().Image.new_from_file(str(path), access="sequential")
        if image.bands > 1 or image.format not in ("uchar", "ushort"):
            raise InputImageError(f"{path}: grey of 8 or 16 bits expected, {image.bands} bands {image.format} found")
        if image.format == "ushort":
            brightest = vips().Image.new_from_file(str(path), access="sequential").percent(99.9)
            image = (image * (255 / max(1, brightest))).cast("uchar")
    except vips().Error as error:
        raise InputImageError(f"{path}: an image expected, it cannot be read ({error.message})") from error
    return image.copy(interpretation="b-w")


def open_mask(path: Path) -> "pyvips.Image":
    """Open a label image for one pass from top to bottom.

    Raises:
        InputMaskError: it cannot be read, or has more than 16 bits.
    """
    try:
        mask = vips().Image.new_from_file(str(path), access="sequential")
    except vips().Error as error:
        raise InputMaskError(f"{path}: a mask expected, it cannot be read ({error.message})") from error
    if mask.bands > 1 or mask.format not in ("uchar", "ushort"):
        raise InputMaskError(f"{path}: labels of 8 or 16 bits expected, {mask.bands} bands {mask.format} found")
    return mask


def labels_of(path: Path) -> list[int]:
    """Return the labels of a mask, ascending, without the background.

    Raises:
        InputMaskError: it cannot be read.
    """
    counts = np.frombuffer(open_mask(path).hist_find().write_to_memory(), np.uint32)
    labels: list[int] = np.flatnonzero(counts).tolist()
    return [label for label in labels if label]


def coloured(mask: "pyvips.Image", colours: Colours) -> "pyvips.Image":
    """Return a mask as RGBA: labels in their colours, the background transparent.

    Args:
        mask: labels.
        colours: uint8 (labels, 3); entry k is the colour of label k.
    """
    table = np.zeros((256 if mask.format == "uchar" else MAX_LABELS, 4), np.uint8)
    table[: len(colours), :3] = colours[: len(table)]
    table[1 : len(colours), 3] = 255
    table[0] = 0
    lut = vips().Image.new_from_memory(table.tobytes(), len(table), 1, 4, "uchar")
    return mask.maplut(lut).copy(interpretation="srgb")


def contours(mask: "pyvips.Image", colours: Colours) -> "pyvips.Image":
    """Return the borders of the labels in their colours, three pixels wide, and nothing between them."""
    wide = mask.embed(1, 1, mask.width + 2, mask.height + 2, extend="copy")
    spread = wide.rank(3, 3, 8) != wide.rank(3, 3, 0)
    lines = ((spread.crop(1, 1, mask.width, mask.height) & 1) * mask).cast(mask.format)
    return coloured(lines, colours)


def grid(
    images: Sequence["pyvips.Image"], places: Sequence[tuple[int, int]]
) -> tuple["pyvips.Image", list[tuple[int, int]]]:
    """Put images of one kind into a grid whose rows and columns are as large as their largest image.

    Args:
        images: any number.
        places: row and column of each.

    Returns:
        The whole, and the top left corner (x, y) of each image in it.
    """
    if len(images) == 1:
        return images[0], [(0, 0)]
    heights = _largest([(y, image.height) for image, (y, _) in zip(images, places, strict=True)])
    widths = _largest([(x, image.width) for image, (_, x) in zip(images, places, strict=True)])
    tops, lefts = (np.cumsum([0, *sizes]).tolist() for sizes in (heights, widths))
    by_place = dict(zip(places, images, strict=True))
    empty = vips().Image.black(1, 1, bands=images[0].bands)
    lines = []
    for row, height in enumerate(heights):
        cells = [by_place.get((row, column), empty).embed(0, 0, width, height) for column, width in enumerate(widths)]
        lines.append(functools.reduce(lambda left, right: left.join(right, "horizontal"), cells))
    whole = functools.reduce(lambda above, below: above.join(below, "vertical"), lines)
    return whole.copy(interpretation=images[0].interpretation), [(lefts[x], tops[y]) for y, x in places]


def _largest(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Largest size of every line from 0 on; a line without an image is as large as the largest one."""
    most: dict[int, int] = {}
    for line, size in sizes:
        most[line] = max(size, most.get(line, 0))
    return [most.get(line, max(most.values())) for line in range(max(most) + 1)]


def write_pyramid(image: "pyvips.Image", path: Path, *, suffix: str, shrink: str, progress: Progress) -> None:
    """Write an image as SZI; the same image gives the same bytes.

    Args:
        image: any.
        path: the file, with the suffix .szi.
        suffix: format of the tiles, such as ".jpg[Q=85]".
        shrink: how a level follows from the one below: "mean", "nearest" (labels), "max" (thin lines).
        progress: called with the percentage that is done; may raise `Stopped`.

    Raises:
        InputImageError: it was stopped, what it is made of is damaged, or the file cannot be written.
    """

    def report(_image: Any, state: Any) -> None:
        try:
            progress(state.percent)
        except Stopped:  # which libvips would not notice
            image.set_kill(True)

    image = image.copy()
    image.set_progress(True)
    image.signal_connect("eval", report)
    try:
        image.dzsave(
            str(path),
            container="szi",
            suffix=suffix,
            tile_size=TILE_PX,
            overlap=OVERLAP_PX,
            depth="onetile",
            region_shrink=shrink,
        )
    except vips().Error as error:
        where = path.parent.name
        raise InputImageError(
            f"{where}: a whole image or mask expected, it cannot be read ({error.message})"
        ) from error
    _put_in_order(path)


def _put_in_order(szi: Path) -> None:
    """Sort the files of an SZI by name and leave out when it was made: libvips writes them as its threads finish."""
    sorted_szi = szi.with_suffix(".tmp")
    with zipfile.ZipFile(szi) as made, zipfile.ZipFile(sorted_szi, "w") as kept:
        for name in sorted(made.namelist()):
            data = made.read(name)
            entry = zipfile.ZipInfo(name)  # of 1980, stored
            entry.create_system = 3  # as on Unix, whatever the system
            kept.writestr(entry, _WRITTEN_AT.sub(b"", data) if name.endswith("-properties.xml") else data)
    sorted_szi.replace(szi)
