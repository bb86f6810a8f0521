"""TIFF files of many layouts and what may have befallen them, for the targets that read them as images and as masks."""

import io
import struct
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from nucleusnet_core.inputs.lzw import lzw_decoded
from tests.fuzz import strict_tiff
from tests.fuzz.frame import WrongError
from tests.fuzz.mutations import INTERESTING, mutated

LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"rowsperstrip": 10},
    {"tile": (16, 32)},
    {"rowsperstrip": 7, "compression": "zlib"},
    {"tile": (16, 16), "compression": "zlib"},
    {"rowsperstrip": 9, "compression": "zlib", "predictor": 2},
    {"rowsperstrip": 16, "compression": "lzw"},
    {"tile": (32, 16), "compression": "lzw", "predictor": 2},
    {"rowsperstrip": 13, "compression": "packbits"},
    {"rowsperstrip": 13, "compression": "zstd"},
    {"imagej": True},
)
"""Options of tifffile's writer."""


@dataclass(frozen=True)
class TiffCase:
    """A damaged file, and the pixels (height, width) that it had."""

    data: bytes
    pixels: npt.NDArray[Any]


def prepare() -> None:
    """Compile what reads LZW."""
    lzw_decoded(bytes([0x80, 0x40, 0x40]), 1)


def make_case(random: Random, *, labels: bool) -> TiffCase:
    """Return a file of a layout of `LAYOUTS` that something has befallen."""
    pixels = _labels(random) if labels else _grey(random)
    whole = _written(pixels, random)
    return TiffCase(_directory_changed(whole, random) if random.random() < 0.6 else mutated(whole, random), pixels)


def check_pixels(found: npt.NDArray[Any], case: TiffCase) -> None:
    """Accept the pixels that were written, or those that another reader finds in the damaged file.

    Raises:
        WrongError: they are neither.
    """
    if _same(found, case.pixels):
        return
    try:
        told = strict_tiff.read(case.data)
    except strict_tiff.UnsureError as error:
        raise WrongError(f"{found.shape} {found.dtype} from a file of which another reader says: {error}") from None
    if not _same(found, told):
        raise WrongError(f"{found.shape} {found.dtype}, but another reader finds {told.shape} {told.dtype}")


def _same(found: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return found.shape == other.shape and bool((found == other).all())


def _grey(random: Random) -> npt.NDArray[Any]:
    most = random.choice([255, 65_535])
    shape = random.randint(20, 70), random.randint(20, 90)
    noise = np.random.default_rng(random.randrange(1 << 32)).integers(0, most, shape, endpoint=True)
    return noise.astype(np.min_scalar_type(most))


def _labels(random: Random) -> npt.NDArray[Any]:
    labels = np.zeros((random.randint(20, 70), random.randint(20, 90)), random.choice([np.uint8, np.uint16, np.uint32]))
    for label in range(1, random.randint(2, 9)):
        y, x = random.randrange(labels.shape[0]), random.randrange(labels.shape[1])
        labels[y : y + random.randint(1, 20), x : x + random.randint(1, 20)] = label
    return labels


def _written(pixels: npt.NDArray[Any], random: Random) -> bytes:
    options = dict(random.choice(LAYOUTS))
    file_options: dict[str, Any] = {}
    if options.pop("imagej", False) and pixels.dtype != np.uint32:
        file_options = {"imagej": True}
    else:
        file_options = {"byteorder": random.choice("<>"), "bigtiff": random.random() < 0.25}
        options["metadata"] = random.choice([None, {}])
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **file_options, **options)
    return file.getvalue()


def _directory_changed(data: bytes, random: Random) -> bytes:
    """Return a file with one to three fields of its directory, or numbers in its lists, changed to a likely number."""
    changed = bytearray(data)
    places = list(_numbers(data))
    for _ in range(random.choice([1, 1, 2, 3])):
        place, size, order = random.choice(places)
        before = int.from_bytes(changed[place : place + size], order)
        number = random.choice(
            [*INTERESTING, len(data), len(data) - 1, before + 1, before - 1, before * 2, before // 2, before + 8]
        )
        changed[place : place + size] = (number % 256**size).to_bytes(size, order)
    return bytes(changed)


def _numbers(data: bytes) -> list[tuple[int, int, Any]]:
    """Return place, size and byte order of every number in the first directory, and in the lists that it refers to."""
    order: Any = "little" if data[:2] == b"II" else "big"
    mark = "<" if order == "little" else ">"
    big = 43 in data[2:4]
    word, head, entry_bytes = (8, 8, 20) if big else (4, 2, 12)
    link = 8 if big else 4
    at = int.from_bytes(data[link : link + word], order)
    found = [(link, word, order), (at, head, order)]
    for entry in range(at + head, at + head + int.from_bytes(data[at : at + head], order) * entry_bytes, entry_bytes):
        kind, count = struct.unpack_from(mark + ("HQ" if big else "HI"), data, entry + 2)
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 12: 8, 13: 4, 16: 8}.get(kind, 4)
        place = entry + 4 + word
        found += [(entry, 2, order), (entry + 2, 2, order), (entry + 4, word, order), (place, min(size, word), order)]
        if count * size > word:
            start = int.from_bytes(data[place : place + word], order)
            found += [(start + number * size, size, order) for number in range(min(count, 30))]
    return [place for place in found if place[0] + place[1] <= len(data)]
