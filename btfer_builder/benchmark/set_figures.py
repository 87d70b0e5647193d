"""The paper's Figs. 1 and 9–13 of labelled sets: samples, class counts, and what each balancing makes of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.benchmark.labelled_sets import Credit, LabelledSet
from btfer_builder.datasets.class_counts import classes_figure
from btfer_builder.datasets.class_weights import class_weights
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.plot_style import (
    INK,
    PALETTE,
    PAPER,
    blank_figure,
    new_figure,
    to_png,
    to_svg,
    whole_numbers,
)
from btfer_builder.io.atomic import write_bytes
from btfer_builder.labels import EMOTIONS, Emotion

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: Width of a panel in inches: that of a page, so that its numbers can be read there.
_WIDTH = 8.0

#: Side of a face of Fig. 1 in pixels.
_SIDE = 160


def write_set_figures(folder: Path, sets: Sequence[LabelledSet]) -> list[Path]:
    """Write the figures as PNG and SVG and return the files; balancing is shown for sets with a train split."""
    files: list[Path] = []
    for one in sets:
        splits: dict[str, Mapping[str, int]] = {
            split: {str(emotion): count for emotion, count in one.counts(split).items()}
            for split in one.splits
        }
        files += _write(folder / f"figure-9-{one.name}", classes_figure(f"{one.name} (Fig. 9)", splits))
        if "train" in one.splits:
            counts = one.counts("train")
            files += _write(folder / f"figure-10-11-{one.name}", weighting_figure(one.name, counts, "simple"))
            files += _write(
                folder / f"figure-12-13-{one.name}", weighting_figure(one.name, counts, "conservative")
            )
            files += _write(folder / f"figure-resampling-{one.name}", resampling_figure(one.name, counts))
    samples = sample_figure(sets)
    return files + (_write(folder / "figure-1", samples) if samples else [])


def weighting_figure(name: str, counts: Mapping[Emotion, int], balancing: str) -> "Figure":
    """Return Figs. 10 and 11 (`simple`) or 12 and 13 (`conservative`): faces times weight, and the weights."""
    weights = class_weights(counts, balancing)  # type: ignore[arg-type]  # one of the two
    numbers = "10 and 11" if balancing == "simple" else "12 and 13"
    title = f"Figs. {numbers}  {balancing.capitalize()} class weighting of {name} (train)"
    figure, (above, below) = new_figure(title, 2, width=_WIDTH, columns=1, share=False)
    after = {emotion: counts[emotion] * weights[emotion] for emotion in counts}
    _before_and_after(above, counts, after, "faces × weight")
    bars = below.bar(range(len(EMOTIONS)), [weights[emotion] for emotion in EMOTIONS], 0.6, color=PALETTE[2])
    below.bar_label(
        bars, [f"{weights[emotion]:.2f}" for emotion in EMOTIONS], fontsize=8, padding=2, color=INK
    )
    below.set_title("weight in the loss", fontsize=10, loc="left", color=INK)
    _finish(below)
    return figure


def resampling_figure(name: str, counts: Mapping[Emotion, int]) -> "Figure":
    """Return what an epoch has of each class with oversampling and with undersampling."""
    present = [count for count in counts.values() if count]
    title = f"Faces of an epoch of {name} (train)"
    figure, axes = new_figure(title, 2, width=_WIDTH, columns=1, share=False)
    for panel, balancing, size in zip(
        axes, ("oversample", "undersample"), (max(present), min(present)), strict=True
    ):
        after = {emotion: size if count else 0 for emotion, count in counts.items()}
        _before_and_after(panel, counts, after, balancing)
    return figure


def sample_figure(sets: Sequence[LabelledSet]) -> "Figure | None":
    """Return Fig. 1: one face of each emotion and set, of those that may be shown; None if there is none."""
    sets = [one for one in sets if one.shown]
    if not sets:
        return None
    figure = blank_figure(1.35 * len(EMOTIONS) + 1.2, 1.35 * len(sets) + 0.5, 160)
    panels = figure.subplots(len(sets), len(EMOTIONS), squeeze=False)
    for row, one in zip(panels, sets, strict=True):
        chosen = {credit.face.emotion: credit for credit in chosen_samples(one)}
        for axes, emotion in zip(row, EMOTIONS, strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if emotion in chosen:
                axes.imshow(_square(chosen[emotion]))
        row[0].set_ylabel(one.name, fontsize=9, color=INK, rotation=0, ha="right", va="center", labelpad=8)
    for axes, emotion in zip(panels[0], EMOTIONS, strict=True):
        axes.set_title(emotion, fontsize=9, color=INK)
    return figure


def chosen_samples(one: LabelledSet) -> list[Credit]:
    """Return the faces of a set that Fig. 1 shows: the first readable one of each emotion."""
    chosen = []
    for emotion in EMOTIONS:
        faces = (credit for credit in one.shown if credit.face.emotion == emotion)
        chosen += [credit for credit in faces if _square(credit) is not None][:1]
    return chosen


def _square(credit: Credit) -> "NDArray[np.uint8] | None":
    """Return a face on a white square; None if it cannot be decoded."""
    import cv2
    import numpy as np

    try:
        picture = decode_image(credit.face.path)
    except (Undecodable, OSError):
        return None
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    square = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    top, left = (_SIDE - high) // 2, (_SIDE - wide) // 2
    square[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=kernel)
    return square


def _before_and_after(
    axes: "Axes", before: Mapping[Emotion, int], after: Mapping[Emotion, float], name: str
) -> None:
    largest = max(*before.values(), *after.values())
    for offset, values, color, label in (
        (-0.21, before, PALETTE[4], "before"),
        (0.21, after, PALETTE[0], f"after: {name}"),
    ):
        heights = [values[emotion] for emotion in EMOTIONS]
        positions = [index + offset for index in range(len(EMOTIONS))]
        bars = axes.bar(positions, heights, 0.4, color=color, label=label)
        axes.bar_label(bars, [f"{height:,.0f}" for height in heights], fontsize=6.5, padding=2, color=INK)
    axes.set_ylim(0, largest * 1.12)
    whole_numbers(axes)
    axes.set_title("faces", fontsize=10, loc="left", color=INK)
    _finish(axes)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def _finish(axes: "Axes") -> None:
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_facecolor(PAPER)


def _write(stem: Path, figure: "Figure") -> list[Path]:
    png, svg = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    write_bytes(png, to_png(figure))
    write_bytes(svg, to_svg(figure))
    return [png, svg]
