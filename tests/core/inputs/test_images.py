"""Stitched images of every TIFF layout, and what is refused before memory is taken for it."""

import hashlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.header import Header, read_header
from nucleusnet_core.inputs.images import decode_image, read_image
from nucleusnet_core.inputs.scale import Scale

RAMP = (np.arange(70)[:, None] * 251 + np.arange(90)[None, :] * 7).astype(np.uint16)


def tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def ome(unit: str, size: float, pixels: npt.NDArray[Any] = RAMP) -> bytes:
    axes = {f"PhysicalSize{axis}{part}": value for axis in "XY" for part, value in (("", size), ("Unit", unit))}
    return tiff(pixels, ome=True, metadata={"axes": "YX", **axes})


def edited(data: bytes, **tags: tuple[int, int]) -> bytes:
    """Overwrite (tag number, value) of a little-endian TIFF in place."""
    changed = bytearray(data)
    for number, value in tags.values():
        entry = changed.index(struct.pack("<H", number), 8)
        changed[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(changed)


def resized(data: bytes, height: int, width: int) -> bytes:
    return edited(data, width=(256, width), height=(257, height), rows_per_strip=(278, height))


LAYOUTS: dict[str, dict[str, Any]] = {
    "uncompressed": {},
    "strips": {"rowsperstrip": 3},
    "lzw": {"compression": "lzw"},
    "lzw with predictor": {"compression": "lzw", "predictor": True},
    "deflate": {"compression": "zlib", "rowsperstrip": 16},
    "zstd": {"compression": "zstd"},
    "packbits": {"compression": "packbits"},
    "tiled": {"tile": (32, 48)},
    "tiled lzw": {"tile": (16, 16), "compression": "lzw"},
    "bigtiff": {"bigtiff": True},
    "bigtiff deflate": {"bigtiff": True, "compression": "zlib"},
    "imagej": {"imagej": True},
    "ome": {"ome": True},
    "ome tiled": {"ome": True, "tile": (16, 16), "compression": "zlib"},
    "no metadata": {"metadata": None},
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_native_pixels(layout: str, byteorder: str, dtype: Any) -> None:
    pixels = RAMP.astype(dtype)
    order = {"byteorder": byteorder} if layout != "imagej" else {}
    found, scale = decode_image(tiff(pixels, **LAYOUTS[layout], **order), "a.tif")
    assert found.dtype == dtype
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert np.array_equal(found, pixels)
    assert scale is None


def test_an_image_comes_with_the_sha256_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "Aufnahme für Zoë 1.tif"
    path.write_bytes(tiff(RAMP))
    image = read_image(path)
    assert np.array_equal(image.pixels, RAMP)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.scale is None


def test_the_pixels_of_an_uncompressed_image_are_the_bytes_of_the_file_without_a_copy() -> None:
    pixels, _ = decode_image(tiff(RAMP), "a.tif")
    assert not pixels.flags.owndata
    assert not pixels.flags.writeable


def test_an_8_bit_image_with_a_colour_table_keeps_its_values() -> None:
    pixels = RAMP.astype(np.uint8)
    data = tiff(pixels, photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    assert np.array_equal(decode_image(data, "a.tif")[0], pixels)


def test_the_full_image_of_a_pyramid_is_read() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, ome=True) as writer:
        writer.write(RAMP, subifds=1, tile=(16, 16))
        writer.write(RAMP[::2, ::2], subfiletype=1, tile=(16, 16))
    assert np.array_equal(decode_image(stream.getvalue(), "a.ome.tif")[0], RAMP)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_a_blank_image_is_read_however_well_it_was_compressed(compression: str) -> None:
    data = tiff(np.zeros((3000, 3000), np.uint16), compression=compression, rowsperstrip=3000)
    assert not decode_image(data, "a.tif")[0].any()


def test_an_image_comes_with_the_scale_that_its_header_states() -> None:
    assert decode_image(ome("µm", 0.125), "a.ome.tif")[1] == Scale(8.0, "OME")


STACK = np.stack([RAMP, RAMP + 1, RAMP + 2])
RGB = np.zeros((70, 90, 3), np.uint8)
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"is empty; copy it again\."),
    "text": (b"label,area\n1,20\n", r"is neither a TIFF nor a PNG: it starts with b'label,ar'; export it as TIFF\.$"),
    "png": (
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        "the checksum of the PNG chunk at byte 8 is wrong: the file is damaged; copy or export it again",
    ),
    "two bytes": (b"II", "is neither a TIFF nor a PNG: it starts with b'II'"),
    "no page": (b"II*\0\0\0\0\0", "holds 0 pages; an image must be one grey plane .*: "),
    "rgb": (
        tiff(RGB, photometric="rgb"),
        r"has shape \(70, 90, 3\), .*; an image must be one grey plane .*: export the nuclear",
    ),
    "planar rgb": (
        tiff(np.moveaxis(RGB, 2, 0), photometric="rgb", planarconfig="separate"),
        r"has shape \(3, 70, 90\), .*; an image must be one grey plane .*: export the nuclear channel alone",
    ),
    "grey and alpha": (
        tiff(RGB[:, :, :2], photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]),
        r"has shape \(70, 90, 2\), .*; an image must be one grey plane ",
    ),
    "pages": (
        tiff(STACK, photometric="minisblack"),
        "holds 3 pages; an image must be one grey plane .*: export the nuclear",
    ),
    "imagej stack": (tiff(STACK, imagej=True), "holds 3 pages; an image must be one grey plane"),
    "ome channels": (tiff(STACK, ome=True, metadata={"axes": "CYX"}), "holds 3 pages; an image must be one grey plane"),
    "imagej stack of one page": (
        tiff(STACK, imagej=True, truncate=True),
        r"holds a stack of shape \(3, 70, 90\); an image must be one grey plane .*: export the nuclear channel alone",
    ),
    "stack of one page": (
        tiff(STACK, photometric="minisblack", truncate=True),
        r"holds a stack of shape \(3, 70, 90\); an image must be one grey plane .*: export the nuclear channel alone",
    ),
    "volume": (tiff(STACK, volumetric=True, photometric="minisblack"), ".*an image must be one grey plane"),
    "bool": (tiff(RAMP > 9), "has pixels of type bool; they must be uint8 or uint16: export the camera values"),
    "int8": (tiff(RAMP.astype(np.int8)), "has pixels of type int8; they must be uint8 or uint16"),
    "int16": (tiff(RAMP.astype(np.int16)), "has pixels of type int16; they must be uint8 or uint16"),
    "int32": (tiff(RAMP.astype(np.int32)), "has pixels of type int32; they must be uint8 or uint16"),
    "uint32": (tiff(RAMP.astype(np.uint32)), "has pixels of type uint32; they must be uint8 or uint16"),
    "float": (
        tiff(RAMP.astype(np.float16)),
        "has pixels of type float16; they must be uint8 or uint16: export the camera",
    ),
    "complex": (tiff(RAMP.astype(np.complex64)), "has pixels of type complex64; they must be uint8 or uint16"),
    "truncated": (tiff(RAMP)[:-1], r"was not written to its end; export it again\.$"),
    "truncated lzw": (
        tiff(RAMP, compression="lzw", metadata=None)[:-1],
        r"was not written to its end; export it again\.$",
    ),
    "truncated tiles": (tiff(RAMP, tile=(16, 16))[:-300], r"was not written to its end; export it again\.$"),
    "cut in the header": (tiff(RAMP)[:100], r"was not written to its end; export it again\.$"),
    "no rows": (resized(tiff(RAMP), 0, 90), "has 0 x 90 px; copy or export it again"),
    "wide": (resized(tiff(RAMP), 1, 60_001), "has 1 x 60001 px; .* at most 60,000 px a side: cut the stitched image"),
    "high": (resized(tiff(RAMP), 60_001, 1), "has 60001 x 1 px; .* at most 60,000 px a side: cut the stitched image"),
    "2**31 px": (resized(tiff(RAMP, compression="zlib"), 2**31 - 1, 2**31 - 1), ".* at most 60,000 px a side"),
    "50,000 px in 12 kB": (
        resized(tiff(RAMP, compression="zlib"), 50_000, 50_000),
        r"declares 5,000,000,000 bytes of pixels, but so small a file holds at most 491,480,000: .*; copy or export it",
    ),
    "60,000 px in one page without data": (
        edited(resized(tiff(RAMP), 60_000, 60_000), bytes=(279, 60_000 * 60_000 * 2 & 0xFFFFFFFF)),
        r"was not written to its end; export it again\.$",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_grey_camera_image_is_one_error_that_names_it(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(InputImageError, match=rf"^Run1 ü\.tif:? (?:{message})"):
        decode_image(data, "Run1 ü.tif")


@pytest.mark.parametrize("place", [-1, -500, -5000])
def test_a_changed_byte_in_deflated_pixels_is_noticed(place: int) -> None:
    data = bytearray(tiff(RAMP, compression="zlib", metadata=None))
    data[place] ^= 1
    with pytest.raises(InputImageError, match=r"^a\.tif is not a readable TIFF image \("):
        decode_image(bytes(data), "a.tif")


def test_an_uncompressed_image_in_one_strip_is_read_although_its_header_promises_more_strips() -> None:
    data = edited(tiff(RAMP, metadata=None), rows_per_strip=(278, 10))
    assert np.array_equal(decode_image(data, "a.tif")[0], RAMP)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_an_image_whose_writing_stopped_halfway_is_refused(options: dict[str, Any]) -> None:
    data = bytearray(tiff(RAMP, metadata=None, rowsperstrip=10 if "tile" not in options else None, **options))
    offsets, sizes = (324, 325) if "tile" in options else (273, 279)
    for tag in (offsets, sizes):
        struct.pack_into("<I", data, data.index(struct.pack("<H", tag), 8) + 4, 5)
    with pytest.raises(InputImageError, match=r"^a\.tif was not written to its end; export it again\.$"):
        decode_image(bytes(data), "a.tif")


def test_a_missing_file_is_an_error_with_the_reason_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(InputImageError, match=r"^a\.tif cannot be read \(No such file or directory\); check"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_the_header_alone_says_size_and_scale_as_the_whole_file_does(tmp_path: Path, name: str) -> None:
    path, noise = tmp_path / name, np.random.default_rng(0).integers(0, 256, (400, 300), np.uint8)
    if name.endswith("png"):
        Image.fromarray(noise).save(path, dpi=(50_800, 50_800))  # 2,000 px/mm
    else:
        tifffile.imwrite(path, noise, resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    assert path.stat().st_size > 1 << 16
    header, image = read_header(path), read_image(path)
    assert header == Header((400, 300), 120_000, image.scale)
    assert image.scale is not None
    assert image.scale.pixels_per_um == pytest.approx(2)
    assert read_header(path, file_scale=False).scale is None
