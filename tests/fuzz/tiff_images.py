"""Fuzz target: damaged TIFF files read as stitched images are refused, or give the pixels that they hold."""

from random import Random

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.images import decode_image
from tests.fuzz.tiff_files import TiffCase, check_pixels, make_case, prepare

__all__ = ["PROMISED", "check", "make", "prepare"]
PROMISED = (InputImageError,)


def make(random: Random) -> TiffCase:
    return make_case(random, labels=False)


def check(case: TiffCase) -> None:
    pixels, _ = decode_image(case.data, "a.tif")
    check_pixels(pixels, case)
