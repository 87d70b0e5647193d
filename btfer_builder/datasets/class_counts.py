"""Class counts of a dataset as a table and as a plot (the paper's Fig. 9)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from btfer_builder.images.plot_style import INK, PALETTE, below_legend, blank_figure, to_png, whole_numbers
from btfer_builder.labels import EMOTIONS, SplitName

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Counts = Mapping[SplitName, Mapping[str, int]]

#: Colour of each split; a set without splits has that of the last one.
COLORS: dict[str, str] = {"train": PALETTE[0], "val": PALETTE[1], "test": PALETTE[4]}

#: Characters that the bars of an emotion have room for; longer numbers are upright, or they would lie on the next bar.
_ROOM = 12


def classes_table(counts: Counts) -> str:
    """Return the counts as a Markdown table, each class with the ratio of the largest to it (§3.4)."""
    first = next(iter(counts.values()))
    largest = max(first.values())
    lines = [
        f"| emotion | {' | '.join(counts)} | largest ÷ own |",
        f"|---|{'--:|' * len(counts)}--:|",
    ]
    for emotion in EMOTIONS:
        cells = " | ".join(f"{classes[emotion]:,}" for classes in counts.values())
        ratio = f"{largest / first[emotion]:.2f}" if first[emotion] else "–"
        lines.append(f"| {emotion} | {cells} | {ratio} |")
    sums = " | ".join(f"{sum(classes.values()):,}" for classes in counts.values())
    return "\n".join([*lines, f"| all | {sums} | |"]) + "\n"


def classes_png(name: str, counts: Counts) -> bytes:
    """Plot the counts as bars, one group per emotion and one bar per split.

    Parameters
    ----------
    name
        Name of the dataset, for the title.
    counts
        Pictures of each emotion, by split.

    Returns
    -------
    bytes
        A PNG of 1600 × 900 pixels.
    """
    return to_png(classes_figure(f"Classes of {name}", dict(counts.items())))


def classes_figure(title: str, counts: Mapping[str, Mapping[str, int]]) -> "Figure":
    """Return this plot."""
    figure = blank_figure(8, 4.5, 200)
    axes = figure.add_subplot()
    width = 0.84 / len(counts)
    longest = max(len(f"{value:,}") for classes in counts.values() for value in classes.values())
    upright = longest * len(counts) > _ROOM
    for number, (split, classes) in enumerate(counts.items()):
        positions = [index + (number - (len(counts) - 1) / 2) * width for index in range(len(EMOTIONS))]
        values = [classes[emotion] for emotion in EMOTIONS]
        label = f"{split} ({sum(values):,})"
        bars = axes.bar(positions, values, width * 0.94, color=COLORS.get(split, PALETTE[4]), label=label)
        axes.bar_label(
            bars, [f"{value:,}" for value in values], fontsize=7, padding=2, color=INK,
            rotation=90 if upright else 0,
        )  # fmt: skip
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, fontsize=10)
    axes.set_ylabel("pictures")
    axes.set_title(title, loc="left", fontsize=12)
    whole_numbers(axes)
    below_legend(axes, len(counts))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.16 if upright else 0.12)
    return figure
