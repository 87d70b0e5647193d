"""One style for all figures."""

import io
from pathlib import Path

from PIL import Image

import btfer_builder
from btfer_builder.images.plot_style import (
    INK,
    PALE_COLORS,
    PALETTE,
    PAPER,
    SOFT,
    Bar,
    blank_figure,
    grouped_bars,
    new_figure,
    shades,
    to_png,
    whole_numbers,
)
from tests.images.drawn import contrast, overlaps, texts, within


def test_figures_are_made_in_one_place():
    package = Path(btfer_builder.__file__).parent
    makers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "FigureCanvas" in (text := path.read_text(encoding="utf-8")) or "savefig" in text
    }
    assert makers == {"images/plot_style.py"}


def test_a_figure_is_a_png_of_its_size_without_metadata():
    figure = blank_figure(3, 2, 100)
    grouped_bars(figure.add_subplot(), {"a": {"x": Bar(0.5, (0.4, 0.6)), "y": Bar(0.7, None, (0.6, 0.8))}})
    with Image.open(io.BytesIO(to_png(figure))) as image:
        assert image.size == (300, 200)
        assert "Software" not in image.info
        assert image.getpixel((0, 0))[:3] == (255, 255, 255)


def test_dollar_signs_are_text():
    """In query text and names of models they would be a formula, mostly a broken one."""
    figure, (axes,) = new_figure(r"$\bad{$", 1)
    grouped_bars(axes, {r"$\bad{$": {r"a $\bad{$": Bar(0.5)}, r"$x_1$": {r"a $\bad{$": Bar(0.4)}}, r"$\frac$")
    assert to_png(figure).startswith(b"\x89PNG")


def test_text_is_read_on_every_colour_it_is_drawn_on():
    """A contrast of 4.5:1, as WCAG 2.1 asks for (level AA)."""
    assert min(contrast(INK, shades()(share / 20)) for share in range(21)) >= 4.5
    assert min(contrast(INK if color in PALE_COLORS else PAPER, color) for color in PALETTE) >= 4.5
    assert contrast(SOFT, PAPER) >= 4.5


def test_the_numbers_of_bars_have_the_unit_of_their_axis():
    figure, (axes,) = new_figure("accuracy", 1)
    grouped_bars(
        axes, {"simple": {"a set": Bar(0.64, chance=1 / 7)}, "none": {"a set": Bar(0.05, chance=1 / 7)}}
    )
    written = texts(figure)
    assert {"64%", "5%", "20%", "100%", " chance"} <= set(written)
    assert within(figure)
    assert overlaps(figure, [written["64%"], written["5%"]]) == []


def test_counts_have_commas():
    figure = blank_figure(4, 3, 100)
    axes = figure.add_subplot()
    axes.bar([0], [134_415])
    whole_numbers(axes)
    assert "100,000" in texts(figure)
