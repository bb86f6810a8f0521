"""Fuzz target: the headers of damaged TIFF files, which are read before a build, are refused or state a size."""

import tempfile
from pathlib import Path
from random import Random

from nucleusnet_core.errors import InputImageError
from nucleusnet_core.inputs.header import read_header
from tests.fuzz.frame import WrongError
from tests.fuzz.tiff_files import TiffCase, make_case

PROMISED = (InputImageError,)


def make(random: Random) -> TiffCase:
    return make_case(random, labels=False)


def check(case: TiffCase) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.tif")
        path.write_bytes(case.data)
        header = read_header(path)
    if not all(type(side) is int and side >= 0 for side in (*header.shape, header.pixel_bytes)):
        raise WrongError(f"{header}")
