"""One style for all figures."""

import io
from pathlib import Path

from PIL import Image

import btfer_builder
from btfer_builder.images.plot_style import Bar, blank_figure, grouped_bars, new_figure, to_png


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
