"""Measure how well the columns of a dataset tell planted faults from sound nuclei, at 100x and at 20x."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import table, write_results
from builder.cutting.measure import sum_intensities
from builder.cutting.quality import quality_columns
from builder.simulate.parameters import Like
from builder.simulate.simulate import EMPTY_INDEX, simulate_image
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs, shape_measurements

Columns = Mapping[str, npt.NDArray[Any]]
SIZES_PX = {Like.oil_100x: 2500, Like.air_20x: 1000}
SHARE = 0.25
"""Of the nuclei that get a fault."""
MEASURES: tuple[tuple[str, str, Callable[[Columns], npt.NDArray[Any]]], ...] = (
    ("blank", "low std_intensity", lambda columns: -columns["std_intensity"]),
    ("blurred", "low sharpness", lambda columns: -columns["sharpness"]),
    ("saturated", "high saturated_px / area_px", lambda columns: columns["saturated_px"] / columns["area_px"]),
    ("debris", "low area_um2", lambda columns: -columns["area_um2"]),
    ("debris", "low sharpness", lambda columns: -columns["sharpness"]),
    ("debris", "high std_intensity", lambda columns: columns["std_intensity"]),
    ("cut", "touches_border", lambda columns: columns["touches_border"]),
    ("merged", "high area_um2", lambda columns: columns["area_um2"]),
)
"""Fault, and the measure of which a nucleus with it has more."""


def measured_nuclei(like: Like, images: int) -> tuple[npt.NDArray[np.str_], dict[str, npt.NDArray[Any]]]:
    """Return the faults of all nuclei of some images ("" for none), and their columns."""
    parts = [nuclei_of(like, index) for index in range(images + 1) if index != EMPTY_INDEX]
    names = parts[0][1]
    faults = np.concatenate([faults for faults, _ in parts])
    return faults, {name: np.concatenate([columns[name] for _, columns in parts]) for name in names}


def nuclei_of(like: Like, index: int) -> tuple[npt.NDArray[np.str_], dict[str, npt.NDArray[Any]]]:
    """Return the faults of the nuclei of one image, and their columns."""
    image = simulate_image(index, size_px=SIZES_PX[like], seed=3, faults=SHARE, **like.parameters())
    regions, nuclei = regions_from_runs(runs_from_array(image.labels)), image.truth.nuclei
    sums, pixels_per_um = sum_intensities(image.pixels, regions), image.truth.pixels_per_um
    columns = shape_measurements(regions, pixels_per_um) | sums.columns()
    columns |= quality_columns(image.pixels, regions, sums, pixels_per_um)
    columns["touches_border"] = np.array([nucleus.touches_border for nucleus in nuclei])
    return np.array([nucleus.fault for nucleus in nuclei]), columns


def area_under_curve(bad: npt.NDArray[Any], sound: npt.NDArray[Any]) -> float:
    """Return how often a bad nucleus has more than a sound one, ties counted half; what is not a number is left out."""
    bad, sound = (values[np.isfinite(values)] for values in (bad, sound))
    return float((bad[:, None] > sound).mean() + 0.5 * (bad[:, None] == sound).mean())


def main() -> None:
    """Write the areas under the curves into the page of the benchmarks, or print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6, help="of each objective")
    parser.add_argument("--print", action="store_true", help="print the table, and leave README.md as it is")
    options = parser.parse_args()
    rows = [[fault, measure] for fault, measure, _ in MEASURES]
    for like in SIZES_PX:
        faults, columns = measured_nuclei(like, options.images)
        for row, (fault, _, measure) in zip(rows, MEASURES, strict=True):
            values = measure(columns)
            row += [
                f"{(faults == fault).sum():,}",
                f"{area_under_curve(values[faults == fault], values[faults == '']):.3f}",
            ]
    head = ["fault", "measure", *(f"{what} {like.value}" for like in SIZES_PX for what in ("nuclei", "area"))]
    text = table("Area under the ROC curve, planted faults against sound nuclei", head, rows)
    if options.print:
        print(text)
    else:
        write_results(ROOT / "benchmarks" / "README.md", "faults", text)


if __name__ == "__main__":
    main()
