"""The paper's Fig. 2, the protocol, drawn from the settings and the constants that the stages use."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from btfer_builder.benchmark.results import Result
from btfer_builder.benchmark.settings import BALANCINGS, PRETRAININGS
from btfer_builder.config import TrainRecipe
from btfer_builder.config.models import ROTATION, SHIFT, ZOOM
from btfer_builder.datasets.class_weights import CAP
from btfer_builder.images.plot_style import INK, PALETTE, PAPER, blank_figure, to_png, wrapped
from btfer_builder.io.text import counted

#: Boxes of a row, and the size of a box and the gap after it in inches.
_COLUMNS, _WIDTH, _HEIGHT, _GAP = 3, 3.6, 1.6, 0.5

#: Names that a box lists; of more it says how many.
_LISTED = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the protocol: its name, the module that does it, and what it does."""

    name: str
    module: str
    lines: tuple[str, ...]


def protocol_stages(results: Sequence[Result], train: TrainRecipe) -> list[Stage]:
    """Return the stages that a run goes through, with what these runs used.

    Parameters
    ----------
    results
        At least one.
    train
        Settings of the training.
    """
    pretrained = any(result.pretraining != "scratch" for result in results)
    sizes = sorted({result.size for result in results})
    networks = dict.fromkeys(result.network for result in results)
    cross = {result.btfer.n for result in results if result.btfer}
    own = dict.fromkeys(result.own.name for result in results)
    balancings = _in_order({result.balancing for result in results}, BALANCINGS)
    return [
        Stage(
            "Labelled faces",
            "datasets.splits",
            (
                _names("data set", dict.fromkeys(result.dataset for result in results)),
                f"resized to {' and '.join(f'{size}×{size}' for size in sizes)} pixels",
                f"own held-out split: {', '.join(own)}",
            ),
        ),
        Stage("Augmentation", "training.augmentation", tuple(_augmentation(train))),
        Stage(
            "Networks",
            "networks.build",
            (
                _names("network", networks),
                f"weights: {', '.join(_in_order({result.pretraining for result in results}, PRETRAININGS))}",
                "head: " + ("of each network" if train.head == "auto" else train.head),
            ),
        ),
        Stage(
            "Training settings",
            "datasets.class_weights",
            (
                f"balancing: {', '.join(balancings)}"
                + (f" (weights up to {CAP:g})" if "conservative" in balancings else ""),
                f"Adam, learning rate {train.learning_rate:g}, batches of {train.batch_size}",
                f"loss: {train.loss}",
            ),
        ),
        Stage("Training", "training.train", tuple(_training(train, pretrained=pretrained))),
        Stage(
            "Evaluation",
            "evaluate.evaluate",
            (
                "accuracy, precision, recall and F1, 95 % intervals",
                "on the own held-out split",
                f"cross-domain on BTFER ({' or '.join(f'{n:,}' for n in sorted(cross))} faces)"
                if cross
                else "no cross-domain set",
            ),
        ),
    ]


def _augmentation(train: TrainRecipe) -> Iterator[str]:
    if not train.augment:
        yield "none"
        return
    yield f"rotation up to {ROTATION:g}° either way"
    yield f"shift up to {SHIFT:.0%}, zoom up to {ZOOM:.0%}"
    yield "every other face mirrored"


def _training(train: TrainRecipe, *, pretrained: bool) -> Iterator[str]:
    if pretrained and train.head_epochs:
        yield f"phase 1, pretrained: base frozen, up to {counted(train.head_epochs, 'epoch')}"
    yield f"{'phase 2: ' if pretrained else ''}all layers, up to {counted(train.finetune_epochs, 'epoch')}"
    yield f"learning rate × {train.lr_factor:g} after {counted(train.lr_patience, 'epoch')} without a lower loss"
    yield f"ends after {train.early_stopping_patience}; the best epoch is kept"


def _names(noun: str, names: Iterable[str]) -> str:
    known = list(names)
    more = f", … ({len(known)} in all)" if len(known) > _LISTED else ""
    return f"{noun}{'' if len(known) == 1 else 's'}: {', '.join(known[:_LISTED])}{more}"


def _in_order(names: set[str], order: Sequence[str]) -> list[str]:
    return [name for name in order if name in names] + sorted(names - set(order))


def draw_protocol(results: Sequence[Result], train: TrainRecipe) -> bytes:
    """Draw the stages as boxes from left to right, row by row, as PNG."""
    from matplotlib.patches import FancyBboxPatch

    stages = protocol_stages(results, train)
    rows = -(-len(stages) // _COLUMNS)
    width, height = _COLUMNS * (_WIDTH + _GAP), rows * (_HEIGHT + _GAP) + 0.4
    figure = blank_figure(width, height, 160)
    axes: Any = figure.add_subplot()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    axes.text(0.1, 0.2, "Fig. 2  The protocol", fontsize=12, color=INK, va="center")
    corners = [
        (0.15 + (at % _COLUMNS) * (_WIDTH + _GAP), 0.55 + (at // _COLUMNS) * (_HEIGHT + _GAP))
        for at in range(len(stages))
    ]
    for number, (stage, (left, top)) in enumerate(zip(stages, corners, strict=True)):
        axes.add_patch(
            FancyBboxPatch(
                (left, top), _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=PAPER, edgecolor=PALETTE[0], linewidth=1.2,
            )
        )  # fmt: skip
        axes.text(
            left + 0.14,
            top + 0.24,
            f"{number + 1}  {stage.name}",
            fontsize=10.5,
            color=PALETTE[0],
            weight="bold",
        )
        text = "\n".join(wrapped(line, _WIDTH - 0.2, 8.2) for line in stage.lines)
        axes.text(left + 0.14, top + 0.4, text, fontsize=8.2, color=INK, va="top", linespacing=1.45)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    for (left, top), (then_left, then_top) in pairwise(corners):
        start, end = (left + _WIDTH, top + _HEIGHT / 2), (then_left, then_top + _HEIGHT / 2)
        if top != then_top:  # down, and back to the first box of the next row
            turn, end = then_top - _GAP / 2, (then_left + _WIDTH / 2, then_top)
            across = (left + _WIDTH / 2, end[0])
            axes.plot(
                (across[0], across[0], across[1]), (top + _HEIGHT, turn, turn), color=INK, linewidth=1.1
            )
            start = (end[0], turn)
        axes.annotate("", end, start, arrowprops=arrow)
    return to_png(figure)
