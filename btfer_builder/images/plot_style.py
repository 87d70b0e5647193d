"""The style of all matplotlib figures: colours, canvas, grouped bars with intervals, PNG without metadata."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Distinguishable with colour-vision deficiency (Okabe and Ito 2008) and by lightness.
PALETTE = ("#1f5fbf", "#e69f00", "#5aa17f", "#b2568e", "#6b7280")
INK, PALE, PAPER = "#1c1e21", "#8a8f98", "#ffffff"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its height in 0…1, its interval or None, and the values whose mean it is."""

    value: float
    interval: tuple[float, float] | None = None
    values: Sequence[float] = ()


#: Bars by series and group.
Bars = Mapping[str, Mapping[str, Bar]]


def blank_figure(width: float, height: float, dpi: int) -> "Figure":
    """Return an empty figure on paper, of a size in inches, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def new_figure(
    title: str, panels: int, *, height: float = 4.2, width: float = 0, share: bool = True
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with a title and panels side by side; `share` gives them one vertical axis."""
    figure = blank_figure(width or 1.2 + 4.6 * panels, height, 160)
    figure.suptitle(title, fontsize=12, color=INK, x=0.01, ha="left")
    return figure, list(figure.subplots(1, panels, squeeze=False, sharey=share)[0])


def grouped_bars(axes: "Axes", bars: Bars, title: str = "", groups: Sequence[str] = ()) -> None:
    """Draw groups of bars, one colour per series; a missing bar leaves a gap.

    Parameters
    ----------
    axes
        Axes to draw on.
    bars
        Bars by series and group.
    title
        Title of the axes.
    groups
        Order of the groups; empty for the order of the series.
    """
    groups = list(groups) or list(dict.fromkeys(group for series in bars.values() for group in series))
    width = 0.8 / max(1, len(bars))
    for number, (name, series) in enumerate(bars.items()):
        color = PALETTE[number % len(PALETTE)]
        offset = (number - (len(bars) - 1) / 2) * width
        for group, bar in series.items():
            position = groups.index(group) + offset
            label = name if group == next(iter(series)) else None
            axes.bar(position, bar.value, width * 0.92, color=color, label=label, zorder=2)
            top = bar.value
            if bar.interval is not None:
                low, high = bar.interval
                axes.vlines(position, low, high, color=INK, linewidth=1, zorder=4)
                top = max(top, high)
            if len(bar.values) > 1:
                spread = [
                    position + width * 0.6 * (i / (len(bar.values) - 1) - 0.5) for i in range(len(bar.values))
                ]
                axes.scatter(spread, bar.values, s=5, color=INK, alpha=0.45, linewidth=0, zorder=3)
                top = max(top, *bar.values)
            axes.text(
                position,
                top + 0.012,
                f"{bar.value:.2f}",
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=INK,
                zorder=5,
            )
    axes.set_xticks(range(len(groups)), groups, fontsize=9)
    if title:
        axes.set_title(title, fontsize=10, loc="left", color=INK)
    percent_axis(axes)
    if len(bars) > 1:
        axes.legend(
            frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(bars)
        )


def percent_axis(axes: "Axes", *, horizontal: bool = False) -> None:
    """Show shares as 0–100 %, with a light grid and without a frame."""
    from matplotlib.ticker import PercentFormatter

    axis = axes.xaxis if horizontal else axes.yaxis
    (axes.set_xlim if horizontal else axes.set_ylim)(0, 1.04)
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="x" if horizontal else "y", color="#d8dbe0", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, labelsize=8)


def chance_line(axes: "Axes", level: float) -> None:
    """Draw the accuracy of random guessing."""
    axes.axhline(level, color=PALE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        1.0, level, " chance", transform=axes.get_yaxis_transform(), fontsize=7, color=PALE, va="center"
    )


def to_png(figure: "Figure") -> bytes:
    """Return the figure as a PNG without metadata. Dollar signs are text: nothing in a figure is a formula."""
    _without_formulas(figure)
    png = io.BytesIO()
    figure.savefig(png, format="png", facecolor=PAPER, metadata={"Software": None})
    return png.getvalue()


def to_svg(figure: "Figure") -> bytes:
    """Return the figure as an SVG that is the same each time, for a manuscript."""
    import matplotlib as mpl

    _without_formulas(figure)
    svg = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "btfer", "svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", facecolor=PAPER, metadata={"Date": None, "Creator": None})
    return svg.getvalue()


def _without_formulas(figure: "Figure") -> None:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
