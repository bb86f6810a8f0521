"""The stitched images of a dataset as a scatter plot for print."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import atomic_path
from nucleusnet_core.terminal.outputs import writing
from nucleusnet_core.terminal.wording import counted

from .statistics import Centroid, RankedImage, Ranking, no_centroid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_WIDTH_INCH, _HEIGHT_INCH = 6.7, 4.7
_PNG_DPI = 300
_MARK, _INK = "#c2240c", "#1c2126"
# Without times and versions, so that the same numbers give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check_matplotlib() -> None:
    """Refuse, before anything is measured, a plot where no package can draw it.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401, PLC0415 - heavy, and an extra
    except ImportError as error:
        raise UsageError(
            '--plot: matplotlib, which draws it, is not installed; run: python -m pip install "nucleusnet[browse]", or '
            "use --page, which works without it."
        ) from error


def write_scatter_plot(path: Path, ranking: Ranking, top: int) -> None:
    """Draw the plot and write it, whole or not at all.

    Args:
        path: the file, a PNG, SVG or PDF as its name ends.
        ranking: of the images.
        top: how many representatives are ringed.

    Raises:
        BuildError: no image has regions of interest.
        OutputError: the plot cannot be written there.
    """
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and an extra

    kind = path.suffix.lower()
    style = mpl.rc_context({"svg.hashsalt": "nucleusnet", "pdf.fonttype": 42, "font.size": 9})
    with style, writing(path, "--plot"), atomic_path(path) as partial:
        figure = scatter_figure(ranking, top)
        figure.savefig(partial, format=kind[1:], dpi=_PNG_DPI, metadata=_METADATA[kind])


def scatter_figure(ranking: Ranking, top: int) -> "Figure":
    """Draw ROIs against mean intensity, coloured by standard deviation, centroid marked, representatives ringed.

    Raises:
        BuildError: no image has regions of interest.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and an extra

    if ranking.centroid is None:
        raise no_centroid("The plot")
    figure = Figure((_WIDTH_INCH, _HEIGHT_INCH), layout="constrained")
    axes = figure.add_subplot()
    # The nearest are drawn last, on top of the others.
    points = _draw_images(axes, ranking.images[::-1])
    _draw_rings(axes, ranking.representatives(top))
    _draw_centroid(axes, ranking.centroid)
    shown = counted(len(ranking.images), "stitched image")
    axes.set(xlabel=f"number of ROIs (regions of interest) in each of {shown}", ylabel="mean intensity (camera values)")
    axes.grid(color="#e3e6e9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    figure.colorbar(points, label="standard deviation of intensity (camera values)", pad=0.02)
    return figure


def _draw_images(axes: "Axes", images: Sequence[RankedImage]) -> Any:
    return axes.scatter(
        [one.num_rois for one in images],
        [one.mean_intensity for one in images],
        c=[one.std_intensity for one in images],
        s=14,
        cmap="viridis",
        edgecolors=f"{_INK}73",
        linewidths=0.3,
    )


def _draw_rings(axes: "Axes", chosen: Sequence[RankedImage]) -> None:
    axes.scatter(
        [one.num_rois for one in chosen],
        [one.mean_intensity for one in chosen],
        s=24,
        facecolors="none",
        edgecolors=_MARK,
        linewidths=1.1,
        label=f"{counted(len(chosen), 'image')} nearest to the centroid",
    )


def _draw_centroid(axes: "Axes", centroid: Centroid) -> None:
    axes.axvline(centroid.num_rois, color=_INK, linewidth=0.7, linestyle=(0, (5, 4)))
    axes.axhline(centroid.mean_intensity, color=_INK, linewidth=0.7, linestyle=(0, (5, 4)))
    place = ([centroid.num_rois], [centroid.mean_intensity])
    axes.plot(*place, "+", color="white", markersize=8, markeredgewidth=3)
    named = f"centroid, the mean of all: {centroid.num_rois:,.1f} ROIs, mean intensity {centroid.mean_intensity:,.1f}"
    axes.plot(*place, "+", color=_INK, markersize=7, markeredgewidth=1.4, label=named)
