"""The statistics of a dataset card: all nuclei together, and run by run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nucleusnet_core.contract import NUCLEUS_WARNINGS
from nucleusnet_core.intensity import COLUMNS as INTENSITY_COLUMNS
from nucleusnet_core.intensity import pooled
from nucleusnet_core.manifest import Manifest

from .columns import NUCLEI
from .drift import COLUMNS, drift_report, markdown_table, named_runs
from .drift_picture import svg_picture

PICTURE_PATH = "figures/runs.svg"
_MEASURES = {
    "area_um2": 1,
    "major_axis_um": 2,
    "minor_axis_um": 2,
    "eccentricity": 3,
    "mean_intensity": 1,
    "std_intensity": 1,
    "integrated_intensity": 0,
}
_SHARES = {
    "components": "have several bodies",
    "clipped": "are clipped by the frame",
    "touches_border": "touch the border",
}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class CardStatistics:
    """Markdown parts of a card, and its picture.

    Attributes:
        quantile_rows: rows of a table, one for each measure.
        shares: a sentence.
        intensity: a sentence on all pixels inside the nuclei, for anyone who standardises images.
        drift_text: a sentence on the runs that lie apart.
        run_table: a table, one row for each run.
        picture: SVG.
        warned: number of nuclei by warning word, of those that any nucleus has.
    """

    quantile_rows: str
    shares: str
    intensity: str
    drift_text: str
    run_table: str
    picture: str
    warned: Mapping[str, int] = field(default_factory=dict)


def card_statistics(metadata: Mapping[str, pa.Table], runs: Collection[str]) -> CardStatistics:
    """Return the statistics of all nuclei of a dataset.

    Args:
        metadata: rows of config metadata, by split.
        runs: names of all runs, those without nuclei too.
    """
    first, everything = next(iter(metadata)), pa.concat_tables(metadata.values())
    report = drift_report(everything, runs)
    return CardStatistics(
        quantile_rows="\n".join(quantile_row(everything, name, decimals) for name, decimals in _MEASURES.items()),
        shares=shares(everything),
        intensity=intensity(metadata[first], first),
        drift_text=named_runs(report),
        run_table=markdown_table(report),
        picture=svg_picture(report),
        warned=warned(everything),
    )


def quantile_row(metadata: pa.Table, name: str, decimals: int) -> str:
    """Return quantiles of a measure over all nuclei as a row of a table."""
    values = metadata.column(name).to_numpy().astype(np.float64)
    found = np.quantile(values, _QUANTILES)
    unit = f", {NUCLEI[name].unit}" if NUCLEI[name].unit else ""
    return f"| `{name}`{unit} | {' | '.join(f'{value:,.{decimals}f}' for value in found)} |"


def shares(metadata: pa.Table) -> str:
    """Return how many nuclei have several bodies, are clipped or touch the border, as a sentence."""
    counts = {
        "components": pc.sum(pc.greater(metadata.column("components"), 1)).as_py(),
        **{name: pc.sum(metadata.column(name)).as_py() for name in ("clipped", "touches_border")},
    }
    parts = [f"{counts[name]:,} ({counts[name] / metadata.num_rows:.1%}) {text}" for name, text in _SHARES.items()]
    return f"Of {metadata.num_rows:,} nuclei, {parts[0]}, {parts[1]}, and {parts[2]} of their image."


def warned(metadata: pa.Table) -> dict[str, int]:
    """Return how many nuclei have each warning, words in the order of the contract."""
    words = pc.value_counts(pc.list_flatten(metadata.column("warnings").combine_chunks())).to_pylist()
    counts = {row["values"]: row["counts"] for row in words}
    return {word: counts[word] for word in NUCLEUS_WARNINGS if word in counts}


def intensity(metadata: pa.Table, split: str) -> str:
    """Return what `nucleusnet.loaders.StandardizeDataset` subtracts and divides by, as a sentence."""
    area_px, mean, std = (metadata.column(name).to_numpy().astype(np.float64) for name in INTENSITY_COLUMNS)
    found = pooled(area_px, mean, std)
    return (
        f"Over the {found.pixels:,} pixels inside the nuclei of split `{split}`, raw camera values have mean "
        f"{found.mean:.4f} and standard deviation {found.std:.4f}."
    )


def read_measures(folder: Path, manifest: Manifest) -> dict[str, pa.Table]:
    """Return the columns that the statistics need, by split."""
    columns = list(dict.fromkeys([*COLUMNS, *_MEASURES, *_SHARES, *INTENSITY_COLUMNS, "warnings"]))
    return {
        split: pa.concat_tables(
            pq.read_table(folder / shard.path, columns=columns) for shard in manifest.shards_of("metadata", split)
        )
        for split in manifest.splits_of("metadata")
    }
