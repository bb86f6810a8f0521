"""Drift between runs: nuclei, size and brightness of each run, and the runs that lie apart from the others.

`drift_picture` draws the report.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.runs import natural_order

from .markdown import plain_markdown

MEASURES = {
    "area_um2": "area, µm²",
    "mean_intensity": "mean intensity",
    "integrated_intensity": "integrated intensity",
}
"""Columns of config metadata whose quartiles a report holds, and their names in it."""
NUCLEI = "nuclei"
COLUMNS = ("run_name", *MEASURES)
"""Columns of config metadata that a report needs."""
ROBUST_DEVIATIONS = 3.0
MAX_TABLE_RUNS = 200
_MAD_TO_STD, _MEAN_TO_STD = 1.4826, 1.2533  # of normally distributed values
_DECIMALS = {NUCLEI: 0, "area_um2": 1, "mean_intensity": 1, "integrated_intensity": 0}


@dataclass(frozen=True)
class Quartiles:
    """First quartile, median and third quartile."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        run: its name.
        nuclei: number of its nuclei.
        quartiles: by measure; empty without nuclei.
        deviations: by `nuclei` and measure: how many robust deviations the number of nuclei, or the median of the
            measure, lies above the median of all runs.
    """

    run: str
    nuclei: int
    quartiles: Mapping[str, Quartiles]
    deviations: Mapping[str, float]

    def beyond(self) -> dict[str, float]:
        """Return the deviations of more than `ROBUST_DEVIATIONS`."""
        return {name: value for name, value in self.deviations.items() if abs(value) > ROBUST_DEVIATIONS}


@dataclass(frozen=True)
class Spread:
    """The middle of all runs, and one robust deviation from it."""

    median: float
    deviation: float


@dataclass(frozen=True)
class DriftReport:
    """All runs of a dataset, in natural order.

    Attributes:
        runs: one summary each.
        spreads: of the number of nuclei and of the medians over the runs, by `nuclei` and measure.
    """

    runs: tuple[RunSummary, ...]
    spreads: Mapping[str, Spread]

    def named(self) -> list[RunSummary]:
        """Return the runs that lie apart from the others."""
        return [run for run in self.runs if run.beyond()]


def drift_report(metadata: pa.Table, runs: Collection[str] = ()) -> DriftReport:
    """Return a summary of the nuclei of each run; the order of the rows changes nothing.

    Args:
        metadata: rows of config metadata, of all splits, with at least `COLUMNS`.
        runs: names of runs, so that those without nuclei are there too.
    """
    names = metadata.column("run_name").to_pylist()
    groups = sorted({*names, *runs}, key=natural_order)
    place = {group: number for number, group in enumerate(groups)}
    code = np.array([place[name] for name in names], np.int64)
    counts = np.bincount(code, minlength=len(groups))
    quartiles = {name: run_quartiles(metadata.column(name).to_numpy(), code, counts) for name in MEASURES}
    features = {NUCLEI: counts.astype(np.float64), **{name: found[:, 1] for name, found in quartiles.items()}}
    spreads = {name: robust_spread(values[np.isfinite(values)]) for name, values in features.items()}
    return DriftReport(
        tuple(
            RunSummary(
                group,
                int(counts[number]),
                {name: Quartiles(*found[number].tolist()) for name, found in quartiles.items() if counts[number]},
                {
                    name: deviation(float(values[number]), spreads[name])
                    for name, values in features.items()
                    if np.isfinite(values[number])
                },
            )
            for number, group in enumerate(groups)
        ),
        spreads,
    )


def run_quartiles(
    values: npt.NDArray[np.floating], code: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the quartiles of each run, float64 (runs, 3), NaN for a run without nuclei.

    Args:
        values: (nuclei,) of a measure.
        code: (nuclei,), number of each nucleus' run.
        counts: (runs,), nuclei of each run.
    """
    ordered = values.astype(np.float64)[np.argsort(code, kind="stable")]
    found = np.full((len(counts), 3), np.nan)
    stops = np.cumsum(counts)
    for number, (start, stop) in enumerate(zip(stops - counts, stops, strict=True)):
        if start < stop:
            found[number] = np.quantile(ordered[start:stop], (0.25, 0.5, 0.75))
    return found


def robust_spread(values: npt.NDArray[np.float64]) -> Spread:
    """Return the median of some values and a deviation from it that a few outliers do not move.

    It is the median absolute deviation times 1.4826; where more than half of the values are equal, so that this is 0,
    the mean absolute deviation times 1.2533. Both are the standard deviation of normally distributed values.

    Source: Iglewicz & Hoaglin (1993), How to Detect and Handle Outliers, ASQC.
    """
    if not values.size:
        return Spread(0.0, 0.0)
    median = float(np.median(values))
    away = np.abs(values - median)
    return Spread(median, float(_MAD_TO_STD * np.median(away) or _MEAN_TO_STD * away.mean()))


def deviation(value: float, spread: Spread) -> float:
    """Return how many robust deviations a value lies above the median, 0 where all values are equal."""
    return (value - spread.median) / spread.deviation if spread.deviation else 0.0


def named_runs(report: DriftReport) -> str:
    """Return one sentence of Markdown that names the runs apart from the others, and the measures that show it."""
    rule = (
        f"more than {ROBUST_DEVIATIONS:g} robust deviations from the median of all runs (a robust deviation is 1.4826 "
        "x the median absolute deviation over the runs)"
    )
    named = [
        f"run {plain_markdown(run.run)} ("
        + ", ".join(f"{MEASURES.get(n, n)} {v:+.1f}" for n, v in beyond.items())
        + ")"
        for run in report.named()
        for beyond in [run.beyond()]
    ]
    empty = [plain_markdown(run.run) for run in report.runs if not run.nuclei]
    said = f"No run lies {rule}." if not named else f"These runs lie {rule}: {'; '.join(named)}."
    return said + (f" Without nuclei: run {', '.join(empty)}." if empty else "")


def markdown_table(report: DriftReport) -> str:
    """Return the runs as a Markdown table, quartiles as `first < median < third`; names of deviants are bold.

    Of more than `MAX_TABLE_RUNS` runs, only those that lie apart or have no nuclei are listed.
    """
    shown: Sequence[RunSummary] = report.runs
    if len(report.runs) > MAX_TABLE_RUNS:
        shown = [run for run in report.runs if run.beyond() or not run.nuclei]
    lines = [
        f"| run | nuclei | {' | '.join(MEASURES.values())} |",
        "|---|---:|" + "---:|" * len(MEASURES),
        *(_table_row(run) for run in shown),
    ]
    return "\n".join(lines)


def _table_row(run: RunSummary) -> str:
    beyond = run.beyond()
    name = plain_markdown(run.run)
    cells = [f"**{name}**" if beyond else name, f"{run.nuclei:,}"]
    for measure in MEASURES:
        found, decimals = run.quartiles.get(measure), _DECIMALS[measure]
        values = (found.low, found.median, found.high) if found else ()
        cells.append(" < ".join(f"{value:,.{decimals}f}" for value in values))
    return f"| {' | '.join(cells)} |"
