"""Plot loss and accuracy of a run over its epochs, on training and validation faces."""

from collections.abc import Sequence
from typing import Any

from btfer_builder.images.plot_style import INK, PALETTE, blank_figure, to_png
from btfer_builder.training.results import Epoch

#: Colours of the training and the validation faces.
TRAIN, VALIDATION = "#c4762b", PALETTE[0]


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
    figure = blank_figure(9, 3.8, 200)
    for axes, name, low in zip(figure.subplots(1, 2), ("loss", "accuracy"), (None, 0.0), strict=True):
        _draw(axes, name, history, best, selection)
        axes.set_ylim(bottom=low)
    lines, labels = axes.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return to_png(figure)


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
