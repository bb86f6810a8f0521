"""Pyramids of tiles, one file each: SZI, a zip of stored Deep Zoom tiles that a page reads by range.

libvips reads and writes strip by strip, so that memory does not grow with the image.

Source: https://www.libvips.org/API/current/method.Image.dzsave.html
"""

import contextlib
import functools
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucleusnet_core.errors import InputImageError, OutputError
from nucleusnet_core.terminal.progress import Progress

from .libvips import reason_of, vips

if TYPE_CHECKING:
    import pyvips

TILE_PX = 510
OVERLAP_PX = 1
THUMBNAIL_PX = 320
THUMBNAIL_NAME = "thumbnail.jpg"
_WRITTEN_AT = re.compile(rb' date="[^"]*"')


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
    """Return the largest size of every line from 0 on; a line without an image is as large as the largest one."""
    most: dict[int, int] = {}
    for line, size in sizes:
        most[line] = max(size, most.get(line, 0))
    return [most.get(line, max(most.values())) for line in range(max(most) + 1)]


def write_pyramid(
    image: "pyvips.Image", path: Path, *, suffix: str, shrink: str, progress: Progress, stop: threading.Event
) -> None:
    """Write an image as SZI; the same image gives the same bytes.

    Args:
        image: any.
        path: the file, with the suffix .szi.
        suffix: format of the tiles, such as ".jpg[Q=85]".
        shrink: how a level follows from the one below: "mean", "nearest" (labels), "max" (thin lines).
        progress: moved by the rows of pixels of the image.
        stop: ends the work when it is set.

    Raises:
        InputImageError: it was stopped, or what it is made of is damaged.
        OutputError: the file cannot be written.
    """
    done = 0

    def report(_image: Any, state: Any) -> None:
        nonlocal done
        if stop.is_set():
            image.set_kill(True)
        rows = image.height * state.percent // 100
        progress.step(max(0, rows - done))
        done = max(rows, done)

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
    progress.step(image.height - done)
    _put_in_order(path)


def write_thumbnail(image: "pyvips.Image", path: Path) -> None:
    """Write a small JPEG of an image; fails as `write_pyramid` does."""
    with _writing(path):
        image.thumbnail_image(THUMBNAIL_PX, height=THUMBNAIL_PX).jpegsave(str(path), Q=85)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell an output that cannot be written from an input that cannot be read; libvips has one error for both."""
    try:
        yield
    except vips().Error as error:
        where, reason = path.parent.name, reason_of(error)
        if str(path) in error.detail:  # what is read lies elsewhere
            raise OutputError(
                f"{where}/{path.name} cannot be written ({reason}); free disk space, or choose another --out."
            ) from error
        raise InputImageError(
            f"{where}: the image or its mask changed while it was read ({reason}); call again."
        ) from error


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
