"""Pyramids of tiles, one file each: SZI, a zip of stored Deep Zoom tiles that a page reads by range.

libvips reads and writes strip by strip, so that memory does not grow with the image.

Source: https://www.libvips.org/API/current/method.Image.dzsave.html
"""

import contextlib
import functools
import operator
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucleusnet_core.errors import InputImageError, InputMaskError, OutputError, UsageError
from nucleusnet_core.pictures.label_colours import Colours

if TYPE_CHECKING:
    import pyvips

TILE_PX = 510
OVERLAP_PX = 1
THUMBNAIL_PX = 320
MAX_LABEL = (1 << 18) - 1
_TABLE_LABELS = (1 << 16) - 1  # libvips looks up no more, and 0 is the background
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
        image = vips().Image.new_from_file(str(path), access="sequential", fail_on="error")
        if image.bands > 1 or image.format not in ("uchar", "ushort"):
            raise InputImageError(f"{path}: grey of 8 or 16 bits expected, {image.bands} bands {image.format} found")
        if image.format == "ushort":
            brightest = vips().Image.new_from_file(str(path), access="sequential", fail_on="error").percent(99.9)
            image = (image * (255 / max(1, brightest))).cast("uchar")
    except vips().Error as error:
        raise InputImageError(f"{path}: an image expected, it cannot be read ({_reason(error)})") from error
    return image.copy(interpretation="b-w")


def open_mask(path: Path) -> "pyvips.Image":
    """Open a label image for one pass from top to bottom, as uchar, ushort, or uint.

    Raises:
        InputMaskError: it cannot be read, or is none of integers of 8 to 32 bits.
    """
    try:
        mask = vips().Image.new_from_file(str(path), access="sequential", fail_on="error")
    except vips().Error as error:
        raise InputMaskError(f"{path}: a mask expected, it cannot be read ({_reason(error)})") from error
    if mask.bands > 1 or mask.format not in ("uchar", "ushort", "short", "uint", "int"):
        raise InputMaskError(
            f"{path}: one band of integer labels of 8 to 32 bits expected, {mask.bands} of {mask.format} found; "
            "save the labels as 16-bit PNG or 32-bit TIFF"
        )
    return mask if mask.format in ("uchar", "ushort") else mask.cast("uint")


def labels_of(path: Path) -> list[int]:
    """Return the labels of a mask, ascending, without the background.

    Raises:
        InputMaskError: it cannot be read, or has labels above `MAX_LABEL`.
    """
    try:
        mask = open_mask(path)
        largest = int(mask.max()) if mask.format == "uint" else _TABLE_LABELS
        if largest > MAX_LABEL:
            raise InputMaskError(
                f"{path}: labels of at most {MAX_LABEL} expected, {largest} found; number the labels from 1 on, and "
                "build again"
            )
        labels: list[int] = []
        for before in _tables(largest):
            counts = np.frombuffer(_in_table(open_mask(path), before).hist_find().write_to_memory(), np.uint32)
            labels += (np.flatnonzero(counts[1:]) + before + 1).tolist()
    except vips().Error as error:
        raise InputMaskError(f"{path}: a whole mask expected, it cannot be read ({_reason(error)})") from error
    return labels


def _tables(largest: int) -> range:
    """The label before the first one of each table that is needed for labels 1 to `largest`."""
    return range(0, max(1, largest), _TABLE_LABELS)


def _in_table(mask: "pyvips.Image", before: int) -> "pyvips.Image":
    """Return a mask with only the labels of one table, counted from 1 on."""
    if mask.format != "uint":
        return mask
    index = mask - before
    return ((index > 0) & (index <= _TABLE_LABELS)).ifthenelse(index, 0).cast("ushort")


def coloured(mask: "pyvips.Image", colours: Colours) -> "pyvips.Image":
    """Return a mask as RGBA: labels in their colours, the background transparent.

    Args:
        mask: labels.
        colours: uint8 (labels, 3); entry k is the colour of label k.
    """
    parts = []
    for before in _tables(len(colours) - 1):
        own = colours[before : before + _TABLE_LABELS + 1]
        table = np.zeros((256 if mask.format == "uchar" else _TABLE_LABELS + 1, 4), np.uint8)
        table[1 : len(own), :3] = own[1:]
        table[1 : len(own), 3] = 255
        lut = vips().Image.new_from_memory(table.tobytes(), len(table), 1, 4, "uchar")
        parts.append(_in_table(mask, before).maplut(lut))
    return functools.reduce(operator.or_, parts).copy(interpretation="srgb")


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
        InputImageError: it was stopped, or what it is made of is damaged.
        OutputError: the file cannot be written.
    """

    def report(_image: Any, state: Any) -> None:
        try:
            progress(state.percent)
        except Stopped:  # which libvips would not notice
            image.set_kill(True)

    image = image.copy()
    image.set_progress(True)
    image.signal_connect("eval", report)
    with _writing(path):
        image.dzsave(
            str(path),
            container="szi",
            suffix=suffix,
            tile_size=TILE_PX,
            overlap=OVERLAP_PX,
            depth="onetile",
            region_shrink=shrink,
        )
    _put_in_order(path)


def write_thumbnail(image: "pyvips.Image", path: Path) -> None:
    """Write a small JPEG of an image; fails as `write_pyramid` does."""
    with _writing(path):
        image.thumbnail_image(THUMBNAIL_PX, height=THUMBNAIL_PX).jpegsave(str(path), Q=85)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except vips().Error as error:
        where, reason = path.parent.name, _reason(error)
        if str(path) in error.detail:  # what is read lies elsewhere
            raise OutputError(
                f"{where}: {path.name} cannot be written ({reason}); free disk space, or choose another --out"
            ) from error
        raise InputImageError(f"{where}: a whole image or mask expected, it cannot be read ({reason})") from error


def _reason(error: Any) -> str:
    """What libvips says first, and what the system says of it."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return ", ".join(lines[:2]) or str(error.message)


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
