"""Plot loss and accuracy of a run over its epochs, on training and validation faces."""

import io
from collections.abc import Sequence
from typing import Any

from btfer_builder.training.results import Epoch

#: Ink, paper, and the colours of training and validation faces, apart also for those who see no red.
INK, PAPER, TRAIN, VALIDATION = "#1c1e21", "#ffffff", "#c4762b", "#1f5fbf"


def curves_png(history: Sequence[Epoch], best: Epoch, selection: str) -> bytes:
    """Plot the curves.

    Parameters
    ----------
    history
        Epochs of both phases.
    best
        Epoch of the saved model; it is marked.
    selection
        Origin of the validation faces.

    Returns
    -------
    bytes
        A PNG of 1800 × 760 pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), dpi=200, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name, low in zip(figure.subplots(1, 2), ("loss", "accuracy"), (None, 0.0), strict=True):
        _draw(axes, name, history, best, selection)
        axes.set_ylim(bottom=low)
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    png = io.BytesIO()
    figure.savefig(png, format="png", facecolor=PAPER)
    return png.getvalue()


def _draw(axes: Any, name: str, history: Sequence[Epoch], best: Epoch, selection: str) -> None:  # noqa: ANN401
    epochs = [row.epoch for row in history]
    marker = "o" if len(epochs) == 1 else None  # a line needs two points
    labels = (
        ("", "train, augmented and weighted", TRAIN, "--"),
        ("val_", f"validation ({selection})", VALIDATION, "-"),
    )
    for prefix, label, color, style in labels:
        values = [getattr(row, prefix + name) for row in history]
        axes.plot(epochs, values, style, color=color, label=label, linewidth=1.6, marker=marker)
    saved = getattr(best, f"val_{name}")
    axes.plot([best.epoch], [saved], "o", color=VALIDATION, markersize=7)
    axes.set_title(f"{name}: {saved:.3f} in epoch {best.epoch} (saved)", loc="left", color=INK, fontsize=10)
    second = next((row.epoch for row in history if row.phase == 2), None)
    if second is not None and second > 1:
        axes.axvline(second - 0.5, color=INK, linewidth=0.8, alpha=0.5)
        axes.text(
            second - 0.5,
            0.02,
            " all layers trained",
            transform=axes.get_xaxis_transform(),
            fontsize=8,
            color=INK,
        )
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(x=0.03, y=0.12)
    axes.grid(alpha=0.15)
    axes.spines[["top", "right"]].set_visible(False)
