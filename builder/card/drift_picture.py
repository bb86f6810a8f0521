"""The picture of a drift report: one panel for each measure, runs side by side; SVG of the same bytes everywhere."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from nucleusnet_core.terminal.wording import counted

from .drift import MEASURES, NUCLEI, ROBUST_DEVIATIONS, DriftReport, RunSummary

WIDTH_PX, PANEL_PX, GAP_PX = 840, 96, 34
LEFT_PX, RIGHT_PX, TOP_PX = 96, 16, 30
MAX_LABELS = 12
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600}.a{text-anchor:end;font-size:11px}"
    ".m{text-anchor:middle;font-size:11px}.g{stroke:#ddd}.c{stroke:#888}.b{fill:#e8eef4}"
    ".q{stroke:#3b6ea5;stroke-opacity:.55;fill:none}.d{fill:#1d4f86}.o{stroke:#c2410c;fill:none}.p{fill:#c2410c}"
    ".n{fill:#c2410c;font-weight:600;font-size:11px}"
)


@dataclass(frozen=True)
class Panel:
    """One measure on the page: values from `low` to `high` lie between `bottom_px` and `top_px`."""

    measure: str
    top_px: float
    low: float
    high: float

    @property
    def bottom_px(self) -> float:
        """Lower edge."""
        return self.top_px + PANEL_PX

    def y_px(self, value: float) -> float:
        """Return where a value lies, inside the panel."""
        part = (value - self.low) / (self.high - self.low)
        return self.bottom_px - PANEL_PX * min(max(part, 0.0), 1.0)


def svg_picture(report: DriftReport) -> str:
    """Return the picture: medians on their quartiles, the usual band behind them, deviants coloured and named."""
    panels = [panel_of(report, measure, number) for number, measure in enumerate((NUCLEI, *MEASURES))]
    height = panels[-1].bottom_px + GAP_PX
    label = f"{counted(len(report.runs), 'run')}: number of nuclei, {', '.join(MEASURES.values())}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height:g}" width="{WIDTH_PX}" '
        f'height="{height:g}" role="img" aria-label="{escape(label)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH_PX}" height="{height:g}" fill="#fff"/>',
        *(drawn for panel in panels for drawn in draw_panel(report, panel)),
        *run_axis(report, panels[-1].bottom_px),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def panel_of(report: DriftReport, measure: str, number: int) -> Panel:
    """Return the place of a measure; its scale holds all quartiles and the usual band."""
    spread = report.spreads[measure]
    reach = ROBUST_DEVIATIONS * spread.deviation
    values = [value for run in report.runs for value in values_of(run, measure)]
    low, high = min([*values, spread.median - reach]), max([*values, spread.median + reach])
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return Panel(measure, TOP_PX + number * (PANEL_PX + GAP_PX), max(low - margin, 0.0), high + margin)


def values_of(run: RunSummary, measure: str) -> tuple[float, ...]:
    """Return first quartile, median and third quartile of a run, or its number of nuclei; nothing without nuclei."""
    if measure == NUCLEI:
        return (float(run.nuclei),)
    found = run.quartiles.get(measure)
    return (found.low, found.median, found.high) if found else ()


def x_px(report: DriftReport, number: int) -> float:
    """Return where a run lies."""
    return LEFT_PX + (WIDTH_PX - LEFT_PX - RIGHT_PX) * (number + 0.5) / max(1, len(report.runs))


def draw_panel(report: DriftReport, panel: Panel) -> list[str]:
    """Return the drawing of one measure of all runs."""
    spread = report.spreads[panel.measure]
    top = panel.y_px(spread.median + ROBUST_DEVIATIONS * spread.deviation)
    bottom = panel.y_px(spread.median - ROBUST_DEVIATIONS * spread.deviation)
    right, middle = WIDTH_PX - RIGHT_PX, panel.y_px(spread.median)
    title = "number of nuclei" if panel.measure == NUCLEI else f"{MEASURES[panel.measure]}: median and quartiles"
    parts = [
        f'<text class="t" x="{LEFT_PX}" y="{panel.top_px - 8:g}">{title}</text>',
        f'<rect class="b" x="{LEFT_PX}" y="{top:.1f}" width="{right - LEFT_PX}" height="{bottom - top:.1f}"/>',
    ]
    for tick in ticks(panel.low, panel.high):
        y = panel.y_px(tick)
        parts.append(f'<path class="g" d="M{LEFT_PX} {y:.1f}H{right}"/>')
        parts.append(f'<text class="a" x="{LEFT_PX - 8}" y="{y + 4:.1f}">{tick:,.10g}</text>')
    parts.append(f'<path class="c" stroke-dasharray="4 3" d="M{LEFT_PX} {middle:.1f}H{right}"/>')
    return parts + draw_runs(report, panel)


def draw_runs(report: DriftReport, panel: Panel) -> list[str]:
    """Return the drawing of quartiles and medians, deviants last and with their names."""
    paths = {False: ["", ""], True: ["", ""]}
    names: list[str] = []
    radius = min(max(260 / max(1, len(report.runs)), 0.8), 3.0)
    for number, run in enumerate(report.runs):
        values = values_of(run, panel.measure)
        if not values:
            continue
        x, deviant = x_px(report, number), panel.measure in run.beyond()
        y = [panel.y_px(value) for value in values]
        if len(y) > 1:
            paths[deviant][0] += f"M{x:.1f} {y[0]:.1f}V{y[-1]:.1f}"
        side = 2 * radius
        paths[deviant][1] += (
            f"M{x - radius:.1f} {y[len(y) // 2]:.1f}a{radius:.1f} {radius:.1f} 0 1 0 {side:.1f} 0"
            f"a{radius:.1f} {radius:.1f} 0 1 0 -{side:.1f} 0"
        )
        if deviant and len(names) < MAX_LABELS:
            end = x > WIDTH_PX - 80
            names.append(
                f'<text class="n" x="{x + (-6 if end else 6):.1f}" y="{max(y[-1] - 3, panel.top_px + 4):.1f}"'
                f"{' text-anchor=' + chr(34) + 'end' + chr(34) if end else ''}>{escape(run.run[:24])}</text>"
            )
    classes = {False: "qd", True: "op"}
    drawn = [
        f'<path class="{kind}" d="{path}"/>'
        for deviant in (False, True)
        for kind, path in zip(classes[deviant], paths[deviant], strict=True)
        if path
    ]
    return drawn + names


def run_axis(report: DriftReport, y_px: float) -> list[str]:
    """Return some of the runs' names below the last panel."""
    count = len(report.runs)
    longest = max((len(run.run) for run in report.runs), default=1)
    step = max(1, math.ceil(count * (min(longest, 24) * 7 + 10) / (WIDTH_PX - LEFT_PX - RIGHT_PX)))
    shown = [(x_px(report, number), escape(report.runs[number].run[:24])) for number in range(0, count, step)]
    parts = [f'<text class="m" x="{x:.1f}" y="{y_px + 16:g}">{name}</text>' for x, name in shown]
    return [*parts, f'<text class="a" x="{LEFT_PX - 8}" y="{y_px + 16:g}">run</text>']


def ticks(low: float, high: float) -> list[float]:
    """Return two to nine round numbers within a range."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    # The logarithm may be rounded up to the next power, hence 0.5.
    step = max(step * power for step in (0.5, 1, 2, 5) if step * power <= (high - low) / 3)
    return [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
