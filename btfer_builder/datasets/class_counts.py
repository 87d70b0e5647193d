"""How many pictures each class of a set has: as a table and as a plot (the paper's Fig. 9)."""

from collections.abc import Mapping

from btfer_builder.config import SplitName
from btfer_builder.images.plot_style import PALETTE, blank_figure, to_png
from btfer_builder.labels import EMOTIONS

Counts = Mapping[SplitName, Mapping[str, int]]

#: Colour of each split.
COLORS: dict[SplitName, str] = {"train": PALETTE[0], "val": PALETTE[1], "test": PALETTE[4]}


def classes_table(counts: Counts) -> str:
    """Return the counts as Markdown, with each class's ratio to the largest (the weights of §3.4 are these)."""
    first = next(iter(counts.values()))
    most = max(first.values())
    lines = [
        f"| emotion | {' | '.join(counts)} | largest ÷ own |",
        f"|---|{'--:|' * len(counts)}--:|",
    ]
    for emotion in EMOTIONS:
        cells = " | ".join(f"{classes[emotion]:,}" for classes in counts.values())
        ratio = f"{most / first[emotion]:.2f}" if first[emotion] else "–"
        lines.append(f"| {emotion} | {cells} | {ratio} |")
    sums = " | ".join(f"{sum(classes.values()):,}" for classes in counts.values())
    return "\n".join([*lines, f"| all | {sums} | |"]) + "\n"


def classes_png(name: str, counts: Counts) -> bytes:
    """Draw the counts as bars, a group an emotion and a bar a split.

    Parameters
    ----------
    name
        Of the set, for the title.
    counts
        Pictures of each emotion by split.

    Returns
    -------
    bytes
        A PNG of 1600 × 900 pixels.
    """
    figure = blank_figure(8, 4.5, 200)
    axes = figure.add_subplot()
    width = 0.84 / len(counts)
    for number, (split, classes) in enumerate(counts.items()):
        places = [place + (number - (len(counts) - 1) / 2) * width for place in range(len(EMOTIONS))]
        values = [classes[emotion] for emotion in EMOTIONS]
        label = f"{split} ({sum(values):,})"
        bars = axes.bar(places, values, width * 0.94, color=COLORS[split], label=label)
        axes.bar_label(bars, [f"{value:,}" for value in values], fontsize=7, padding=2, color="#333333")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, fontsize=10)
    axes.set_ylabel("pictures")
    axes.set_title(f"Classes of {name}", loc="left", fontsize=12)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.12)
    return to_png(figure)
