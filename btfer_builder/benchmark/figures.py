"""The paper's Figures 2 and 14–28 out of results, and the accuracy of each network, as PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.benchmark.choice_table import LISTED, SMALL
from btfer_builder.benchmark.network_figures import draw_networks, draw_small
from btfer_builder.benchmark.protocol_figure import draw_protocol
from btfer_builder.benchmark.results import Result, as_frame
from btfer_builder.benchmark.settings import MEASURES, PRETRAININGS, balancing_order, matched
from btfer_builder.config import TrainRecipe
from btfer_builder.images.plot_style import Bar, Bars, grouped_bars, new_figure, to_png
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.text import counted, listed

if TYPE_CHECKING:
    import pandas as pd

#: Groups of a panel and series of a group that its usual width has room for.
_ROOM = 9

#: Networks that Figs. 15–18 show, two panels each.
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its number in the paper, if any, its caption, and the PNG or the reason why there is none."""

    number: int | None
    caption: str
    png: bytes
    missing: str = ""
    stem: str = ""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.stem or f'figure-{self.number}'}.png"

    @property
    def title(self) -> str:
        """What it is called in a text."""
        return "Networks" if self.number is None else f"Figure {self.number}"


Draw = Callable[["pd.DataFrame", str], bytes | str]


def make_figures(results: Sequence[Result], train: TrainRecipe | None = None) -> list[Figure]:
    """Return Figures 2 and 14–28 and those of all networks; a figure without results has the reason instead.

    A bar is the mean over the settings that were run under all conditions of the figure, which are its dots. So two
    bars differ in what the figure compares and not in the networks. The whisker of a single setting is its 95 %
    interval. Chance is 1 ÷ the number of classes in the faces. `train` has the settings of the training that
    Fig. 2 shows.
    """
    frame = as_frame(results) if results else None
    plans: list[tuple[int, str, Draw]] = [(14, "Accuracy by resolution", _resolutions)]
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
        drawn = "there are no results yet" if frame is None else draw(frame, f"Fig. {number}  {caption}")
        missing = drawn if isinstance(drawn, str) else ""
        figures.append(Figure(number, caption, b"" if isinstance(drawn, str) else drawn, missing))
    if frame is None:
        return figures
    protocol = Figure(2, "The protocol", draw_protocol(results, train or TrainRecipe()))
    networks = []
    for size in sorted(frame["size"].unique()):
        caption = f"Accuracy of each network, {size}×{size} pixels"
        part = frame[frame["size"] == size]
        networks.append(Figure(None, caption, draw_networks(part, caption), stem=f"networks-{size}"))
    return [protocol, *figures, *networks]


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


def _resolutions(frame: "pd.DataFrame", title: str) -> bytes | str:
    sizes = sorted(frame["size"].unique())
    if len(sizes) < 2:
        return f"all runs have {sizes[0]} pixels"
    sides = {name: matched(frame, "size", sizes, name) for name in MEASURES}
    datasets = [name for name in dict.fromkeys(frame["dataset"]) if (sides["own"]["dataset"] == name).any()]
    if not datasets:
        return "no setting was run at all resolutions"
    note = _shared_note(sides["own"], frame, "at all resolutions", len(sizes))
    figure, panels = new_figure(title, len(datasets), note=note)
    for axes, dataset in zip(panels, datasets, strict=True):
        parts = {name: side[side["dataset"] == dataset] for name, side in sides.items()}
        labels = {name: _with_count(MEASURES[name], len(part) // len(sizes)) for name, part in parts.items()}
        bars = {
            f"{size} px": {
                labels[name]: bar
                for name, part in parts.items()
                if (bar := _mean(part[part["size"] == size], name)) is not None
            }
            for size in sizes
        }
        grouped_bars(axes, bars, str(dataset))
    return to_png(figure)


@dataclass(frozen=True)
class _Pretrainings:
    """Figs. 15–18: networks from different weights; the paper has VGG16."""

    size: int
    balancing: str

    def __call__(self, frame: "pd.DataFrame", title: str) -> bytes | str:
        part = frame[(frame["size"] == self.size) & (frame["balancing"] == self.balancing)]
        if part.empty:
            return f"no run has {self.balancing} weighting and {self.size} pixels"
        counts = part.groupby("network")["pretraining"].nunique()
        several = sorted(
            counts[counts > 1].index, key=lambda name: (name != "vgg16", -int(counts[name]), name)
        )
        if not several:
            return "no network was trained from more than one kind of weights"
        shown, more = several[:_SHOWN], len(several) - _SHOWN
        note = "A bar is one setting. Networks that were trained from one kind of weights only are left out."
        if more > 0:
            note += (
                f" {counted(more, 'more network')} from several kinds: networks-{self.size}.png shows all."
            )
        part = part[part["network"].isin(shown)]
        kinds = [kind for kind in PRETRAININGS if (part["pretraining"] == kind).any()]
        return _by_group(
            title,
            [(f"{network}, ", part[part["network"] == network]) for network in shown],
            "pretraining",
            kinds,
            note=note,
        )


@dataclass(frozen=True)
class _Datasets:
    """Figs. 21–24: the datasets side by side, over the networks trained on all of them."""

    size: int
    balancing: str

    def __call__(self, frame: "pd.DataFrame", title: str) -> bytes | str:
        part = frame[(frame["size"] == self.size) & (frame["balancing"] == self.balancing)]
        if part.empty:
            return f"no run has {self.balancing} weighting and {self.size} pixels"
        datasets = list(dict.fromkeys(part["dataset"]))
        sides = {name: matched(part, "dataset", datasets, name) for name in MEASURES}
        if all(side.empty for side in sides.values()):
            return "no network was trained on all datasets"
        note = _shared_note(sides["own"], part, "on all datasets", len(datasets))
        if len(sides["btfer"]) != len(sides["own"]):
            note += f" On BTFER: {len(sides['btfer']) // len(datasets)}."
        bars = {
            MEASURES[name]: {
                str(dataset): bar
                for dataset in datasets
                if (bar := _mean(side[side["dataset"] == dataset], name)) is not None
            }
            for name, side in sides.items()
        }
        bars = {name: series for name, series in bars.items() if series}
        width = _width(len(datasets), len(bars))
        figure, (axes,) = new_figure(title, 1, width=width, note=note)
        grouped_bars(axes, bars, groups=[str(dataset) for dataset in datasets])
        return to_png(figure)


@dataclass(frozen=True)
class _Balancings:
    """Figs. 25–28: the balancings side by side, from scratch or pretrained."""

    size: int
    scratch: bool

    def __call__(self, frame: "pd.DataFrame", title: str) -> bytes | str:
        selected = (frame["pretraining"] == "scratch") == self.scratch
        part = frame[(frame["size"] == self.size) & selected]
        if part.empty:
            return f"no run {'without' if self.scratch else 'with'} pretrained weights has {self.size} pixels"
        # A balancing that few networks were run with would leave none that was run with all.
        counts = part.groupby("balancing").size()
        ordered = sorted(counts.index, key=balancing_order)
        kinds = [kind for kind in ordered if counts[kind] * 2 >= counts.max()]
        if len(kinds) < 2:
            return f"all runs have the same balancing ({kinds[0]})"
        both = matched(part, "balancing", kinds, "own")
        if both.empty:
            return "no setting was run with all balancings"
        compared = part[part["balancing"].isin(kinds)]
        note = _shared_note(both, compared, f"with {listed(kinds)}", len(kinds))
        few = [f"{kind} ({counted(counts[kind], 'setting')})" for kind in ordered if kind not in kinds]
        note += f" Left out, since few were run: {', '.join(few)}." if few else ""
        return _by_group(title, [("", compared)], "balancing", kinds, note=note)


@dataclass(frozen=True)
class _Small:
    """Figs. 19–20: the most accurate of the small networks, on each dataset."""

    size: int

    def __call__(self, frame: "pd.DataFrame", title: str) -> bytes | str:
        part = frame[frame["size"] == self.size]
        if part.empty:
            return f"no run has {self.size} pixels"
        return draw_small(part, title) or (
            f"no network below {SMALL / 1e6:.0f} million parameters was run at {self.size} pixels"
        )


def _by_group(
    title: str,
    parts: "Sequence[tuple[str, pd.DataFrame]]",
    column: str,
    kinds: Sequence[str],
    *,
    note: str,
) -> bytes:
    """Draw a panel per part and measure, a group per dataset, a series per value of the column."""
    panels = [
        (
            f"{words}{MEASURES[name]}",
            name,
            part if column == "pretraining" else matched(part, column, kinds, name),
        )
        for words, part in parts
        for name in MEASURES
    ]
    panels = [
        (words, name, shared.dropna(subset=[f"{name}_accuracy"]))
        for words, name, shared in panels
        if shared[f"{name}_accuracy"].notna().any()
    ]
    most = max(shared["dataset"].nunique() for *_, shared in panels)
    figure, axes = new_figure(title, len(panels), width=_width(most, len(kinds)), columns=2, note=note)
    for at, (words, name, shared) in zip(axes, panels, strict=True):
        labels = {}
        for dataset, group in shared.groupby("dataset", sort=False):
            count = group.groupby(
                [key for key in ("network", "pretraining", "balancing") if key != column]
            ).ngroups
            labels[dataset] = _with_count(str(dataset), count)
        bars: Bars = {
            kind: {
                labels[dataset]: bar
                for dataset, group in shared[shared[column] == kind].groupby("dataset", sort=False)
                if (bar := _mean(group, name)) is not None
            }
            for kind in kinds
        }
        grouped_bars(at, bars, words, list(labels.values()))
    return to_png(figure)


def _width(groups: int, series: int) -> float:
    """Return the width of a panel in inches, wider where it has many bars."""
    return max(4.6, 4.6 * groups * series / _ROOM)


def _with_count(name: str, settings: int) -> str:
    return f"{name}\n{counted(settings, 'setting')}"


def _shared_note(shared: "pd.DataFrame", of: "pd.DataFrame", where: str, sides: int) -> str:
    """Return what the bars are means over, and how many settings are in none of them."""
    left = len(of) - len(shared)
    note = f"Means over {counted(len(shared) // sides, 'setting')} (dots), run {where}."
    return note + (f" {counted(left, 'other result')} in no bar." if left else "")


def _mean(group: "pd.DataFrame", measure: str) -> Bar | None:
    """Return the mean of a group's accuracies, with an interval for a single setting."""
    known: Any = group.dropna(subset=[f"{measure}_accuracy"])
    if known.empty:
        return None
    values = [float(value) for value in known[f"{measure}_accuracy"]]
    interval = None
    if len(values) == 1:
        row = known.iloc[0]
        interval = (float(row[f"{measure}_low"]), float(row[f"{measure}_high"]))
    chance = 1 / float(known[f"{measure}_classes"].max())
    return Bar(sum(values) / len(values), interval, values, chance)
