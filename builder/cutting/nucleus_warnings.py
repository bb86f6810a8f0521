"""What looks wrong with a nucleus, as the words of column `warnings`: rules on the other columns of its image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.contract import NUCLEUS_WARNINGS

COLUMNS = (
    "area_px",
    "components",
    "mean_intensity",
    "std_intensity",
    "background_intensity",
    "saturated_px",
    "sharpness",
    "touches_border",
)
"""The columns that decide."""

TEXTS = {
    "blank": "all pixels have nearly the same value (`std_intensity` of at most {blank_std_intensity:g}), and not the "
    "highest",
    "saturated": "more than {saturated_share:g} of the pixels have the highest value of the camera (`saturated_px` to "
    "`area_px`), so the true intensities are unknown",
    "blurred": "neither blank nor saturated, and `sharpness` is below {blurred_share_of_median:g} times the median of "
    "the nuclei of the same stitched image, of at least {blurred_least_nuclei:g}; this does not find images that are "
    "blurred as a whole",
    "cut": "the nucleus touches the border of the image (`touches_border`)",
    "many_bodies": "more than {many_bodies_components:g} bodies lie under the label (`components`)",
    "dim": "`mean_intensity` is at most {dim_ratio:g} times `background_intensity`",
}
"""Warning word -> when a nucleus has it, with places for the thresholds."""


def nucleus_warnings(columns: Mapping[str, npt.NDArray[Any]], thresholds: Mapping[str, float]) -> list[list[str]]:
    """Return the warning words of the nuclei of one stitched image, in the order of `NUCLEUS_WARNINGS`.

    Args:
        columns: `COLUMNS` of all of its rows, (rows,) each, as the dataset stores them; what is missing is NaN.
        thresholds: `contract.WARNING_THRESHOLDS`, or those of the manifest of a dataset.
    """
    area, mean, std = (columns[name] for name in ("area_px", "mean_intensity", "std_intensity"))
    saturated = columns["saturated_px"] > thresholds["saturated_share"] * area
    blank = (std <= thresholds["blank_std_intensity"]) & ~saturated
    decided = {
        "blank": blank,
        "saturated": saturated,
        "blurred": _blurred(columns["sharpness"], thresholds) & ~blank & ~saturated,
        "cut": columns["touches_border"].astype(np.bool_),
        "many_bodies": columns["components"] > thresholds["many_bodies_components"],
        "dim": mean <= thresholds["dim_ratio"] * columns["background_intensity"],
    }
    words: list[list[str]] = [[] for _ in range(len(area))]
    for word in NUCLEUS_WARNINGS:
        for row in np.flatnonzero(decided[word]).tolist():
            words[row].append(word)
    return words


def _blurred(sharpness: npt.NDArray[Any], thresholds: Mapping[str, float]) -> npt.NDArray[np.bool_]:
    """Whether nuclei are much less sharp than the others of their image; bool (rows,)."""
    known = sharpness[np.isfinite(sharpness)].astype(np.float64)
    if len(known) < thresholds["blurred_least_nuclei"]:
        return np.zeros(len(sharpness), np.bool_)
    return np.asarray(sharpness < thresholds["blurred_share_of_median"] * np.median(known))
