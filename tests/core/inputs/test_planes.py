"""TIFF files with several planes: each form that programs write gives the same pixels and names, or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.planes import StoredPlanes, decode_planes, read_stored_planes

RNG = np.random.default_rng(5)
STACK = RNG.integers(0, 60_000, (3, 40, 50)).astype(np.uint16)
OME: dict[str, Any] = {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "Alexa 647"]}}}
IMAGEJ: dict[str, Any] = {"imagej": True, "metadata": {"axes": "CYX", "Labels": ["DAPI", "GFP", "Alexa 647"]}}
PLAIN: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
NAMES = ("DAPI", "GFP", "Alexa 647")

FORMS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "OME": (OME, NAMES),
    "OME, deflate, tiles": (OME | {"compression": "zlib", "tile": (16, 16)}, NAMES),
    "ImageJ, one page": (IMAGEJ, NAMES),
    "pages": (PLAIN, ()),
    "pages, LZW, big end first": (PLAIN | {"compression": "lzw", "byteorder": ">"}, ()),
    "pages in one block, big end first": (PLAIN | {"byteorder": ">", "contiguous": True}, ()),
    "planes of one page": (PLAIN | {"planarconfig": "separate"}, ()),
    "shaped": ({"photometric": "minisblack"}, ()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wanted", [(0, 1, 2), (2,), (1, 0)])
def test_planes_are_read_whatever_program_wrote_them(tmp_path: Path, form: str, wanted: tuple[int, ...]) -> None:
    options, names = FORMS[form]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **options)
    assert read_stored_planes(path) == StoredPlanes(3, names)
    planes = decode_planes(path.read_bytes(), "a.tif", wanted, count=3)
    assert planes.stored == StoredPlanes(3, names)
    for pixels, number in zip(planes.pixels, wanted, strict=True):
        np.testing.assert_array_equal(pixels, STACK[number])
        assert pixels.dtype == np.uint16
        assert pixels.flags.c_contiguous
        assert not pixels.flags.writeable


def test_interleaved_grey_planes_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.moveaxis(STACK, 0, -1), photometric="minisblack", planarconfig="contig", metadata=None)
    assert read_stored_planes(path) == StoredPlanes(3)
    np.testing.assert_array_equal(decode_planes(path.read_bytes(), "a.tif", [1], count=3).pixels[0], STACK[1])


def test_a_pyramid_of_channels_is_read_at_full_size(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK, subifds=1, tile=(16, 16), metadata=OME["metadata"])
        writer.write(STACK[:, ::2, ::2], subfiletype=1, tile=(16, 16))
    assert read_stored_planes(path) == StoredPlanes(3, NAMES)
    np.testing.assert_array_equal(decode_planes(path.read_bytes(), "a", [2], count=3).pixels[0], STACK[2])


def test_one_plane_is_one_plane(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    Image.fromarray(STACK[0].astype(np.uint8)).save(tmp_path / "b.png")
    assert read_stored_planes(tmp_path / "a.tif") == read_stored_planes(tmp_path / "b.png") == StoredPlanes(1)


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((3, 40, 50), "ZYX", "has 3 depths (z)"),
        ((3, 40, 50), "TYX", "has 3 times (t)"),
        ((2, 3, 40, 50), "ZCYX", "has 2 depths (z)"),
    ],
)
def test_depths_and_times_are_not_taken_for_channels(
    tmp_path: Path, shape: tuple[int, ...], axes: str, message: str
) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), ome=True, metadata={"axes": axes})
    for read in (
        lambda: read_stored_planes(path),
        lambda: decode_planes(path.read_bytes(), path.name, [0], count=3),
    ):
        with pytest.raises(InputImageError) as raised:
            read()
        assert message in str(raised.value)


def test_a_colour_picture_has_no_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 50, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputImageError, match="has 3 colours"):
        read_stored_planes(tmp_path / "a.tif")


def test_several_images_in_a_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(STACK, metadata=OME["metadata"])
        writer.write(STACK, metadata=OME["metadata"])
    with pytest.raises(InputImageError, match="holds 2 images; export each as a file of its own"):
        read_stored_planes(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("form", ["OME", "ImageJ, one page", "pages", "planes of one page"])
def test_a_file_that_ends_early_is_not_written_to_its_end(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **FORMS[form][0])
    data = path.read_bytes()
    end = data.rindex(STACK[2].tobytes()[-64:]) + 32  # in the last plane, whatever stands behind it
    with pytest.raises(InputImageError, match=r"written to its end|not a readable TIFF"):
        decode_planes(data[:end], "a.tif", [2], count=3)


def test_another_number_of_planes_and_other_types_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, **PLAIN)
    with pytest.raises(InputImageError, match="has 3 planes, and the other images have 2"):
        decode_planes((tmp_path / "a.tif").read_bytes(), "a.tif", [0], count=2)
    tifffile.imwrite(tmp_path / "b.tif", STACK.astype(np.float32), **PLAIN)
    with pytest.raises(InputImageError, match="channels must be uint8 or uint16"):
        decode_planes((tmp_path / "b.tif").read_bytes(), "b.tif", [0], count=3)


def test_names_that_imagej_gives_when_it_splits_channels_are_none(tmp_path: Path) -> None:
    labels = [f"c:{number}/3 - field" for number in (1, 2, 3)]
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "CYX", "Labels": labels})
    assert read_stored_planes(tmp_path / "a.tif") == StoredPlanes(3)
