"""The scale of an image: what real files state, what states nothing, and who is believed."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.scale import Scale, resolve_scale, stated_png_scale, stated_scale

PIXELS = np.zeros((6, 9), np.uint8)
REMEDY = "correct its header, or pass --ignore-file-scale with --pixels-per-um"


def written(**options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, PIXELS, **options)
    return stream.getvalue()


def scale_of(data: bytes) -> Scale | None:
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return stated_scale(tiff, tiff.pages.first, "a.tif")


def near(scale: Scale | None, pixels_per_um: float, source: str) -> bool:
    """Whether a scale is as it was written, up to the fraction that a file holds."""
    return scale is not None and abs(scale.pixels_per_um / pixels_per_um - 1) < 1e-6 and scale.source == source


def refusal(data: bytes) -> str:
    with pytest.raises(InputImageError) as caught:
        scale_of(data)
    return str(caught.value)


def ome(size: Any, unit: str | None = "µm", size_y: Any = None) -> bytes:
    sizes = {"X": size, "Y": size if size_y is None else size_y}
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": value for axis, value in sizes.items()}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in sizes} if unit is not None else {}
    return written(ome=True, metadata=metadata)


def imagej(unit: str | None, x: Any = 4.0, y: Any = None, **metadata: str) -> bytes:
    metadata |= {"unit": unit} if unit is not None else {}
    return written(imagej=True, resolution=(x, x if y is None else y), metadata=metadata)


def per(unit: str, x: Any, y: Any = None) -> bytes:
    return written(resolution=(x, x if y is None else y), resolutionunit=unit, metadata=None)


def over_zero(data: bytes, numerator: int) -> bytes:
    """The same with `numerator`/0 in place of a resolution of 77777/1."""
    assert data.count(struct.pack("<II", 77777, 1)) == 2
    return data.replace(struct.pack("<II", 77777, 1), struct.pack("<II", numerator, 0))


def png(x: int | None, y: int | None = None, unit: int = 1) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "png")
    data = stream.getvalue()
    if x is None:
        return data
    body = b"pHYs" + struct.pack(">IIB", x, x if y is None else y, unit)
    return data[:33] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        (0.125, "µm"),
        (0.125, "\u03bcm"),
        (0.125, None),
        (125.0, "nm"),
        (1250.0, "Å"),
        (1250.0, "\u212b"),
        (0.000125, "mm"),
        (0.0000125, "cm"),
        (0.000000125, "m"),
    ],
)
def test_an_ome_header_states_a_scale_in_any_unit_of_length(size: float, unit: str | None) -> None:
    assert near(scale_of(ome(size, unit)), 8.0, "OME")


@pytest.mark.parametrize(
    "unit",
    ["um", "UM", "\\u00B5m", "\\u03bcm", "micron", "Microns", "micrometer", "micrometers", " um "],
)
def test_imagej_states_a_scale_in_its_names_of_the_micrometre(unit: str) -> None:
    assert scale_of(imagej(unit)) == Scale(4.0, "ImageJ")


def test_a_unit_that_imagej_did_not_escape_is_understood() -> None:
    assert scale_of(imagej("|m").replace(b"unit=|m", b"unit=\xb5m")) == Scale(4.0, "ImageJ")
    assert scale_of(imagej("||m").replace(b"unit=||m", "unit=µm".encode())) == Scale(4.0, "ImageJ")


@pytest.mark.parametrize(("unit", "x"), [("mm", 4000), ("cm", 40_000), ("nm", 0.004), ("m", 4_000_000)])
def test_imagej_states_a_scale_in_other_units_of_length(unit: str, x: float) -> None:
    assert near(scale_of(imagej(unit, x)), 4.0, "ImageJ")


def test_imagej_may_use_another_unit_down_than_across() -> None:
    assert near(scale_of(imagej("um", 4, 0.004, yunit="nm")), 4.0, "ImageJ")
    assert scale_of(imagej("um", 4, 4, yunit="pixel")) is None
    assert scale_of(imagej("um", 4, 4, zunit="sec")) == Scale(4.0, "ImageJ")


def test_pixels_per_centimetre_state_a_scale() -> None:
    assert scale_of(per("CENTIMETER", 80453)) == Scale(8.0453, "TIFF")


def test_micro_manager_writes_pixels_per_centimetre_beside_a_unit_of_imagej() -> None:
    data = written(imagej=True, resolution=(80453, 80453), resolutionunit="CENTIMETER", metadata={"unit": "um"})
    assert scale_of(data) == Scale(8.0453, "TIFF")


def test_the_ome_header_is_believed_before_the_tags() -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    data = written(ome=True, resolution=(80453, 80453), resolutionunit="CENTIMETER", metadata=metadata)
    assert scale_of(data) == Scale(2.0, "OME")


def test_an_ome_header_without_a_scale_leaves_the_word_to_the_tags() -> None:
    data = written(ome=True, resolution=(80453, 80453), resolutionunit="CENTIMETER", metadata={"axes": "YX"})
    assert scale_of(data) == Scale(8.0453, "TIFF")


def test_of_several_images_in_an_ome_header_the_one_of_this_size_counts() -> None:
    other = '<Image ID="Image:7"><Pixels SizeX="1" SizeY="1" PhysicalSizeX="7" PhysicalSizeY="7"/></Image>'
    xml = tifffile.TiffFile(io.BytesIO(ome(0.125))).ome_metadata
    changed = xml.replace("<Image ", f"{other}<Image ", 1).encode("ascii", "xmlcharrefreplace")
    assert scale_of(written(description=changed, metadata=None)) == Scale(8.0, "OME")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_ome_header_may_use_either_quote_and_escapes(quote: str) -> None:
    xml = tifffile.TiffFile(io.BytesIO(ome(0.125))).ome_metadata
    changed = xml.replace('"', quote).replace("µ", "&#181;").encode("ascii")
    assert scale_of(written(description=changed, metadata=None)) == Scale(8.0, "OME")


NOTHING: dict[str, bytes] = {
    "nothing at all": written(metadata=None),
    "tifffile's own description": written(),
    "72 dpi": per("INCH", 72),
    "96 dpi": per("INCH", 96),
    "300 dpi": per("INCH", 300),
    "a million per inch": per("INCH", 1_000_000),
    "no unit": per("NONE", 80453),
    "1/1 per centimetre": per("CENTIMETER", 1),
    "0 per centimetre": per("CENTIMETER", (0, 1)),
    "0/0 per centimetre": over_zero(per("CENTIMETER", 77777), 0),
    "infinitely many per centimetre": over_zero(per("CENTIMETER", 77777), 80453),
    "72 dpi per centimetre": per("CENTIMETER", 28.35),
    "300 dpi per centimetre": per("CENTIMETER", 118.11),
    "1,200 dpi per centimetre": per("CENTIMETER", 472.44),
    "too many per centimetre": per("CENTIMETER", 11_000_000),
    "imagej without a unit": imagej(None),
    "imagej pixel": imagej("pixel"),
    "imagej pixels": imagej("pixels"),
    "imagej inch": imagej("inch", 300),
    "imagej unknown": imagej("furlong"),
    "imagej number": imagej("4"),
    "imagej empty": imagej(""),
    "imagej 0/1": imagej("um", (0, 1)),
    "imagej 300 dpi in cm": imagej("cm", 118.11),
    "ome pixel": ome(0.125, "pixel"),
    "ome reference frame": ome(0.125, "reference frame"),
    "ome 0": ome(0.0),
    "ome x alone": written(ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.125}),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_length_of_the_specimen_states_no_scale(name: str) -> None:
    assert scale_of(NOTHING[name]) is None


@pytest.mark.parametrize(
    ("data", "x", "y"),
    [
        (imagej("um", 2, 4), "2", "4"),
        (per("CENTIMETER", 20_000, 40_000), "2", "4"),
        (per("CENTIMETER", 80_453, 80_600), "8.0453", "8.06"),
        (ome(0.5, size_y=0.25), "2", "4"),
    ],
)
def test_pixels_that_are_not_square_are_refused_with_both_numbers(data: bytes, x: str, y: str) -> None:
    assert refusal(data) == (
        f"a.tif states {x} px/µm across and {y} px/µm down; images must have square pixels: resample it, or {REMEDY}."
    )


def test_a_thousandth_of_stretch_is_rounding() -> None:
    assert near(scale_of(imagej("um", 8.0, 8.004)), 8.002, "ImageJ")


@pytest.mark.parametrize(
    ("data", "value", "where"),
    [
        (imagej("um", 80453), "80453", "ImageJ properties"),
        (imagej("um", 0.005), "0.005", "ImageJ properties"),
        (imagej("um", 4, 4, yunit="mm"), "0.004", "ImageJ properties"),
        (over_zero(imagej("um", 77777), 1), "inf", "ImageJ properties"),
        (ome(0.125, "m"), "8e-06", "OME header"),
        (ome(1e-9), "1e+09", "OME header"),
        (ome(-0.125), "-8", "OME header"),
        (ome("NaN"), "nan", "OME header"),
        (ome("INF"), "0", "OME header"),
        (ome("wide"), "nan", "OME header"),
    ],
)
def test_a_scale_that_ome_or_imagej_state_and_no_microscope_has_is_refused(data: bytes, value: str, where: str) -> None:
    assert refusal(data) == f"a.tif states {value} px/µm in its {where}, and no microscope has that; {REMEDY}."


@settings(deadline=None, max_examples=60)
@given(st.floats(0.11, 900))
def test_what_is_written_as_a_scale_is_read_back(pixels_per_um: float) -> None:
    assert near(scale_of(imagej("um", pixels_per_um)), pixels_per_um, "ImageJ")
    assert near(scale_of(ome(1 / pixels_per_um)), pixels_per_um, "OME")
    assert near(scale_of(per("CENTIMETER", 1e4 * pixels_per_um)), pixels_per_um, "TIFF")


@pytest.mark.parametrize("per_metre", [None, 1, 2835, 3780, 11811, 47244, 99_999, 2_000_000_000])
def test_a_png_of_a_screen_or_printer_states_no_scale(per_metre: int | None) -> None:
    assert stated_png_scale(png(per_metre), "a.png") is None


def test_a_png_states_pixels_per_metre() -> None:
    assert stated_png_scale(png(8_045_300), "a.png") == Scale(8.0453, "PNG")
    assert stated_png_scale(png(100_000), "a.png") == Scale(0.1, "PNG")
    assert stated_png_scale(png(8_045_300, unit=0), "a.png") is None


def test_a_png_without_square_pixels_is_refused() -> None:
    with pytest.raises(
        InputImageError, match=r"^a\.png states 2 px/µm across and 4 px/µm down; images must have square"
    ):
        stated_png_scale(png(2_000_000, 4_000_000), "a.png")


STATED = Scale(4.0, "ImageJ")


def resolved(
    stated: Scale | None, ignore_file: bool = False, *, sheet: float | None = None, option: float | None = None
) -> Scale:
    given = Scale(sheet, "sample sheet") if sheet is not None else None
    given = Scale(option, "--pixels-per-um") if given is None and option is not None else given
    return resolve_scale(stated, given, ignore_file=ignore_file, name="a.tif")


def test_the_sample_sheet_comes_before_the_option_and_the_option_before_the_file() -> None:
    assert resolved(STATED) == STATED
    assert resolved(STATED, option=4.02) == Scale(4.02, "--pixels-per-um")
    assert resolved(STATED, sheet=3.98) == Scale(3.98, "sample sheet")
    assert resolved(None, sheet=3) == Scale(3, "sample sheet")
    assert resolved(None, option=9) == Scale(9, "--pixels-per-um")


def test_a_scale_that_nobody_states_is_asked_for() -> None:
    message = r"^a\.tif does not state its scale; pass --pixels-per-um, or give pixels_per_um in the sample sheet\.$"
    for ignore_file in (False, True):
        with pytest.raises(InputImageError, match=message):
            resolved(None, ignore_file=ignore_file)


@pytest.mark.parametrize(
    ("stated", "given", "message"),
    [
        (
            Scale(4.0, "OME"),
            {"option": 8.0453},
            "a.tif states 4 px/µm in its OME header, but --pixels-per-um is 8.0453; correct the one that is wrong, or "
            "pass --ignore-file-scale to use 8.0453.",
        ),
        (
            STATED,
            {"sheet": 4.05, "option": 4.0},
            "a.tif states 4 px/µm in its ImageJ properties, but pixels_per_um in the sample sheet is 4.05; correct the "
            "one that is wrong, or pass --ignore-file-scale to use 4.05.",
        ),
        (
            Scale(7.9, "TIFF"),
            {"option": 8.0453},
            "a.tif states 7.9 px/µm in its TIFF resolution, but --pixels-per-um is 8.0453; correct the one that is "
            "wrong, or pass --ignore-file-scale to use 8.0453.",
        ),
    ],
)
def test_a_scale_against_the_file_is_refused_with_both_numbers(
    stated: Scale, given: dict[str, float], message: str
) -> None:
    sheet, option = given.get("sheet"), given.get("option")
    with pytest.raises(InputImageError) as caught:
        resolved(stated, sheet=sheet, option=option)
    assert str(caught.value) == message
    assert resolved(stated, True, sheet=sheet, option=option).pixels_per_um == given.get("sheet", given["option"])


@pytest.mark.parametrize("given_scale", [0.0, -1.0, 0.009, 1001.0, float("nan"), float("inf")])
def test_a_scale_that_no_microscope_has_is_refused_wherever_it_is_given(given_scale: float) -> None:
    with pytest.raises(InputImageError, match=r"^a\.tif: --pixels-per-um is .*; it must be from 0\.01 to 1000\.$"):
        resolved(None, option=given_scale)
    with pytest.raises(
        InputImageError, match=r"^a\.tif: pixels_per_um in the sample sheet is .*; it must be from 0\.01"
    ):
        resolved(STATED, sheet=given_scale, ignore_file=True)
