"""Fuzz target: damaged TIFF files read as masks are refused, or give the labels that they hold."""

from random import Random

import numpy as np

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.masks import painted_rows, read_label_runs, runs_from_array
from tests.fuzz import tiff_files
from tests.fuzz.tiff_files import TiffCase, check_pixels, make_case

PROMISED = (InputMaskError,)


def prepare() -> None:
    """Compile what finds the labels, for each type of them."""
    tiff_files.prepare()
    for dtype in "bhilBHILfd":
        labels = np.zeros((8, 8), dtype)
        runs_from_array(labels)


def make(random: Random) -> TiffCase:
    return make_case(random, labels=True)


def check(case: TiffCase) -> None:
    runs = read_label_runs(case.data, "a.tif")
    check_pixels(painted_rows(runs, 0, runs.shape[0]), case)
