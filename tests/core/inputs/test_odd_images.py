"""Images and masks that are unusual but right, which are read, and those that are not, which are one clear sentence."""

import io
import logging
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from nucleusnet_core.errors import InputImageError, InputMaskError
from nucleusnet_core.inputs.images import decode_image, read_image
from nucleusnet_core.inputs.masks import LabelRuns, read_label_runs
from nucleusnet_core.inputs.scale import Scale
from tests.builder.commands import environment

RAMP = (np.arange(70)[:, None] * 251 + np.arange(90)[None, :] * 7).astype(np.uint16)
GREY = (RAMP % 251).astype(np.uint8)
LABELS = np.zeros((70, 90), np.uint16)
LABELS[10:30, 20:40], LABELS[40:60, 50:80] = 1, 7


def tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def pages(*written: tuple[npt.NDArray[Any], dict[str, Any]], **file_options: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, **file_options) as writer:
        for pixels, options in written:
            writer.write(pixels, **options)
    return stream.getvalue()


def png(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", **options)
    return stream.getvalue()


def painted(runs: LabelRuns) -> npt.NDArray[np.uint32]:
    image = np.zeros(runs.shape, np.uint32)
    for y, x0, x1, label in zip(runs.row, runs.x0, runs.x1, runs.label, strict=True):
        image[y, x0:x1] = label
    return image


def image_of(data: bytes) -> npt.NDArray[Any]:
    pixels = decode_image(data, "a.tif")[0]
    assert not pixels.flags.writeable
    return pixels


def mask_of(data: bytes) -> npt.NDArray[np.uint32]:
    return painted(read_label_runs(data, "a.tif", allow_pickle=True))


def refusals(data: bytes) -> list[str]:
    """What is said about a file that is refused as an image, and as a mask."""
    with pytest.raises(InputImageError) as image:
        decode_image(data, "a.tif")
    with pytest.raises(InputMaskError) as mask:
        read_label_runs(data, "a.tif")
    return [str(image.value), str(mask.value)]


AXES: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "1HW": lambda plane: plane[None],
    "HW1": lambda plane: plane[..., None],
    "11HW": lambda plane: plane[None, None],
    "1HW1": lambda plane: plane[None, ..., None],
    "11HW1": lambda plane: plane[None, None, ..., None],
}


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"compression": "zlib"}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize("axes", AXES)
def test_one_plane_with_further_axes_of_length_1_is_read(axes: str, options: dict[str, Any]) -> None:
    if options.get("imagej") and axes.endswith("1"):
        options = {"imagej": True, "metadata": {"axes": {"HW1": "YXS", "1HW1": "ZYXS", "11HW1": "ZCYXS"}[axes]}}
    assert np.array_equal(image_of(tiff(AXES[axes](GREY), **options)), GREY)
    assert np.array_equal(mask_of(tiff(AXES[axes](LABELS), **options)), LABELS)


@pytest.mark.parametrize("axes", AXES)
def test_a_mask_of_cellpose_may_have_axes_of_length_1(axes: str) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array({"masks": AXES[axes](LABELS)}, object))
    assert np.array_equal(mask_of(stream.getvalue()), LABELS)


@pytest.mark.parametrize("shape", [(1, 90), (70, 1), (1, 1)])
def test_images_of_one_row_or_column_keep_their_shape(shape: tuple[int, int]) -> None:
    pixels = np.ones(shape, np.uint8)
    assert image_of(tiff(pixels, metadata=None)).shape == shape
    assert mask_of(tiff(pixels, metadata=None)).shape == shape


TILES = {"tile": (16, 16), "metadata": None}
HALF, QUARTER = (slice(None, None, 2),) * 2, (slice(None, None, 4),) * 2
PYRAMIDS: dict[str, Callable[[npt.NDArray[Any]], bytes]] = {
    "reduced pages": lambda full: pages(
        (full, TILES), (full[HALF], TILES | {"subfiletype": 1}), (full[QUARTER], TILES | {"subfiletype": 1})
    ),
    "described": lambda full: pages((full, {"tile": (16, 16)}), (full[HALF], {"tile": (16, 16), "subfiletype": 1})),
    "reduced page of another type": lambda full: pages(
        (full, TILES), (np.zeros((20, 30, 3), np.uint8), {"photometric": "rgb", "subfiletype": 1, "metadata": None})
    ),
    "reduced page first": lambda full: pages((full[HALF], TILES | {"subfiletype": 1}), (full, TILES)),
    "smaller pages without a mark": lambda full: pages((full, TILES), (full[HALF], TILES), (full[QUARTER], TILES)),
    "rounded up": lambda full: pages((full, TILES), (np.zeros((24, 30), full.dtype), TILES)),
    "rounded down": lambda full: pages((full, TILES), (np.zeros((23, 29), full.dtype), TILES)),
    "smaller images below the page": lambda full: pages(
        (full, TILES | {"subifds": 2}), (full[HALF], TILES | {"subfiletype": 1}), (full[QUARTER], TILES)
    ),
    "ome": lambda full: pages(
        (full, {"tile": (16, 16), "subifds": 1}), (full[HALF], {"tile": (16, 16), "subfiletype": 1}), ome=True
    ),
    "a mark on the only page": lambda full: pages((full, TILES | {"subfiletype": 1})),
    "bigtiff": lambda full: pages((full, TILES), (full[HALF], TILES | {"subfiletype": 1}), bigtiff=True),
}


@pytest.mark.parametrize("name", PYRAMIDS)
def test_the_smaller_copies_of_a_pyramid_are_left_aside(name: str) -> None:
    assert np.array_equal(image_of(PYRAMIDS[name](GREY)), GREY)
    assert np.array_equal(mask_of(PYRAMIDS[name](LABELS)), LABELS)


SEVERAL: dict[str, tuple[bytes, int]] = {
    "two pages of one size": (pages((GREY, TILES), (GREY, TILES)), 2),
    "a page of another shape": (pages((GREY, TILES), (GREY[:30], TILES)), 2),
    "a smaller page of another type": (pages((GREY, TILES), (RAMP[HALF], TILES)), 2),
    "a stack with a reduced page": (pages((GREY, TILES), (GREY, TILES), (GREY[HALF], TILES | {"subfiletype": 1})), 2),
    "a hundred pages": (pages(*[(GREY[:8, :8], {"metadata": None})] * 100), 100),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_pages_that_are_no_pyramid_are_refused_with_their_number(name: str) -> None:
    data, count = SEVERAL[name]
    assert refusals(data) == [
        f"a.tif holds {count} pages; an image must be one grey plane (height, width): export the nuclear channel "
        "alone.",
        f"a.tif holds {count} pages; a mask must be one label image (height, width): save one greyscale label image "
        "per file.",
    ]


def test_a_scale_is_read_from_the_full_page_of_a_pyramid() -> None:
    per_cm = {"resolution": (80453, 80453), "resolutionunit": "CENTIMETER"}
    data = pages((GREY[HALF], TILES | {"subfiletype": 1}), (GREY, TILES | per_cm))
    assert decode_image(data, "a.tif")[1] == Scale(8.0453, "TIFF")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"tile": (16, 16)}], ids=str)
def test_whole_floats_become_the_smallest_type_of_a_camera(dtype: Any, options: dict[str, Any]) -> None:
    for pixels in (GREY, RAMP, np.full((3, 5), 255, np.uint8), np.full((3, 5), 256, np.uint16), GREY[:1, :1]):
        found = image_of(tiff(pixels.astype(dtype), **options))
        assert found.dtype == pixels.dtype
        assert np.array_equal(found, pixels)
    assert image_of(tiff(np.full((700, 5), 65535, dtype))).tolist() == np.full((700, 5), 65535).tolist()


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (0, 0.5, "with fractions, such as 0.5; camera values are whole numbers"),
        (699, 254.25, "with fractions, such as 254.25; camera values are whole numbers"),
        (300, -1.0, "from -1 to 100; camera values lie between 0 and 65535"),
        (300, 65536.0, "from 100 to 65536; camera values lie between 0 and 65535"),
        (300, np.nan, "from nan to nan; camera values lie between 0 and 65535"),
        (300, np.inf, "from 100 to inf; camera values lie between 0 and 65535"),
    ],
)
def test_floats_that_no_camera_gave_are_refused(row: int, value: float, message: str) -> None:
    pixels = np.full((700, 5), 100, np.float32)
    pixels[row, 2] = value
    with pytest.raises(InputImageError) as caught:
        decode_image(tiff(pixels), "a.tif")
    remedy = "export the camera values without scaling."
    assert str(caught.value) == f"a.tif has pixels of type float32 {message}: {remedy}"


def test_a_colour_table_is_not_applied() -> None:
    blue = np.stack([np.zeros(256), np.zeros(256), np.arange(256) * 257]).astype(np.uint16)
    assert np.array_equal(image_of(tiff(GREY, photometric="palette", colormap=blue)), GREY)
    labels = LABELS.astype(np.uint8)
    assert np.array_equal(mask_of(tiff(labels, photometric="palette", colormap=blue)), labels)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_white_is_zero_is_not_inverted(options: dict[str, Any]) -> None:
    assert np.array_equal(image_of(tiff(GREY, photometric="miniswhite", **options)), GREY)
    assert np.array_equal(mask_of(tiff(LABELS, photometric="miniswhite", **options)), LABELS)


def test_a_packed_12_bit_image_is_read() -> None:
    pixels = RAMP[:, :89] % 4096
    high, low = np.hstack([pixels, np.zeros((70, 1), np.uint16)]).reshape(-1, 2).T
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], 1).astype(np.uint8).tobytes()
    rows = b"".join(packed[start : start + 134] for start in range(0, len(packed), 135))
    data = bytearray(tiff(np.zeros((70, 134), np.uint8), metadata=None))
    data[-70 * 134 :] = rows
    for tag, value in ((256, 89), (258, 12)):
        entry = data.index(struct.pack("<H", tag), 8)
        data[entry + 2 : entry + 12] = struct.pack("<HII", 3, 1, value)
    assert np.array_equal(image_of(bytes(data)), pixels)


@pytest.mark.parametrize("pixels", [GREY, RAMP], ids=["8 bits", "16 bits"])
def test_a_png_image_is_read(pixels: npt.NDArray[Any], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(pixels))
    image = read_image(tmp_path / "a.png")
    assert image.pixels.dtype == pixels.dtype
    assert np.array_equal(image.pixels, pixels)
    assert image.scale is None
    assert not image.pixels.flags.writeable


def test_the_scale_of_a_png_is_that_of_its_pixels_per_metre() -> None:
    assert decode_image(png(GREY, dpi=(8.0453e6 * 0.0254,) * 2), "a.png")[1] == Scale(8.0453, "PNG")
    assert decode_image(png(GREY, dpi=(300, 300)), "a.png")[1] is None


@pytest.mark.parametrize("alpha", [0, 200, 255])
def test_a_png_whose_transparency_is_the_same_everywhere_is_read(alpha: int) -> None:
    assert np.array_equal(image_of(png(np.dstack([GREY, np.full_like(GREY, alpha)]))), GREY)


def damaged(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


PNG_REFUSED: dict[str, tuple[bytes, str]] = {
    "rgb": (
        png(np.dstack([GREY] * 3)),
        "a.png is a PNG with RGB colours of 8 bits; an image must be greyscale of 8 or 16 bits: export the nuclear "
        "channel alone, without colours, best as TIFF.",
    ),
    "rgba": (png(np.dstack([GREY] * 4)), "a.png is a PNG with RGBA colours of 8 bits; an image must be greyscale"),
    "one bit": (png(GREY > 9), "a.png is a PNG with greyscale of 1 bits; an image must be greyscale of 8 or 16 bits:"),
    "transparent": (
        png(np.dstack([GREY, GREY])),
        "a.png is a PNG with transparent parts, so it was edited as a picture; export the nuclear channel alone, "
        "without transparency.",
    ),
    "a transparent value": (png(GREY, transparency=9), "a.png is a PNG with transparent parts, so it was edited as a"),
    "truncated": (png(GREY)[:-20], "a.png: the PNG is truncated: it ends after "),
    "damaged": (
        damaged(png(GREY), 60),
        "a.png: the checksum of the PNG chunk at byte 33 is wrong: the file is damaged;",
    ),
    "signature": (
        b"\x89PNG\r\n\x1a\n",
        "a.png: the PNG is truncated: it ends after 8 bytes without its IEND chunk; copy",
    ),
}


@pytest.mark.parametrize("name", PNG_REFUSED)
def test_a_png_that_is_no_camera_image_is_refused(name: str) -> None:
    data, message = PNG_REFUSED[name]
    with pytest.raises(InputImageError) as caught:
        decode_image(data, "a.png")
    assert str(caught.value).startswith(message)


def test_a_png_with_a_palette_is_refused() -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY).convert("P").save(stream, "png")
    with pytest.raises(InputImageError, match=r"^a\.png is a PNG with a palette of 8 bits; an image must be greyscale"):
        decode_image(stream.getvalue(), "a.png")


def sparse(**options: Any) -> bytes:
    """A tile without bytes, as tifffile's own writer leaves it."""
    tiles = [LABELS[y : y + 16, x : x + 16] for y in range(0, 64, 16) for x in range(0, 80, 16)]
    stream = io.BytesIO()
    some = iter([*tiles[:7], None, *tiles[8:]])
    tifffile.imwrite(stream, some, shape=(64, 80), dtype=np.uint16, tile=(16, 16), **options)
    return stream.getvalue()


def with_tag(data: bytes, tag: int, index: int, value: int) -> bytes:
    """The same little-endian TIFF with one value of a tag of many values changed."""
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        found = opened.pages.first.tags[tag]
        size = {3: 2, 4: 4, 16: 8}[int(found.dtype)]
        place = found.valueoffset + index * size
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


STRIPS = tiff(LABELS, rowsperstrip=10, compression="zlib", metadata=None)
PLAIN = tiff(LABELS, metadata=None)
STACK = tiff(np.stack([LABELS] * 3), imagej=True, truncate=True)
TWO_PAGES = pages((LABELS, TILES), (LABELS[HALF], TILES | {"subfiletype": 1}))
UNFINISHED: dict[str, bytes] = {
    "a tile without bytes": sparse(compression="zlib"),
    "an uncompressed tile without bytes": sparse(),
    "a strip at offset 0": with_tag(STRIPS, 273, 3, 0),
    "a strip of 0 bytes": with_tag(STRIPS, 279, 3, 0),
    "a strip beyond the end": with_tag(STRIPS, 273, 3, len(STRIPS)),
    "a strip across the end": with_tag(STRIPS, 279, 6, 60_000),
    "fewer bytes than pixels": with_tag(tiff(LABELS, rowsperstrip=10, metadata=None), 279, 6, 10),
    "one strip of fewer bytes than pixels": with_tag(PLAIN, 279, 0, 12_599),
    "a byte too few": PLAIN[:-1],
    "half of it": PLAIN[: len(PLAIN) // 2],
    "half of its tiles": tiff(LABELS, tile=(16, 16), metadata=None)[:-7000],
    "a list of pages that goes on beyond the end": TWO_PAGES[: TWO_PAGES.rindex(struct.pack("<HHI", 254, 4, 1))],
    "a header without its page": PLAIN[:8],
    "a header alone": PLAIN[:6],
    "an imagej stack after its first plane": STACK[: -2 * LABELS.nbytes],
    "an imagej stack in its second plane": STACK[: -LABELS.nbytes - 100],
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_file_that_was_not_written_to_its_end_is_refused(name: str) -> None:
    assert refusals(UNFINISHED[name]) == ["a.tif was not written to its end; export it again."] * 2


def circle(first: int = 8, second: int = 64) -> bytes:
    """Two directories, the second of which is followed by itself."""
    data = bytearray(200)
    data[:8] = struct.pack("<2sHI", b"II", 42, first)
    for place, link in ((first, second), (second, second)):
        struct.pack_into("<HHHIII", data, place, 1, 256, 4, 1, 4, link)
    return bytes(data)


def test_a_list_of_pages_without_end_is_refused() -> None:
    assert refusals(circle()) == [
        "a.tif is damaged: its list of pages runs in a circle; copy or export it again.",
        "a.tif is damaged: its list of pages runs in a circle; copy the mask again, or write it again.",
    ]


def test_a_page_of_several_heights_is_refused_at_once() -> None:
    data = bytearray(pages((GREY, TILES), (GREY[HALF], TILES)))
    entry = data.rindex(struct.pack("<HH", 257, 4))
    data[entry + 4 : entry + 8] = struct.pack("<I", 15)
    for message in refusals(bytes(data)):
        assert message.startswith(
            "a.tif is not a readable TIFF image (ValueError: a page of several heights or widths); "
        )


READ_AS_MASK = """
import sys
from pathlib import Path
from nucleusnet_core.inputs.masks import read_label_runs
from nucleusnet_core.errors import InputMaskError
try:
    read_label_runs(Path(sys.argv[1]).read_bytes(), "a.tif")
except InputMaskError:
    sys.exit(7)
"""


@pytest.mark.parametrize("data", [circle(), UNFINISHED["half of it"], b"II*\0\x08\0\0\0\xff\xff" + bytes(90)])
def test_a_damaged_mask_is_refused_at_once_and_no_library_speaks(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    command = [sys.executable, "-c", READ_AS_MASK, str(tmp_path / "a.tif")]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


def test_what_tifffile_says_goes_to_our_log_with_the_name_of_the_file(caplog: pytest.LogCaptureFixture) -> None:
    data = with_tag(tiff(LABELS, metadata=None), 278, 0, 10)  # more strips than there are
    with caplog.at_level(logging.INFO):
        assert np.array_equal(mask_of(data), LABELS)
    said = [(record.name, record.getMessage()) for record in caplog.records]
    assert {name for name, _ in said} == {"nucleusnet"}
    assert all(text.startswith("a.tif: ") for _, text in said)
    caplog.clear()
    logging.getLogger("tifffile").warning("of another reader")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("tifffile", "of another reader")]


def test_images_may_be_read_in_several_threads(caplog: pytest.LogCaptureFixture) -> None:
    data = with_tag(tiff(LABELS, metadata=None), 278, 0, 10)
    threads = [threading.Thread(target=image_of, args=(data,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "tifffile" not in {record.name for record in caplog.records}


def test_a_scale_that_does_not_matter_is_no_error() -> None:
    data = tiff(GREY, imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    with pytest.raises(InputImageError, match="images must have square pixels"):
        decode_image(data, "a.tif")
    pixels, scale = decode_image(data, "a.tif", file_scale=False)
    assert np.array_equal(pixels, GREY)
    assert scale is None
