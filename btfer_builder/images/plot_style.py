"""The style of all matplotlib figures: colours, canvas, grouped bars with intervals, PNG without metadata."""

import io
import math
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

#: Distinguishable with colour-vision deficiency (Okabe and Ito 2008) and by lightness.
PALETTE = ("#1f5fbf", "#e69f00", "#5aa17f", "#b2568e", "#6b7280")
INK, SOFT, PALE, PAPER = "#1c1e21", "#555b66", "#8a8f98", "#ffffff"

#: The darkest shade of a table of counts: dark text on it has a contrast of 4.5:1 (WCAG 2.1, AA).
_SHADE = "#5787cf"

#: Colours of the palette on which dark text is read best.
PALE_COLORS = ("#e69f00", "#5aa17f")

_DASHES = (0, (4, 3))


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its height in 0…1, its interval or None, the values whose mean it is, and the level of guessing."""

    value: float
    interval: tuple[float, float] | None = None
    values: Sequence[float] = ()
    chance: float | None = None


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
    title: str,
    panels: int,
    *,
    width: float = 4.6,
    height: float = 3.8,
    columns: int = 3,
    share: bool = True,
    note: str = "",
) -> "tuple[Figure, list[Axes]]":
    """Return a figure of small multiples: a title, panels in rows, and a note below them.

    Parameters
    ----------
    title, note
        Wrapped to the width of the figure.
    panels
        Number of panels.
    width, height
        Of a panel, in inches.
    columns
        Panels in a row, at most.
    share
        Whether panels of a row have one vertical axis.
    """
    columns = min(columns, panels)
    rows = math.ceil(panels / columns)
    whole = 1.2 + width * columns
    figure = blank_figure(whole, 0.6 + height * rows, 160)
    figure.suptitle(wrapped(title, whole - 0.4, 12), fontsize=12, color=INK, x=0.01, ha="left")
    if note:
        figure.supxlabel(wrapped(note, whole - 0.4, 8), fontsize=8, color=SOFT, x=0.01, ha="left")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey="row" if share else False).flat)
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def wrapped(text: str, inches: float, size: float) -> str:
    """Break a text into lines that fit a width; words that are too long are broken, too.

    Parameters
    ----------
    text
        The text; its own line ends are kept.
    inches
        The width.
    size
        Size of the font in points. A character is taken as 0.6 of it wide, an East Asian one as twice that.
    """
    room = max(4, int(inches * 72 / (0.6 * size)))
    lines: list[str] = []
    for part in text.split("\n"):
        wide = sum(unicodedata.east_asian_width(char) in "WF" for char in part)
        narrow = max(2, int(room * len(part) / (len(part) + wide))) if part else room
        lines += textwrap.wrap(part, narrow) or [""]
    return "\n".join(lines)


def grouped_bars(axes: "Axes", bars: Bars, title: str = "", groups: Sequence[str] = ()) -> None:
    """Draw groups of bars, one colour per series, with the level of chance; a missing bar leaves a gap.

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
    levels = {bar.chance for series in bars.values() for bar in series.values()}
    chance = "chance"
    for number, (name, series) in enumerate(bars.items()):
        color = PALETTE[number % len(PALETTE)]
        offset = (number - (len(bars) - 1) / 2) * width
        for group, bar in series.items():
            position = groups.index(group) + offset
            label = name if group == next(iter(series)) else None
            axes.bar(position, bar.value, width * 0.92, color=color, label=label, zorder=2)
            if bar.interval is not None:
                axes.vlines(position, *bar.interval, color=INK, linewidth=1, zorder=4)
            if len(bar.values) > 1:
                spread = [
                    position + width * 0.6 * (i / (len(bar.values) - 1) - 0.5) for i in range(len(bar.values))
                ]
                axes.scatter(spread, bar.values, s=5, color=INK, alpha=0.45, linewidth=0, zorder=3)
            # At the foot of the bar, where no dot of an accuracy and no whisker is.
            axes.text(
                position, 0.015, f"{bar.value:.0%}", ha="center", va="bottom", fontsize=7.5, zorder=5,
                color=INK if color in PALE_COLORS or bar.value < 0.06 else PAPER,
            )  # fmt: skip
            if len(levels) > 1 and bar.chance is not None:
                at = (position - width * 0.46, position + width * 0.46)
                axes.hlines(
                    bar.chance, *at, color=INK, linewidth=0.9, linestyle=_DASHES, zorder=4, label=chance
                )
                chance = "_"  # once in the legend
    axes.set_xlim(-0.6, len(groups) - 0.4)
    room = panel_width(axes) * 0.9 / max(1, len(groups))
    axes.set_xticks(range(len(groups)), [wrapped(group, room, 8) for group in groups])
    if title:
        axes.set_title(wrapped(title, panel_width(axes), 10), fontsize=10, loc="left", color=INK)
    percent_axis(axes)
    if len(levels) == 1 and (level := levels.pop()) is not None:
        chance_line(axes, level)
    if (entries := len(axes.get_legend_handles_labels()[0])) > 1:
        below_legend(axes, entries)


def panel_width(axes: "Axes") -> float:
    """Return about how wide the panel of these axes is, in inches."""
    spec = axes.get_subplotspec()
    columns = spec.get_gridspec().ncols if spec is not None else 1
    return float(axes.figure.bbox.width / axes.figure.dpi) / columns - 0.6


def below_legend(axes: "Axes", columns: int) -> None:
    """Put a legend below the labels of the axes."""
    lines = max((label.get_text().count("\n") for label in axes.get_xticklabels()), default=0)
    below = -0.09 - 0.045 * lines
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, below), ncols=columns)


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


def whole_numbers(axes: "Axes") -> None:
    """Count on the vertical axis in whole numbers, with commas as in the numbers beside it."""
    from matplotlib.ticker import StrMethodFormatter

    axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def chance_line(axes: "Axes", level: float) -> None:
    """Draw the accuracy of random guessing."""
    axes.axhline(level, color=PALE, linewidth=0.8, linestyle=_DASHES, zorder=1)
    axes.text(
        1.0, level, " chance", transform=axes.get_yaxis_transform(), fontsize=7, color=SOFT, va="center"
    )


def shades() -> "Colormap":
    """Return the colours of shares and counts, white for none; all of them are read with dark text."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("btfer", [PAPER, _SHADE])


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
