"""The scale of a stitched image: what its file states, and what a sample sheet or an option says instead.

A file states a scale where it gives a length: OME-XML, ImageJ's properties, pixels per centimetre or metre. Pixels per
inch, and fewer pixels per length than any microscope has, are those of screens and printers: they state nothing.

Source: OME schema 2016-06, Pixels; ImageJ 1.54 `FileSaver.getDescriptionString` and `FileOpener`; TIFF 6.0, section 8;
W3C, Portable Network Graphics (Third Edition), 11.3.4.3.
"""

import math
import re
import struct
from dataclasses import dataclass
from html import unescape
from typing import Any

import tifffile

from ..cells.png_chunks import read_chunks
from ..errors import InputImageError

OME, IMAGEJ, TIFF, PNG = "OME", "ImageJ", "TIFF", "PNG"
SAMPLE_SHEET, OPTION = "sample sheet", "--pixels-per-um"
LOWEST, HIGHEST = 0.01, 1000.0  # px/µm
_LARGEST_DISAGREEMENT, _LARGEST_STRETCH = 0.01, 0.001
# 2,540 dpi: a nucleus of 10 µm would be one pixel. 72, 96, 300 and 1,200 dpi are below, also where they are written per
# centimetre or per metre (2,835, 3,780, 11,811 and 47,244).
_PRINTED = 0.1
_CENTIMETER, _UM_PER_CM = 3, 1e4

_UM_PER_OME_UNIT = {"m": 1e6, "cm": _UM_PER_CM, "mm": 1e3, "µm": 1.0, "nm": 1e-3, "Å": 1e-4}
_UM_PER_IMAGEJ_UNIT = {"m": 1e6, "cm": _UM_PER_CM, "mm": 1e3, "nm": 1e-3} | dict.fromkeys(
    ("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1.0
)
_SAME_SIGN = str.maketrans({"\u03bc": "µ", "\u212b": "Å"})  # each has two code points
_WHERE = {OME: "OME header", IMAGEJ: "ImageJ properties", TIFF: "TIFF resolution", PNG: "PNG resolution"}
_IGNORE = "correct its header, or pass --ignore-file-scale with --pixels-per-um"


@dataclass(frozen=True)
class Scale:
    """The scale of one stitched image.

    Attributes:
        pixels_per_um: across and down.
        source: who says so: "OME", "ImageJ", "TIFF", "PNG", "sample sheet" or "--pixels-per-um".
    """

    pixels_per_um: float
    source: str


def stated_scale(tiff: tifffile.TiffFile, page: Any, name: str) -> Scale | None:
    """Return the scale that a TIFF file states, None where it states none.

    Args:
        tiff: the open file.
        page: the page of tifffile with the image.
        name: how error messages call the file.

    Raises:
        InputImageError: the pixels are not square, or OME or ImageJ state what no microscope has.
    """
    return (
        (_ome_scale(tiff.ome_metadata or "", page, name) if tiff.is_ome else None)
        or (_imagej_scale(tiff.imagej_metadata or {}, page, name) if tiff.is_imagej else None)
        or _per_cm_scale(page, name)
    )


def stated_png_scale(data: bytes | memoryview, name: str) -> Scale | None:
    """Return the scale that the pHYs chunk of a whole PNG file states, None where it states none.

    Raises:
        InputImageError: the pixels are not square.
    """
    for kind, body in read_chunks(data):
        if kind == b"pHYs" and len(body) == 9:
            x, y, unit = struct.unpack(">IIB", body)
            return _square(x / 1e6, y / 1e6, PNG, name) if unit == 1 else None
        if kind == b"IDAT":
            break
    return None


def _ome_scale(xml: str, page: Any, name: str) -> Scale | None:
    attributes, per_um = _ome_pixels(xml, page), []
    for axis in "XY":
        unit = unescape(attributes.get(f"PhysicalSize{axis}Unit", "µm")).translate(_SAME_SIGN)
        size_um = _number(attributes.get(f"PhysicalSize{axis}", "0")) * _UM_PER_OME_UNIT.get(unit, 0)
        if size_um == 0:
            return None
        per_um.append(1 / size_um)
    return _square(per_um[0], per_um[1], OME, name)


def _ome_pixels(xml: str, page: Any) -> dict[str, str]:
    """Return the attributes of the Pixels element of this page: the first of its size, else the first of all."""
    elements = [
        {key: value for key, _, value in re.findall(r"""(\w+)\s*=\s*(["'])(.*?)\2""", attributes)}
        for attributes in re.findall(r"<(?:\w+:)?Pixels\b([^>]*)>", xml)
    ]
    size = {"SizeX": str(page.imagewidth), "SizeY": str(page.imagelength)}
    fitting = [element for element in elements if size.items() <= element.items()]
    return (fitting or elements or [{}])[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _imagej_scale(properties: dict[str, Any], page: Any, name: str) -> Scale | None:
    unit = str(properties.get("unit", ""))
    um_x, um_y = _imagej_unit_um(unit), _imagej_unit_um(str(properties.get("yunit", unit)))
    per_unit = _resolution(page)
    if per_unit is None or um_x is None or um_y is None:
        return None
    x, y = per_unit[0] / um_x, per_unit[1] / um_y
    printed = um_x == _UM_PER_CM and max(x, y) < _PRINTED  # as ImageJ keeps it of a printed picture
    # Micro-Manager writes "unit=um" beside pixels per centimetre, and ImageJ reads it as such.
    per_cm = page.tags.valueof(296) == _CENTIMETER and max(per_unit) / _UM_PER_CM >= _PRINTED
    return None if printed or per_cm else _square(x, y, IMAGEJ, name)


def _imagej_unit_um(unit: str) -> float | None:
    """Return the µm of a unit of length, None for pixel, inch and others; ImageJ writes µ as an escaped code point."""
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), unit)
    return _UM_PER_IMAGEJ_UNIT.get(plain.strip().translate(_SAME_SIGN).replace("µ", "u").lower())


def _per_cm_scale(page: Any, name: str) -> Scale | None:
    per_cm = _resolution(page)
    if per_cm is None or page.tags.valueof(296) != _CENTIMETER:
        return None
    return _square(per_cm[0] / _UM_PER_CM, per_cm[1] / _UM_PER_CM, TIFF, name)


def _resolution(page: Any) -> tuple[float, float] | None:
    """Return XResolution and YResolution of a page, None where one is missing or 0."""
    found = []
    for tag in (282, 283):
        value = page.tags.valueof(tag)
        if not isinstance(value, tuple) or len(value) != 2 or value[0] == 0:
            return None
        found.append(value[0] / value[1] if value[1] else math.inf)
    return found[0], found[1]


def _square(x: float, y: float, source: str, name: str) -> Scale | None:
    """Return the scale, None where a file states in passing what no microscope has."""
    if source in (TIFF, PNG) and not _PRINTED <= max(x, y) <= HIGHEST:
        return None
    for value in (x, y):
        if not LOWEST <= value <= HIGHEST:
            raise InputImageError(
                f"{name} states {value:.6g} px/µm in its {_WHERE[source]}, and no microscope has that; {_IGNORE}."
            )
    if abs(x - y) > _LARGEST_STRETCH * max(x, y):
        raise InputImageError(
            f"{name} states {x:.6g} px/µm across and {y:.6g} px/µm down; images must have square pixels: resample it, "
            f"or {_IGNORE}."
        )
    return Scale((x + y) / 2, source)


def resolve_scale(stated: Scale | None, given: Scale | None, *, ignore_file: bool, name: str) -> Scale:
    """Return the scale of an image: that of the sample sheet, else of the option, else what its file states.

    Args:
        stated: what the file states.
        given: what the sample sheet or the option gives.
        ignore_file: take what is given, whatever the file states.
        name: of the image.

    Raises:
        InputImageError: there is no scale, or the file contradicts the one that is given by more than 1 %.
    """
    if given is None and stated is not None:
        return stated
    if given is None:
        raise InputImageError(
            f"{name} does not state its scale; pass --pixels-per-um, or give pixels_per_um in the sample sheet."
        )
    said = given.source if given.source == OPTION else f"pixels_per_um in the {given.source}"
    value = given.pixels_per_um
    if not LOWEST <= value <= HIGHEST:
        raise InputImageError(f"{name}: {said} is {value:g}; it must be from {LOWEST:g} to {HIGHEST:g}.")
    if stated is not None and not ignore_file and abs(stated.pixels_per_um / value - 1) > _LARGEST_DISAGREEMENT:
        raise InputImageError(
            f"{name} states {stated.pixels_per_um:.5g} px/µm in its {_WHERE[stated.source]}, but {said} is {value:g}; "
            f"correct the one that is wrong, or pass --ignore-file-scale to use {value:g}."
        )
    return given


def check_same_scale(one: tuple[Scale | None, str], other: tuple[Scale | None, str]) -> None:
    """Refuse two files of one image that state different scales.

    Args:
        one: what the first states, None where it states nothing, and its name.
        other: the same of the second.

    Raises:
        InputImageError: they differ by more than 1 %.
    """
    (scale, name), (other_scale, other_name) = one, other
    if scale is None or other_scale is None:
        return
    if abs(other_scale.pixels_per_um / scale.pixels_per_um - 1) > _LARGEST_DISAGREEMENT:
        raise InputImageError(
            f"{other_name} states {other_scale.pixels_per_um:.5g} px/µm, but {name}, another channel of the image, "
            f"states {scale.pixels_per_um:.5g}; correct the one that is wrong, or pass --ignore-file-scale with "
            "--pixels-per-um."
        )
