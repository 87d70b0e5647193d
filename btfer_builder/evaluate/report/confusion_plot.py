"""Draw a confusion matrix as a PNG: counts, shaded by the share of the row."""

from collections.abc import Sequence

from btfer_builder.images.plot_style import INK, PAPER, blank_figure, shades, to_png
from btfer_builder.labels import EMOTIONS


def confusion_png(confusion: Sequence[Sequence[int]]) -> bytes:
    """Draw the matrix.

    Parameters
    ----------
    confusion
        7 rows (true) of 7 counts (predicted) in the order of `EMOTIONS`.

    Returns
    -------
    bytes
        A PNG of 1280 × 1060 pixels. The shade of a cell is its share of the row, whatever the size of the class.
        The row of a class without faces is empty.
    """
    totals = [sum(row) for row in confusion]
    shares = [
        [count / total if total else 0.0 for count in row]
        for row, total in zip(confusion, totals, strict=True)
    ]
    figure = blank_figure(6.4, 5.3, 200)
    axes = figure.add_subplot(facecolor=PAPER)
    image = axes.imshow(shares, cmap=shades(), vmin=0, vmax=1)
    for row, total in enumerate(totals):
        for column, share in enumerate(shares[row]):
            text = f"{confusion[row][column]:,}" if total else "–"
            axes.text(column, row - 0.1, text, ha="center", va="center", fontsize=11, color=INK)
            if total and confusion[row][column]:
                axes.text(column, row + 0.24, f"{share:.0%}", ha="center", va="center", fontsize=8, color=INK)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, color=INK, fontsize=10)
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS, color=INK, fontsize=10)
    axes.set_xlabel("predicted", color=INK, fontsize=11, labelpad=8)
    axes.set_ylabel("true", color=INK, fontsize=11, labelpad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([edge - 0.5 for edge in range(1, len(EMOTIONS))], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(1, len(EMOTIONS))], minor=True)
    axes.grid(which="minor", color=INK, alpha=0.12, linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0%", "50%", "100%"], color=INK, fontsize=8)
    bar.set_label("share of the true class", color=INK, fontsize=9)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    return to_png(figure)
