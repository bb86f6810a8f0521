"""The plot for print: what it shows, the same bytes each time, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builder.analysis.scatter_plot import scatter_figure, write_scatter_plot
from builder.analysis.statistics import ImageStatistics, rank_images
from nucleusnet_core.errors import BuildError, OutputError

from ..commands import environment

IMAGES = [ImageStatistics(f"$i_{n}^2$", 600 + 7 * n, 70 + n * n % 17, 1.0 + n) for n in range(40)]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_images_give_the_same_file_whatever_their_order(tmp_path: Path, kind: str) -> None:
    write_scatter_plot(tmp_path / f"a.{kind}", rank_images(IMAGES), 10)
    write_scatter_plot(tmp_path / f"b.{kind.upper()}", rank_images(IMAGES[::-1]), 10)
    first, second = ((tmp_path / name).read_bytes() for name in (f"a.{kind}", f"b.{kind.upper()}"))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    assert b"2026" not in first or kind == "png"  # no date; compressed pixels may hold anything


def test_a_png_is_fit_for_print(tmp_path: Path) -> None:
    write_scatter_plot(tmp_path / "a.png", rank_images(IMAGES), 10)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (2010, 1410)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (colours == (0xC2, 0x24, 0x0C)).all(axis=1).sum() > 300  # the rings


def test_points_rings_centroid_and_colour_bar_show_the_numbers() -> None:
    ranking = rank_images([*IMAGES, ImageStatistics("void", 0, None, None)])
    figure = scatter_figure(ranking, 5)
    axes, bar = figure.axes
    points, rings = axes.collections
    assert np.asarray(points.get_offsets()).tolist() == [
        [one.num_rois, one.mean_intensity] for one in ranking.images[::-1]
    ]
    assert np.asarray(points.get_array()).tolist() == [one.std_intensity for one in ranking.images[::-1]]
    assert np.asarray(rings.get_offsets()).tolist() == [
        [one.num_rois, one.mean_intensity] for one in ranking.images[:5]
    ]
    assert ranking.centroid is not None
    assert np.asarray(axes.lines[-1].get_xydata()).tolist() == [
        [ranking.centroid.num_rois, ranking.centroid.mean_intensity]
    ]
    assert bar.get_ylabel() == "standard deviation of intensity (camera values)"
    assert axes.get_ylabel() == "mean intensity (camera values)"
    assert axes.get_xlabel() == "number of ROIs (regions of interest) in each of 40 stitched images"


def test_what_cannot_be_drawn_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="The plot cannot be drawn: no image has regions of interest"):
        write_scatter_plot(tmp_path / "a.png", rank_images([]), 10)
    with pytest.raises(OutputError, match="choose another --plot"):
        write_scatter_plot(tmp_path / "no" / "a.png", rank_images(IMAGES), 10)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named_and_the_page_still_works(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,num_rois,mean_intensity,std_intensity\na,7,5,1\n", "utf-8")
    hidden = "import sys; sys.modules['matplotlib'] = None; from nucleusnet_core.terminal.program import main; main()"

    def stats(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", hidden, "stats", "t.csv", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)

    done = stats("--plot", "p.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'python -m pip install "nucleusnet[browse]"' in done.stderr
    assert stats("--page", "p.html").returncode == 0
    assert (tmp_path / "p.html").is_file()
