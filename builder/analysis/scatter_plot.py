"""The stitched images of a dataset as a scatter plot for print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucleusnet_core.errors import OutputError, UsageError
from nucleusnet_core.files.atomic import atomic_path
from nucleusnet_core.terminal.outputs import checked_suffix
from nucleusnet_core.terminal.wording import counted

from .statistics import Ranking, no_centroid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
WIDTH_INCH, HEIGHT_INCH = 6.7, 4.7
PNG_DPI = 300
_MARK, _INK = "#c2240c", "#1c2126"
# Without times and versions, so that the same numbers give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check_plot(path: Path) -> None:
    """Refuse, before anything is measured, a plot that cannot be drawn.

    Raises:
        UsageError: the name ends otherwise than `SUFFIXES`, or matplotlib is not installed.
    """
    checked_suffix("--plot", path, *SUFFIXES)
    try:
        import matplotlib  # noqa: F401, PLC0415 - heavy, and an extra
    except ImportError as error:
        raise UsageError(
            '--plot: matplotlib expected, none found; python -m pip install "nucleusnet[browse]", or use --page, which '
            "needs none."
        ) from error


def write_scatter_plot(path: Path, ranking: Ranking, top: int) -> None:
    """Draw the plot and write it as PNG, SVG or PDF, as the name ends, whole or not at all.

    Args:
        path: the file.
        ranking: of the images.
        top: how many representatives are ringed.

    Raises:
        UsageError: matplotlib is not installed, or the name ends otherwise.
        BuildError: no image has regions of interest.
        OutputError: the plot cannot be written there.
    """
    check_plot(path)
    import matplotlib as mpl  # noqa: PLC0415

    kind = path.suffix.lower()
    try:
        with (
            mpl.rc_context({"svg.hashsalt": "nucleusnet", "pdf.fonttype": 42, "font.size": 9}),
            atomic_path(path) as partial,
        ):
            figure = scatter_figure(ranking, top)
            figure.savefig(partial, format=kind[1:], dpi=PNG_DPI, metadata=_METADATA[kind])
    except OSError as error:
        raise OutputError(f"{path}: a file that can be written expected ({error}); choose another --plot.") from error


def scatter_figure(ranking: Ranking, top: int) -> "Figure":
    """Draw ROIs against mean intensity, coloured by standard deviation, centroid marked, representatives ringed.

    Raises:
        BuildError: no image has regions of interest.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    if ranking.centre is None:
        raise no_centroid("a plot")
    centre, images, chosen = ranking.centre, ranking.images[::-1], ranking.representatives(top)
    figure = Figure((WIDTH_INCH, HEIGHT_INCH), layout="constrained")
    axes = figure.add_subplot()
    points = axes.scatter(
        [one.num_rois for one in images],
        [one.mean_intensity for one in images],
        c=[one.std_intensity for one in images],
        s=14,
        cmap="viridis",
        edgecolors=f"{_INK}73",
        linewidths=0.3,
    )
    axes.scatter(
        [one.num_rois for one in chosen],
        [one.mean_intensity for one in chosen],
        s=24,
        facecolors="none",
        edgecolors=_MARK,
        linewidths=1.1,
        label=f"{len(chosen):,} nearest to the centroid",
    )
    axes.axvline(centre.num_rois, color=_INK, linewidth=0.7, linestyle=(0, (5, 4)))
    axes.axhline(centre.mean_intensity, color=_INK, linewidth=0.7, linestyle=(0, (5, 4)))
    place = ([centre.num_rois], [centre.mean_intensity])
    axes.plot(*place, "+", color="white", markersize=8, markeredgewidth=3)
    named = f"centroid: {centre.num_rois:,.1f} ROIs, mean intensity {centre.mean_intensity:,.1f}"
    axes.plot(*place, "+", color=_INK, markersize=7, markeredgewidth=1.4, label=named)
    axes.set(xlabel=f"number of ROIs ({counted(len(images), 'stitched image')})", ylabel="mean intensity")
    axes.grid(color="#e3e6e9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    figure.colorbar(points, label="standard deviation of intensity", pad=0.02)
    return figure
