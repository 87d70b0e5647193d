"""Draw a confusion matrix as a PNG: counts to read, shades that compare rows."""

import io
from collections.abc import Sequence

from btfer_builder.labels import EMOTIONS

#: Ink, paper, the full shade of a cell, and the share from which paper reads better on it than ink.
_COLORS = ("#1c1e21", "#ffffff", "#1f5fbf", 0.8)


def confusion_png(confusion: Sequence[Sequence[int]]) -> bytes:
    """Draw the matrix.

    Parameters
    ----------
    confusion
        7 rows (true) of 7 counts (predicted) in the order of `EMOTIONS`.

    Returns
    -------
    bytes
        A PNG of 1280 × 1060 pixels. A cell's shade is its share of its row, so a perfect class is one full
        shade whatever its size; a class without faces stays empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    ink, paper, full, turn = _COLORS
    totals = [sum(row) for row in confusion]
    shares = [
        [count / total if total else 0.0 for count in row]
        for row, total in zip(confusion, totals, strict=True)
    ]
    figure = Figure(figsize=(6.4, 5.3), dpi=200, facecolor=paper, layout="constrained")
    axes = figure.add_subplot(facecolor=paper)
    shades = LinearSegmentedColormap.from_list("btfer", [paper, full])
    image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    for row, total in enumerate(totals):
        for column, share in enumerate(shares[row]):
            color = paper if share >= turn else ink
            text = f"{confusion[row][column]:,}" if total else "–"
            axes.text(column, row - 0.1, text, ha="center", va="center", fontsize=11, color=color)
            if total and confusion[row][column]:
                axes.text(
                    column, row + 0.24, f"{share:.0%}", ha="center", va="center", fontsize=7, color=color
                )
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, color=ink, fontsize=10)
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS, color=ink, fontsize=10)
    axes.set_xlabel("predicted", color=ink, fontsize=11, labelpad=8)
    axes.set_ylabel("true", color=ink, fontsize=11, labelpad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([edge - 0.5 for edge in range(1, len(EMOTIONS))], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(1, len(EMOTIONS))], minor=True)
    axes.grid(which="minor", color=ink, alpha=0.12, linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0%", "50%", "100%"], color=ink, fontsize=8)
    bar.set_label("share of the true class", color=ink, fontsize=9)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    png = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", facecolor=paper)
    return png.getvalue()
