"""The drift report: quartiles of each run, runs that lie apart, and pictures and tables that are always the same."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.card.drift import (
    COLUMNS,
    MEASURES,
    DriftReport,
    Quartiles,
    Spread,
    drift_report,
    markdown_table,
    named_runs,
    robust_spread,
)
from builder.card.drift_picture import svg_picture, ticks
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.shards.tables import read_columns

SVG = "{http://www.w3.org/2000/svg}"


def nuclei(runs: dict[int, list[float]]) -> pa.Table:
    """Rows of some runs, whose areas are given; mean intensity 10 times, integrated intensity 100 times as much."""
    rows = [(run, area) for run, areas in runs.items() for area in areas]
    areas = [area for _, area in rows]
    return pa.table(
        {
            "run_name": pa.array([str(run) for run, _ in rows], pa.string()),
            "area_um2": pa.array(areas, pa.float32()),
            "mean_intensity": pa.array([10 * area for area in areas], pa.float32()),
            "integrated_intensity": pa.array([100 * area for area in areas], pa.float64()),
        }
    )


STEADY = {run: [8.0 + run % 3, 10.0, 12.0, 14.0] for run in range(1, 11)}
DEVIANT = {**STEADY, 4: [80.0, 100.0, 120.0, 140.0], 7: [10.0]}


def test_quartiles_and_counts_are_those_of_numpy_in_natural_order() -> None:
    report = drift_report(nuclei({10: [1, 2, 3, 4, 10], 9: [5]}))
    assert [(run.run, run.nuclei) for run in report.runs] == [("9", 1), ("10", 5)]
    assert report.runs[1].quartiles == {
        "area_um2": Quartiles(2, 3, 4),
        "mean_intensity": Quartiles(20, 30, 40),
        "integrated_intensity": Quartiles(200, 300, 400),
    }


def test_a_run_beyond_three_robust_deviations_is_named_with_what_is_odd() -> None:
    report = drift_report(nuclei(DEVIANT))
    assert [run.run for run in report.named()] == ["4", "7"]
    assert set(report.named()[0].beyond()) == set(MEASURES)
    assert "nuclei" in report.named()[1].beyond()
    said = named_runs(report)
    assert said.startswith(
        "These runs lie more than 3 robust deviations from the median of all runs (a robust deviation is 1.4826 x the "
        "median absolute deviation over the runs): run 4 ("
    )
    assert "run 7 (nuclei -" in said


def test_steady_runs_are_not_named() -> None:
    report = drift_report(nuclei(STEADY))
    assert report.named() == []
    assert named_runs(report).startswith("No run lies more than 3 robust deviations from the median of all runs (")


def test_the_robust_deviation_of_known_numbers() -> None:
    assert robust_spread(np.array([1.0, 2, 3, 4, 100])) == Spread(3.0, 1.4826)
    # More than half are equal: the mean absolute deviation, 97 / 5 x 1.2533.
    assert robust_spread(np.array([100.0, 100, 100, 100, 3])).deviation == pytest.approx(97 / 5 * 1.2533)
    assert robust_spread(np.array([7.0, 7])) == Spread(7.0, 0.0)
    assert robust_spread(np.array([])) == Spread(0.0, 0.0)


def test_robust_deviations_of_normal_numbers_are_their_standard_deviations() -> None:
    values = np.random.default_rng(0).normal(50, 4, 200_000)
    assert robust_spread(values).deviation == pytest.approx(4, rel=0.01)


def test_runs_without_nuclei_are_there_if_they_are_known() -> None:
    report = drift_report(nuclei(STEADY), [str(run) for run in range(1, 12)])
    assert (report.runs[-1].run, report.runs[-1].nuclei, dict(report.runs[-1].quartiles)) == ("11", 0, {})
    assert named_runs(report).endswith(" Without nuclei: run 11.")
    assert markdown_table(report).splitlines()[-1] == "| **11** | 0 |  |  |  |"
    ET.fromstring(svg_picture(report))


def test_runs_that_are_no_numbers_come_after_those_that_are() -> None:
    table = nuclei({1: [1.0], 2: [2.0], 3: [3.0]}).set_column(0, "run_name", pa.array(["plate", "10", "plate"]))
    assert [(run.run, run.nuclei) for run in drift_report(table).runs] == [("10", 1), ("plate", 2)]


def test_the_markdown_table_has_one_row_a_run_and_shows_names_as_they_are() -> None:
    table = nuclei({1: [1.0, 2, 3], 2: [2.0]}).set_column(0, "run_name", pa.array(["a|b *<c>*"] * 3 + ["2"]))
    assert markdown_table(drift_report(table)) == (
        "| run | nuclei | area, µm² | mean intensity | integrated intensity |\n"
        "|---|---:|---:|---:|---:|\n"
        "| 2 | 1 | 2.0 < 2.0 < 2.0 | 20.0 < 20.0 < 20.0 | 200 < 200 < 200 |\n"
        "| a\\|b \\*&lt;c&gt;\\* | 3 | 1.5 < 2.0 < 2.5 | 15.0 < 20.0 < 25.0 | 150 < 200 < 250 |"
    )


def test_a_table_of_very_many_runs_lists_only_those_to_look_at() -> None:
    report = drift_report(nuclei({run: [10.0 + run % 7] for run in range(1, 300)} | {300: [900.0]}))
    assert [line.split(" | ")[0] for line in markdown_table(report).splitlines()[2:]] == ["| **300**"]


def test_the_picture_shows_all_runs_the_allowed_band_and_the_names_of_deviants() -> None:
    picture = svg_picture(drift_report(nuclei(DEVIANT)))
    root = ET.fromstring(picture)
    titles = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "t"]
    assert titles == [
        "number of nuclei",
        "area, µm²: median and quartiles",
        "mean intensity: median and quartiles",
        "integrated intensity: median and quartiles",
    ]
    names = {text.text for text in root.iter(f"{SVG}text") if text.get("class") == "n"}
    assert names == {"4", "7"}
    dots = [path.get("d") or "" for path in root.iter(f"{SVG}path") if path.get("class") in ("d", "p")]
    assert sum(d.count("M") for d in dots) == 4 * 10
    assert len([one for one in root.iter(f"{SVG}rect") if one.get("class") == "b"]) == 4


def test_hostile_names_stay_text_in_the_picture() -> None:
    name = "</text><script>alert(1)</script>"
    table = nuclei(DEVIANT)
    runs = [name if run == "4" else run for run in table.column("run_name").to_pylist()]
    table = table.set_column(table.schema.get_field_index("run_name"), "run_name", pa.array(runs))
    root = ET.fromstring(svg_picture(drift_report(table)))
    assert list(root.iter(f"{SVG}script")) == []
    assert name[:24] in [text.text for text in root.iter(f"{SVG}text")]


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(30)))
def test_the_order_of_the_rows_changes_no_byte(order: list[int]) -> None:
    table = nuclei({run: [run + 0.25, 3.0 * run, 7.0 + run] for run in range(1, 11)})
    shuffled = drift_report(table.take(pa.array(order)))
    assert svg_picture(shuffled) == svg_picture(drift_report(table))
    assert markdown_table(shuffled) == markdown_table(drift_report(table))


@pytest.mark.parametrize("runs", [{}, {1: [5.0]}, {1: [5.0], 2: [5.0]}, {1: [0.0]}])
def test_very_few_nuclei_make_a_report_too(runs: dict[int, list[float]]) -> None:
    report = drift_report(nuclei(runs))
    assert isinstance(report, DriftReport)
    assert report.named() == []
    ET.fromstring(svg_picture(report))
    assert len(markdown_table(report).splitlines()) == 2 + len(runs)


@given(st.floats(0, 1e7), st.floats(1e-3, 1e7))
@example(0.0, 0.3)  # a third of it is less than 0.1, its logarithm is not less than -1
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 2 <= len(found) <= 9
    assert all(low - 1e-6 * width <= tick <= low + width * (1 + 1e-6) for tick in found)


def test_the_metadata_of_a_build_has_what_a_report_needs(built: Path) -> None:
    opened = open_dataset(built)
    report = drift_report(read_columns(opened, "metadata", COLUMNS))
    assert sum(run.nuclei for run in report.runs) == opened.manifest.kept
    assert {run.run for run in report.runs} <= {run for group in opened.manifest.runs.values() for run in group}
