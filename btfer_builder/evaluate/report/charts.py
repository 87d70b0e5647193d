"""Charts as inline SVG, coloured by the style sheet of the page, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from btfer_builder.evaluate.metrics.calibration import Coverage
from btfer_builder.evaluate.metrics.scores import Interval, ReliabilityBin

#: Margins of a chart with axes, in pixels, for the numbers and the names of the axes.
LEFT, RIGHT, TOP, BOTTOM = 40, 18, 24, 38


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of shares in 0…1 at evenly spaced positions, with their intervals."""

    name: str
    values: Sequence[float]
    intervals: Sequence[Interval]


def reliability_chart(bins: Sequence[ReliabilityBin], n: int) -> Markup:
    """Draw accuracy against confidence; the area of a dot is its share of the faces."""
    width, height = 420, 340
    x, y = _scales(width, height, 0, 1)
    parts = [_frame(width, height, [(0, "0%"), (0.5, "50%"), (1, "100%")], "confidence")]
    parts.append(f'<path class="ideal" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>')
    for item in bins:
        parts.append(f'<path class="gap" d="M{x(item.confidence)} {y(item.confidence)}V{y(item.accuracy)}"/>')
    for item in bins:
        radius = max(2.5, 16 * (item.count / n) ** 0.5)
        title = (
            f"{item.count:,} predictions, mean confidence {item.confidence:.0%}, accuracy {item.accuracy:.0%}"
        )
        if item.count == 1:
            title = (
                f"1 prediction, confidence {item.confidence:.0%}, {'correct' if item.accuracy else 'wrong'}"
            )
        parts.append(
            f'<circle class="dot" cx="{x(item.confidence)}" cy="{y(item.accuracy)}" r="{radius:.1f}">'
            f"<title>{title}</title></circle>"
        )
    return _svg(width, height, parts, "Reliability diagram: accuracy against confidence")


def curve_chart(line: Line, positions: Sequence[str], label: str, *, width: int = 260) -> Markup:
    """Draw accuracy at a few labelled positions, with a band of its intervals."""
    height = 170
    x, y = _scales(width, height, 0, len(positions) - 1 or 1)
    ticks = [(index / (len(positions) - 1 or 1), name) for index, name in enumerate(positions)]
    upper = [f"{x(index)} {y(high)}" for index, (_, high) in enumerate(line.intervals)]
    lower = [f"{x(index)} {y(low)}" for index, (low, _) in enumerate(line.intervals)]
    points = [f"{x(index)} {y(value)}" for index, value in enumerate(line.values)]
    parts = [_frame(width, height, ticks, label)]
    parts.append(f'<path class="band" d="M{"L".join(upper + lower[::-1])}Z"/>')
    parts.append(f'<path class="line" d="M{"L".join(points)}"/>')
    for index, (value, (low, high)) in enumerate(zip(line.values, line.intervals, strict=True)):
        title = f"{positions[index]}: {value:.1%} ({low:.1%} to {high:.1%})"
        parts.append(
            f'<circle class="dot solid" cx="{x(index)}" cy="{y(value)}" r="3"><title>{escape(title)}</title></circle>'
        )
    return _svg(width, height, parts, f"{line.name}: accuracy")


def coverage_chart(points: Sequence[Coverage]) -> Markup:
    """Draw the accuracy on the faces of which a model is surest against their share of all faces."""
    width, height = 420, 260
    x, y = _scales(width, height, 0, 1)
    parts = [_frame(width, height, [(0, "0%"), (0.5, "50%"), (0.8, "80%"), (1, "100%")], "coverage")]
    line = "L".join(f"{x(item.coverage)} {y(item.accuracy)}" for item in points)
    parts.append(f'<path class="line" d="M{line}"/>')
    for item in points:
        title = f"{item.coverage:.0%} of the faces: accuracy {item.accuracy:.1%}"
        parts.append(
            f'<circle class="dot solid" cx="{x(item.coverage)}" cy="{y(item.accuracy)}" r="2.5">'
            f"<title>{title}</title></circle>"
        )
    return _svg(width, height, parts, "Risk and coverage: accuracy on the faces of which the model is surest")


def interval_bar(
    value: float,
    interval: Interval | None,
    low: float = 0,
    high: float = 1,
    band: Interval | None = None,
) -> Markup:
    """Draw a share as a bar with a whisker for its interval, as wide as its table cell, over a band behind it."""
    span = high - low or 1

    def left_of(share: float) -> str:
        return f"{100 * (min(max(share, low), high) - low) / span:.2f}%"

    parts = []
    if band is not None:
        size = f"{100 * (band[1] - band[0]) / span:.2f}%"
        parts.append(f'<span class="human" style="left:{left_of(band[0])};width:{size}"></span>')
    parts.append(f'<span class="fill" style="width:{left_of(value)}"></span>')
    if interval is not None:
        size = f"{100 * (interval[1] - interval[0]) / span:.2f}%"
        parts.append(f'<span class="whisker" style="left:{left_of(interval[0])};width:{size}"></span>')
    return Markup(f'<div class="bar-track">{"".join(parts)}</div>')  # noqa: S704 - only numbers go in


def critical_difference_chart(
    names: Sequence[str], ranks: Sequence[float], cliques: Sequence[tuple[int, ...]]
) -> Markup:
    """Draw models on an axis of mean ranks; a bar joins those without a significant difference.

    Parameters
    ----------
    names, ranks
        The models, the best first, and their mean ranks.
    cliques
        Positions of models without a significant difference to each other.
    """
    count = len(names)
    row, width = 24, 640
    axis = 30 + 10 * len(cliques)
    height = axis + 26 + row * ((count + 1) // 2)
    # At least half a rank wide, so that nearly equal models are drawn close to each other.
    middle, half = (min(ranks) + max(ranks)) / 2, max(0.25, (max(ranks) - min(ranks)) / 2)
    low, high = middle - half, middle + half

    def x(rank: float) -> float:
        return round(190 + (width - 380) * (rank - low) / (high - low), 1)

    parts = [f'<path class="axis" d="M{x(low)} 22H{x(high)}"/>']
    for tick in (low, middle, high):
        text = f'<text x="{x(tick)}" y="12" class="mid">{tick:.2f}</text>'
        parts.append(f'<path class="axis" d="M{x(tick)} 18V22"/>{text}')
    for number, clique in enumerate(cliques):
        ends = sorted(ranks[index] for index in clique)
        level = 32 + 10 * number
        parts.append(f'<path class="clique" d="M{x(ends[0]) - 4} {level}H{x(ends[-1]) + 4}"/>')
    for index, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = index < (count + 1) // 2
        level = axis + 18 + row * (index if left else count - 1 - index)
        end, anchor = (180, "end") if left else (width - 180, "start")
        # Shorten in the middle: names often differ in the folder or in a number at the end.
        short = name if len(name) <= 22 else f"{name[:8]}…{name[-13:]}"
        text = escape(f"{short} {rank:.2f}") + Markup("<title>{}</title>").format(name)
        parts.append(f'<path class="lead" d="M{x(rank)} 22V{level}H{end}"/>')
        parts.append(f'<text x="{end + (-6 if left else 6)}" y="{level + 4}" class="{anchor}">{text}</text>')
    title = "Mean ranks of the models; joined ones do not differ significantly"
    return _svg(width, height, parts, title, "chart wide")


def _scales(width: int, height: int, low: float, high: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    inner, tall = width - LEFT - RIGHT, height - TOP - BOTTOM
    return (
        lambda value: round(LEFT + inner * (value - low) / (high - low), 1),
        lambda share: round(TOP + tall * (1 - share), 1),
    )


def _frame(width: int, height: int, ticks: Sequence[tuple[float, str]], label: str) -> str:
    """Return the grid of accuracy, its numbers at 0, 50 and 100 %, and the ticks below at shares of the width."""
    x, y = _scales(width, height, 0, 1)
    parts = ['<text x="0" y="11" class="start">accuracy</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path class="grid" d="M{x(0)} {y(share)}H{x(1)}"/>')
        if share in {0, 0.5, 1}:
            parts.append(f'<text x="{LEFT - 6}" y="{y(share) + 4}" class="end">{share:.0%}</text>')
    for index, name in ticks:
        parts.append(f'<text x="{x(index)}" y="{y(0) + 15}" class="mid">{escape(name)}</text>')
    parts.append(f'<text x="{x(0.5)}" y="{height - 4}" class="mid">{escape(label)}</text>')
    return "".join(parts)


def _svg(width: int, height: int, parts: Sequence[str], title: str, kind: str = "chart") -> Markup:
    return Markup(  # noqa: S704 - names were escaped, the rest are numbers
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
