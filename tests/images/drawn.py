"""What a figure shows: its texts, where they are, and how well they are read."""

from collections.abc import Iterable
from itertools import combinations

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> dict[str, Text]:
    """Return the texts that are drawn, by their words; of equal ones the last."""
    figure.canvas.draw()
    return {text.get_text(): text for text in figure.findobj(Text) if text.get_visible() and text.get_text()}


def within(figure: Figure) -> bool:
    """Return whether nothing that is drawn reaches over the edge of the figure."""
    figure.canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


def overlaps(figure: Figure, drawn: Iterable[Text]) -> list[tuple[str, str]]:
    """Return the pairs of texts that lie on each other."""
    figure.canvas.draw()
    return [
        (one.get_text(), other.get_text())
        for one, other in combinations(drawn, 2)
        if one.get_window_extent().overlaps(other.get_window_extent())
    ]


def contrast(text: object, ground: object) -> float:
    """Return the contrast of two colours as WCAG 2.1 defines it, 1 to 21."""

    def luminance(color: object) -> float:
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(text), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)
