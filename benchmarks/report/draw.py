"""Draws charts as SVG, light and dark: `python -m report.draw FIGURES FOLDER`, in the environment
that has Matplotlib. The same figures give the same bytes, so that changes are small."""

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from harness.figures import load
from harness.numbers import number
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from report.chart import Bar, Chart, charts

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "concurkit",  # else every id is drawn by lot
        "svg.fonttype": "none",  # text stays text: small files, the reader's own fonts
        "font.family": "sans-serif",
        "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
        "font.size": 10,
    }
)

WIDTH = 9.6
ROW = 0.44
LABELS = 3.3
"""Inches: of the picture, of one bar with its air, of the names beside the bars."""

LETTER = 0.072
"""Inches that a letter of what is written at a bar takes, or a little less."""

HEAD, FOOT = 0.5, 0.78
"""Inches above and below the bars, a title of one line included."""

TITLE_LINE = 0.22
TITLE_WIDTH = 92
"""Inches from line to line of a title, and letters in one."""


@dataclass(frozen=True, slots=True)
class Colours:
    """One look; the page behind it is white or nearly black."""

    text: str
    muted: str
    grid: str
    ours: str
    peer: str
    yardstick: str
    whisker: str


LOOKS = {
    "light": Colours("#1f2328", "#59636e", "#d8dee4", "#0969da", "#aeb8c4", "#dde3e9", "#1f2328"),
    "dark": Colours("#e6edf3", "#9aa4af", "#343b44", "#4493f8", "#626c78", "#3a424c", "#e6edf3"),
}


def main() -> None:
    figures = load(Path(sys.argv[1]))
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for measured in figures.scenarios:
        for chart in charts(measured, figures):
            for look, colours in LOOKS.items():
                save(drawn(chart, colours), folder / f"{chart.name}-{look}.svg")


def save(picture: Figure, file: Path) -> None:
    picture.savefig(file, transparent=True, metadata={"Date": None, "Creator": None})


def drawn(chart: Chart, colours: Colours) -> Figure:
    title = textwrap.fill(chart.title, TITLE_WIDTH)
    height = HEAD + TITLE_LINE * title.count("\n") + ROW * len(chart.bars) + FOOT
    picture = Figure(figsize=(WIDTH, height))
    axes = picture.add_axes(
        (LABELS / WIDTH, FOOT / height, 1 - (LABELS + 0.15) / WIDTH, ROW * len(chart.bars) / height)
    )
    _scale(axes, chart, colours)
    for place, bar in enumerate(chart.bars):
        _draw_bar(axes, chart, bar, place, colours)
    left, top = 0.12 / WIDTH, 1 - 0.13 / height
    picture.text(left, top, title, color=colours.text, size=11.5, weight="bold", va="top")
    picture.text(left, 0.14 / height, chart.footer, color=colours.muted, size=7.5)
    return picture


def _scale(axes: Axes, chart: Chart, colours: Colours) -> None:
    room = WIDTH - LABELS - 0.15
    words = 0.3 + LETTER * max(len(bar.words) for bar in chart.bars if bar.median is not None)
    share = room / (room - words)  # the words at the longest bar stay inside the picture
    if chart.logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(chart.low, chart.low * (chart.high / chart.low) ** share)
    else:
        axes.set_xlim(chart.low, chart.low + (chart.high - chart.low) * share)
    axes.set_ylim(len(chart.bars) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(chart.axis, color=colours.muted, size=9)
    axes.tick_params(axis="x", which="both", colors=colours.muted, length=0, labelsize=8)
    axes.grid(axis="x", color=colours.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_bar(axes: Axes, chart: Chart, bar: Bar, place: int, colours: Colours) -> None:
    name_weight = "bold" if bar.kind == "ours" else "normal"
    beside = axes.get_yaxis_transform()
    axes.text(
        -0.012, place - 0.17, bar.name, transform=beside, ha="right", va="center", size=9.5,
        color=colours.text, weight=name_weight,
    )  # fmt: skip
    axes.text(
        -0.012, place + 0.22, bar.settings, transform=beside, ha="right", va="center", size=7.5,
        color=colours.muted,
    )  # fmt: skip
    end = chart.low
    if bar.median is not None:
        end = min(bar.median, chart.high)
        axes.barh(place, end - chart.low, 0.62, chart.low, **_style(bar, colours))
        low, high = min(bar.low, chart.high), min(bar.high, chart.high)
        axes.hlines(place, low, high, color=colours.whisker, linewidth=1.1)
        end = max(end, high)
    axes.annotate(
        bar.words, (end, place), (5, 0), textcoords="offset points", va="center", size=8.5,
        color=colours.text if bar.median is not None else colours.muted, weight=name_weight,
    )  # fmt: skip


def _style(bar: Bar, colours: Colours) -> dict[str, str]:
    """A bar that never ended is cut off at the edge: hatched, since its length says nothing."""
    if bar.median == float("inf"):
        return {"facecolor": "none", "edgecolor": colours.peer, "hatch": "////"}
    if bar.kind == "ours":
        return {"color": colours.ours}
    return {"color": colours.peer if bar.kind == "peer" else colours.yardstick}


if __name__ == "__main__":
    main()
