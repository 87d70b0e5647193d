"""The charts of the pages as inline SVG that takes its colours from the page, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from btfer_builder.evaluate.metrics.scores import Interval, ReliabilityBin

#: Drawing area of a chart with axes, in pixels; around it is room for the numbers.
LEFT, RIGHT, TOP, BOTTOM = 40, 18, 12, 38


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: shares in 0…1 over evenly spaced places, with their intervals."""

    name: str
    values: Sequence[float]
    intervals: Sequence[Interval]


def reliability_chart(bins: Sequence[ReliabilityBin], n: int) -> Markup:
    """Draw how often answers of each confidence are right; dots are as large as their share of the faces."""
    width, height = 420, 340
    x, y = _scales(width, height, 0, 1)
    parts = [_frame(width, height, [(0, "0%"), (0.5, "50%"), (1, "100%")], "confidence of the answer")]
    parts.append(f'<path class="ideal" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>')
    for one in bins:
        parts.append(f'<path class="gap" d="M{x(one.confidence)} {y(one.confidence)}V{y(one.accuracy)}"/>')
    for one in bins:
        radius = max(2.5, 16 * (one.count / n) ** 0.5)
        title = f"{one.count:,} answers of {one.confidence:.0%} on average, {one.accuracy:.0%} of them right"
        if one.count == 1:
            title = f"1 answer of {one.confidence:.0%}, {'right' if one.accuracy else 'wrong'}"
        parts.append(
            f'<circle class="dot" cx="{x(one.confidence)}" cy="{y(one.accuracy)}" r="{radius:.1f}">'
            f"<title>{title}</title></circle>"
        )
    return _svg(width, height, parts, "Reliability diagram: confidence against the share of right answers")


def curve_chart(line: Line, places: Sequence[str], label: str, *, width: int = 260) -> Markup:
    """Draw accuracy over a few places, with a band of its intervals."""
    height = 170
    x, y = _scales(width, height, 0, len(places) - 1 or 1)
    ticks = [(place / (len(places) - 1 or 1), name) for place, name in enumerate(places)]
    upper = [f"{x(place)} {y(high)}" for place, (_, high) in enumerate(line.intervals)]
    lower = [f"{x(place)} {y(low)}" for place, (low, _) in enumerate(line.intervals)]
    points = [f"{x(place)} {y(value)}" for place, value in enumerate(line.values)]
    parts = [_frame(width, height, ticks, label)]
    parts.append(f'<path class="band" d="M{"L".join(upper + lower[::-1])}Z"/>')
    parts.append(f'<path class="line" d="M{"L".join(points)}"/>')
    for place, (value, (low, high)) in enumerate(zip(line.values, line.intervals, strict=True)):
        title = f"{places[place]}: {value:.1%} ({low:.1%} to {high:.1%})"
        parts.append(
            f'<circle class="dot solid" cx="{x(place)}" cy="{y(value)}" r="3"><title>{escape(title)}</title></circle>'
        )
    return _svg(width, height, parts, f"{line.name}: accuracy")


def interval_bar(value: float, interval: Interval | None, low: float = 0, high: float = 1) -> Markup:
    """Draw a share as a bar with a whisker over its interval; fills the width of its table cell."""
    span = high - low or 1

    def place(share: float) -> str:
        return f"{100 * (min(max(share, low), high) - low) / span:.2f}%"

    parts = [f'<span class="fill" style="width:{place(value)}"></span>']
    if interval is not None:
        size = f"{100 * (interval[1] - interval[0]) / span:.2f}%"
        parts.append(f'<span class="whisker" style="left:{place(interval[0])};width:{size}"></span>')
    return Markup(f'<div class="bar-track">{"".join(parts)}</div>')  # noqa: S704 - only numbers go in


def critical_difference_chart(
    names: Sequence[str], ranks: Sequence[float], cliques: Sequence[tuple[int, ...]]
) -> Markup:
    """Draw models on a line of their mean ranks; a bar joins those that the data cannot tell apart.

    Parameters
    ----------
    names, ranks
        The models, the best first, and their mean ranks.
    cliques
        Positions of models that are tied with each other.
    """
    count = len(names)
    row, width = 24, 640
    axis = 30 + 10 * len(cliques)
    height = axis + 26 + row * ((count + 1) // 2)
    # At least half a rank wide, so that models that are next to equal stand next to each other.
    middle, half = (min(ranks) + max(ranks)) / 2, max(0.25, (max(ranks) - min(ranks)) / 2)
    low, high = middle - half, middle + half

    def x(rank: float) -> float:
        return round(190 + (width - 380) * (rank - low) / (high - low), 1)

    parts = [f'<path class="axis" d="M{x(low)} 22H{x(high)}"/>']
    for tick in (low, middle, high):
        text = f'<text x="{x(tick)}" y="12" class="mid">{tick:.2f}</text>'
        parts.append(f'<path class="axis" d="M{x(tick)} 18V22"/>{text}')
    for number, clique in enumerate(cliques):
        ends = sorted(ranks[place] for place in clique)
        level = 32 + 10 * number
        parts.append(f'<path class="clique" d="M{x(ends[0]) - 4} {level}H{x(ends[-1]) + 4}"/>')
    for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = place < (count + 1) // 2
        level = axis + 18 + row * (place if left else count - 1 - place)
        end, anchor = (180, "end") if left else (width - 180, "start")
        # Cut in the middle: models often differ in their folder or in their number at the end.
        short = name if len(name) <= 22 else f"{name[:8]}…{name[-13:]}"
        text = escape(f"{short} {rank:.2f}") + Markup("<title>{}</title>").format(name)
        parts.append(f'<path class="lead" d="M{x(rank)} 22V{level}H{end}"/>')
        parts.append(f'<text x="{end + (-6 if left else 6)}" y="{level + 4}" class="{anchor}">{text}</text>')
    return _svg(width, height, parts, "Mean ranks of the models; joined ones are tied")


def _scales(width: int, height: int, low: float, high: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    inner, tall = width - LEFT - RIGHT, height - TOP - BOTTOM
    return (
        lambda value: round(LEFT + inner * (value - low) / (high - low), 1),
        lambda share: round(TOP + tall * (1 - share), 1),
    )


def _frame(width: int, height: int, ticks: Sequence[tuple[float, str]], label: str) -> str:
    """Return the grid at 0, 50 and 100 %, the numbers beside it, and the ticks below at shares of the width."""
    x, y = _scales(width, height, 0, 1)
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path class="grid" d="M{x(0)} {y(share)}H{x(1)}"/>')
        if share in {0, 0.5, 1}:
            parts.append(f'<text x="{LEFT - 6}" y="{y(share) + 4}" class="end">{share:.0%}</text>')
    for place, name in ticks:
        parts.append(f'<text x="{x(place)}" y="{y(0) + 15}" class="mid">{escape(name)}</text>')
    parts.append(f'<text x="{x(0.5)}" y="{height - 4}" class="mid">{escape(label)}</text>')
    return "".join(parts)


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> Markup:
    return Markup(  # noqa: S704 - names were escaped, the rest are numbers
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
