"""The paper's Figures 14–28 out of results, as PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.benchmark.results import Result, as_frame
from btfer_builder.benchmark.choice_table import LISTED, SMALL
from btfer_builder.images.plot_style import (
    INK,
    PALETTE,
    Bar,
    Bars,
    chance_line,
    grouped_bars,
    new_figure,
    percent_axis,
    to_png,
)
from btfer_builder.io.atomic import write_bytes
from btfer_builder.labels import EMOTIONS

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {"own": "own held-out split", "btfer": "BTFER (cross-domain)"}

_SETTING = ["dataset", "size", "network", "pretraining", "balancing"]
_PRETRAININGS = ("scratch", "imagenet", "vggface")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its number, its caption, and the PNG or the reason why there is none."""

    number: int
    caption: str
    png: bytes
    missing: str = ""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"figure-{self.number}.png"


def make_figures(results: Sequence[Result]) -> list[Figure]:
    """Return Figures 14–28; a figure without results has the reason instead.

    A bar is the mean over the settings that were run under all conditions of the figure, which are its dots. So two
    bars differ in what the figure compares and not in the networks. The whisker of a single setting is its 95 %
    Wilson interval.
    """
    frame = as_frame(results) if results else None
    plans: list[tuple[int, str, Callable[[pd.DataFrame], bytes | str]]] = [
        (14, "Accuracy by resolution, the same settings at each", _resolutions)
    ]
    numbers = iter(range(15, 19))
    for size in (48, 224):
        for balancing in ("simple", "conservative"):
            caption = f"Pretrained weights, {balancing} weighting, {size}×{size} pixels"
            plans.append((next(numbers), caption, _Pretrainings(size, balancing)))
    for number, size in ((19, 48), (20, 224)):
        caption = f"Best {LISTED} networks below {SMALL / 1e6:.0f} million parameters, {size}×{size} pixels"
        plans.append((number, caption, _Small(size)))
    numbers = iter(range(21, 25))
    for size in (48, 224):
        for balancing in ("simple", "conservative"):
            caption = f"Average accuracy by dataset, {balancing} weighting, {size}×{size} pixels"
            plans.append((next(numbers), caption, _Datasets(size, balancing)))
    numbers = iter(range(25, 29))
    for size in (48, 224):
        for scratch in (True, False):
            which = "without" if scratch else "with"
            caption = f"Average accuracy by balancing, {which} pretrained weights, {size}×{size} pixels"
            plans.append((next(numbers), caption, _Balancings(size, scratch)))
    figures = []
    for number, caption, draw in plans:
        drawn = "there are no results yet" if frame is None else draw(frame)
        missing = drawn if isinstance(drawn, str) else ""
        figures.append(Figure(number, caption, b"" if isinstance(drawn, str) else drawn, missing))
    return figures


def write_figures(folder: Path, figures: Sequence[Figure]) -> list[Path]:
    """Write the figures, remove files of figures without results, and return the files."""
    files = []
    for figure in figures:
        path = folder / figure.name
        if figure.png:
            write_bytes(path, figure.png)
            files.append(path)
        else:
            path.unlink(missing_ok=True)
    return files


def _resolutions(frame: "pd.DataFrame") -> bytes | str:
    sizes = sorted(frame["size"].unique())
    if len(sizes) < 2:
        return f"all runs have {sizes[0]} pixels"
    matched = _matched(frame, "size", sizes)
    if matched.empty:
        return "no setting was run at all resolutions"
    figure, panels = new_figure("Fig. 14  Accuracy by resolution", matched["dataset"].nunique())
    for axes, (dataset, group) in zip(panels, matched.groupby("dataset", sort=False), strict=True):
        bars = {
            f"{size} px": {
                label: bar
                for measure, label in MEASURES.items()
                if (bar := _mean(group[group["size"] == size], measure)) is not None
            }
            for size in sizes
        }
        grouped_bars(axes, bars, f"{dataset} ({len(group) // len(sizes)} settings)")
        chance_line(axes, 1 / len(EMOTIONS))
    return to_png(figure)


@dataclass(frozen=True)
class _Pretrainings:
    """Figs. 15–18: one network from different weights, VGG16 in the paper."""

    size: int
    balancing: str

    def __call__(self, frame: "pd.DataFrame") -> bytes | str:
        part = frame[(frame["size"] == self.size) & (frame["balancing"] == self.balancing)]
        if part.empty:
            return f"no run has {self.balancing} weighting and {self.size} pixels"
        kinds = [kind for kind in _PRETRAININGS if (part["pretraining"] == kind).any()]
        counts = part.groupby("network")["pretraining"].nunique()
        several = counts[counts > 1].index
        if several.empty:
            return "no network was trained from more than one kind of weights"
        network = "vgg16" if "vgg16" in several else str(counts.loc[several].idxmax())
        chosen = part[part["network"] == network]
        number = 15 + (2 if self.size == 224 else 0) + (1 if self.balancing == "conservative" else 0)
        title = f"Fig. {number}  {network} from different weights, {self.balancing}, {self.size}×{self.size}"
        return _by_group(title, chosen, "pretraining", kinds)


@dataclass(frozen=True)
class _Datasets:
    """Figs. 21–24: the datasets side by side, over the networks trained on all of them."""

    size: int
    balancing: str

    def __call__(self, frame: "pd.DataFrame") -> bytes | str:
        part = frame[(frame["size"] == self.size) & (frame["balancing"] == self.balancing)]
        if part.empty:
            return f"no run has {self.balancing} weighting and {self.size} pixels"
        matched = _matched(part, "dataset", list(dict.fromkeys(part["dataset"])))
        if matched.empty:
            return "no network was trained on all datasets"
        number = 21 + (2 if self.size == 224 else 0) + (1 if self.balancing == "conservative" else 0)
        settings = len(matched) // matched["dataset"].nunique()
        title = f"Fig. {number}  Average accuracy, {self.balancing}, {self.size}×{self.size} ({settings} settings)"
        bars = {
            label: {
                str(dataset): bar
                for dataset, group in matched.groupby("dataset", sort=False)
                if (bar := _mean(group, measure)) is not None
            }
            for measure, label in MEASURES.items()
        }
        figure, (axes,) = new_figure(title, 1, width=2.6 + 1.5 * matched["dataset"].nunique())
        grouped_bars(axes, bars)
        chance_line(axes, 1 / len(EMOTIONS))
        return to_png(figure)


@dataclass(frozen=True)
class _Balancings:
    """Figs. 25–28: the balancings side by side, from scratch or pretrained."""

    size: int
    scratch: bool

    def __call__(self, frame: "pd.DataFrame") -> bytes | str:
        selected = (frame["pretraining"] == "scratch") == self.scratch
        part = frame[(frame["size"] == self.size) & selected]
        if part.empty:
            return f"no run {'without' if self.scratch else 'with'} pretrained weights has {self.size} pixels"
        # A balancing that few networks were run with would leave none that was run with all.
        counts = part.groupby("balancing").size()
        kinds = [kind for kind in dict.fromkeys(part["balancing"]) if counts[kind] * 2 >= counts.max()]
        if len(kinds) < 2:
            return f"all runs have the same balancing ({kinds[0]})"
        matched = _matched(part, "balancing", kinds)
        if matched.empty:
            return "no setting was run with all balancings"
        number = 25 + (2 if self.size == 224 else 0) + (0 if self.scratch else 1)
        which = "without" if self.scratch else "with"
        title = f"Fig. {number}  Average accuracy by balancing, {which} pretrained weights, {self.size}×{self.size}"
        return _by_group(title, matched, "balancing", sorted(kinds))


@dataclass(frozen=True)
class _Small:
    """Figs. 19–20: the most accurate of the small networks, on each dataset."""

    size: int

    def __call__(self, frame: "pd.DataFrame") -> bytes | str:
        part = frame[(frame["size"] == self.size) & (frame["params"] < SMALL)]
        if part.empty:
            return f"no network below {SMALL / 1e6:.0f} million parameters was run at {self.size} pixels"
        groups = [(str(dataset), _listed(group)) for dataset, group in part.groupby("dataset", sort=False)]
        number = 19 if self.size == 48 else 20
        title = f"Fig. {number}  Best networks below {SMALL / 1e6:.0f} million parameters, {self.size}×{self.size}"
        figure, panels = new_figure(
            title, len(groups), height=1.6 + 0.6 * max(len(g) for _, g in groups), share=False
        )
        for axes, (dataset, group) in zip(panels, groups, strict=True):
            _horizontal_bars(axes, group, dataset)
        return to_png(figure)


def _listed(group: "pd.DataFrame") -> "pd.DataFrame":
    """Return the best setting of each network, the best networks first."""
    ordered = group.sort_values("own_accuracy", ascending=False, kind="stable")
    return ordered.drop_duplicates(["network"]).head(LISTED)


def _horizontal_bars(axes: Any, group: "pd.DataFrame", title: str) -> None:  # noqa: ANN401 - matplotlib's axes
    positions = range(len(group))
    for number, (measure, label) in enumerate(MEASURES.items()):
        values = group[f"{measure}_accuracy"].fillna(0)
        level = [position + (number - 0.5) * 0.38 for position in positions]
        axes.barh(level, values, 0.35, color=PALETTE[number], label=label, zorder=2)
        for at, (_, row) in zip(level, group.iterrows(), strict=True):
            if row[f"{measure}_accuracy"] == row[f"{measure}_accuracy"]:  # not NaN
                axes.hlines(
                    at, row[f"{measure}_low"], row[f"{measure}_high"], color=INK, linewidth=1, zorder=3
                )
                axes.text(
                    row[f"{measure}_high"] + 0.01,
                    at,
                    f"{row[f'{measure}_accuracy']:.2f}",
                    va="center",
                    fontsize=7.5,
                )
    names = [
        f"{row['network']} – {row['pretraining']}\n{row['params'] / 1e6:.1f} M, {row['balancing']}"
        for _, row in group.iterrows()
    ]
    axes.set_yticks(list(positions), names, fontsize=8)
    axes.set_ylim(len(group) - 0.5, -0.5)
    percent_axis(axes, horizontal=True)
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.45, -0.08), ncols=2)


def _by_group(title: str, part: "pd.DataFrame", column: str, kinds: Sequence[str]) -> bytes:
    """Draw one panel per measure, one group per dataset, one series per value of the column."""
    measures = [name for name in MEASURES if part[f"{name}_accuracy"].notna().any()]
    figure, panels = new_figure(title, len(measures))
    labels = {}
    for dataset, group in part.groupby("dataset", sort=False):
        count = len(group) // group[column].nunique()
        labels[dataset] = f"{dataset}\n{count} setting{'s' if count > 1 else ''}"
    for axes, measure in zip(panels, measures, strict=True):
        bars: Bars = {
            kind: {
                labels[dataset]: bar
                for dataset, group in part[part[column] == kind].groupby("dataset", sort=False)
                if (bar := _mean(group, measure)) is not None
            }
            for kind in kinds
        }
        grouped_bars(axes, bars, MEASURES[measure], list(labels.values()))
        chance_line(axes, 1 / len(EMOTIONS))
    return to_png(figure)


def _matched(frame: "pd.DataFrame", column: str, values: Sequence[Any]) -> "pd.DataFrame":
    """Return the rows whose setting, except for the column, was run with all of the values."""
    rest = [name for name in _SETTING if name != column]
    counts = frame[frame[column].isin(values)].groupby(rest)[column].transform("nunique")
    return frame.loc[counts[counts == len(values)].index]


def _mean(group: "pd.DataFrame", measure: str) -> Bar | None:
    """Return the mean of a group's accuracies, with an interval for a single setting."""
    known = group.dropna(subset=[f"{measure}_accuracy"])
    if known.empty:
        return None
    values = [float(value) for value in known[f"{measure}_accuracy"]]
    interval = None
    if len(values) == 1:
        row = known.iloc[0]
        interval = (float(row[f"{measure}_low"]), float(row[f"{measure}_high"]))
    return Bar(sum(values) / len(values), interval, values)
