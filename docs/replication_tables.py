"""The settings of the replication, what is kept of its runs, and the tables and the figure made of that."""

import csv
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.benchmark.published import published
from btfer_builder.benchmark.results import Result, Score, read_result

PAGE = Path(__file__).with_name("replication.md")
FIGURE = Path(__file__).with_name("images") / "replication.png"
KEPT = Path(__file__).with_name("replication")

#: As the authors' notebooks; the defaults of `btfer train`; these with the learning rate of the notebook; as the
#: authors, with copies of a face on both sides, too.
PROTOCOLS = ("paper", "defaults", "rate", "chance")
#: Those that train as `btfer train` does without options, but for what they are to explain.
BY_DEFAULT = ("defaults", "rate")
_TITLES = {
    "paper": "As the authors (`--paper`)",
    "defaults": "With the defaults of `btfer train`",
    "rate": "With the defaults and the learning rate of the notebook",
    "chance": "As the authors, faces drawn by chance",
}

#: Most panels of the figure side by side.
_COLUMNS = 3

_TABLES = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->\n)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Setting:
    """A network that a notebook of the authors trained on FER2013 at 48 pixels, from scratch.

    Attributes
    ----------
    network, balancing
        Names as in `btfer train`.
    learning_rate
        The first one in the notebook, which is not always the 1e-4 of §4.2.
    head
        How its feature maps become a vector there.
    params
        Number of parameters that the notebook prints.
    precision
        Ours: large networks on a processor need bfloat16 (`mixed`).
    seeds
        How often we train it.
    large
        Whether it is left out without `--large`, which is for a machine with a GPU.
    """

    network: str
    balancing: str
    params: int
    learning_rate: float = 1e-4
    head: str = "auto"
    precision: str = "float32"
    seeds: int = 1
    large: bool = False

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.network}-{self.balancing}"

    @property
    def authors(self) -> list[Score]:
        """The authors' scores on their held-out split."""
        found = published("fer2013", 48, self.network, "scratch", self.balancing, self.params)
        return [result.own for result in found]


SETTINGS = (
    Setting("lenet5", "simple", 169_271, learning_rate=1e-3, seeds=3),
    Setting("lenet5", "conservative", 169_271, learning_rate=1e-3, seeds=3),
    Setting("sequential-simple", "conservative", 2_489_671, precision="mixed"),
    Setting("sequential-3-conv", "simple", 9_230_023, head="flatten", precision="mixed"),
    Setting("sequential-3-conv", "conservative", 1_365_703, head="gap", precision="mixed"),
    Setting("sequential-4-conv", "simple", 2_840_775, large=True),
    Setting("mnist-net", "simple", 18_328_455, learning_rate=1e-5, large=True),
    Setting("mnist-net", "conservative", 18_328_455, large=True),
    Setting("ensemble", "simple", 2_001_045, large=True),
    Setting("ensemble", "conservative", 2_001_045, large=True),
    Setting("modular", "conservative", 5_337_735, large=True),
    Setting("googlenet", "simple", 5_909_319, large=True),
    Setting("googlenet", "conservative", 5_909_319, large=True),
    Setting("resnet18", "simple", 11_710_919, large=True),
    Setting("resnet18", "conservative", 11_710_919, learning_rate=1e-3, large=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is kept of a run: its history, and its result once it is finished."""

    setting: Setting
    protocol: str
    seed: int
    history: tuple[dict[str, str], ...]
    result: Result | None

    @property
    def accuracies(self) -> list[float]:
        """Accuracy after every epoch on the faces that select it: as the authors, those that are reported."""
        return [float(row["val_accuracy"]) for row in self.history]

    @property
    def hours(self) -> float:
        """Hours of training."""
        return sum(float(row["seconds"]) for row in self.history) / 3600

    @property
    def score(self) -> float:
        """Accuracy on test that is compared: of the last epoch as the authors', else of the saved epoch."""
        assert self.result is not None
        return self.result.own.accuracy if self.protocol in BY_DEFAULT else self.accuracies[-1]


def outcomes(kept: Path = KEPT) -> list[Outcome]:
    """Read what is kept, in the order of `SETTINGS`."""
    found = []
    for setting in SETTINGS:
        for protocol in PROTOCOLS:
            for seed in range(setting.seeds):
                folder = kept / protocol / f"{setting.name}-s{seed}"
                if (folder / "history.csv").is_file():
                    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
                        history = tuple(csv.DictReader(file))
                    found.append(Outcome(setting, protocol, seed, history, read_result(folder)))
    return found


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation over seeds, pooled over the settings with several, and its degrees of freedom."""

    deviation: float
    freedom: int


def pooled_spread(groups: Sequence[Sequence[float]]) -> Spread | None:
    """Return the spread of accuracies of several settings; None if none has two seeds."""
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return None
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in several)
    return Spread(math.sqrt(squares / freedom), freedom)


def half_width(theirs: Score, ours: Sequence[float], n: int, spread: Spread | None) -> float:
    """Return half of the 95 % interval of our mean accuracy minus their one, if both are of the same protocol.

    The two were scored on different draws of test faces, so each adds its sampling error; a single run of theirs and
    the mean of ours differ by the spread over seeds, too. Without a spread the interval is too narrow.
    """
    from scipy.stats import t

    mean = statistics.fmean(ours)
    variance = theirs.accuracy * (1 - theirs.accuracy) / theirs.n + mean * (1 - mean) / n
    if spread is None:
        return 1.96 * math.sqrt(variance)
    repetition = spread.deviation**2 * (1 + 1 / len(ours))
    return math.sqrt((1.96**2) * variance + float(t.ppf(0.975, spread.freedom)) ** 2 * repetition)


def verdict(difference: float, half: float, spread: Spread | None) -> str:
    """Return whether the numbers agree; what one seed cannot decide is open."""
    if abs(difference) <= half:
        return "yes"
    return "**no**" if spread else "open: one seed"


def tables(found: Sequence[Outcome]) -> str:
    """Return the Markdown of both protocols and of the runs that are not finished."""
    parts = []
    for protocol in PROTOCOLS:
        done = [outcome for outcome in found if outcome.protocol == protocol and outcome.result]
        scored = "saved epoch" if protocol in BY_DEFAULT else "last epoch"
        heads = f"network | balancing | parameters | authors | ours, {scored} [95 %] | difference | agrees | "
        heads += "" if protocol in BY_DEFAULT else "best epoch | "
        heads += "macro F1: authors | ours | seeds | n | epochs | hours"
        rows = [_row(group, protocol, done) for group in _groups(done)]
        lines = [f"| {heads} |", "|" + "---|" * (heads.count("|") + 1), *(row for row in rows)]
        parts.append(
            f"### {_TITLES[protocol]}\n\n" + ("\n".join(lines) if rows else "No run is finished yet.")
        )
        spread = pooled_spread([[outcome.score for outcome in group] for group in _groups(done)])
        if spread:
            parts.append(
                f"Standard deviation over seeds: {spread.deviation:.4f} ({spread.freedom} degrees of freedom)."
            )
    cut = [outcome for outcome in found if outcome.result is None]
    if cut:
        lines = [
            f"* {item.setting.name}, {item.protocol}, seed {item.seed}: {len(item.history)} epochs, "
            f"{item.hours:.1f} hours; accuracy {item.accuracies[-1]:.3f} in the last, at most "
            f"{max(item.accuracies):.3f}"
            for item in cut
        ]
        parts.append("### Not finished\n\n" + "\n".join(lines))
    return "\n" + "\n\n".join(parts) + "\n\n"


def _groups(done: Sequence[Outcome]) -> list[list[Outcome]]:
    """Return the seeds of each setting."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in done:
        groups.setdefault(outcome.setting.name, []).append(outcome)
    return list(groups.values())


def _row(group: Sequence[Outcome], protocol: str, done: Sequence[Outcome]) -> str:
    from btfer_builder.evaluate.metrics.scores import wilson

    setting, results = group[0].setting, [outcome.result for outcome in group if outcome.result]
    scores = [result.own for result in results]  # of the saved epochs
    ours, n = [outcome.score for outcome in group], scores[0].n
    mean = statistics.fmean(ours)
    spread = pooled_spread([[outcome.score for outcome in seeds] for seeds in _groups(done)])
    low, high = wilson(round(mean * n), n)
    halves = [half_width(theirs, ours, n, spread) for theirs in setting.authors]
    differences = [mean - theirs.accuracy for theirs in setting.authors]
    answers = [verdict(gap, half, spread) for gap, half in zip(differences, halves, strict=True)]
    cells = [
        setting.network,
        setting.balancing,
        f"{results[0].params:,}",
        ", ".join(f"{theirs.accuracy:.3f}" for theirs in setting.authors),
        f"{mean:.3f} [{low:.3f}, {high:.3f}]",
        ", ".join(f"{gap:+.3f} ± {half:.3f}" for gap, half in zip(differences, halves, strict=True)),
        ", ".join(answers),
        *([] if protocol in BY_DEFAULT else [f"{statistics.fmean(saved.accuracy for saved in scores):.3f}"]),
        ", ".join(f"{theirs.f1:.2f}" for theirs in setting.authors if theirs.f1 is not None),
        f"{statistics.fmean(saved.f1 or 0 for saved in scores):.2f}",
        str(len(group)),
        f"{n:,}",
        ", ".join(str(len(outcome.history)) for outcome in group),
        f"{sum(outcome.hours for outcome in group):.1f}",
    ]
    return "| " + " | ".join(cells).replace("-0.", "−0.") + " |"


def with_tables(page: str, found: Sequence[Outcome]) -> str:
    """Return the page with its tables written again."""
    text, count = _TABLES.subn(lambda _: tables(found), page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} places for results; expected 1")
    return text


def figure(found: Sequence[Outcome]) -> bytes:
    """Draw the accuracy after every epoch beside the authors' number, a panel a setting, as PNG."""
    from matplotlib.ticker import PercentFormatter

    from btfer_builder.images.plot_style import INK, PALETTE, blank_figure, to_png

    shown = [setting for setting in SETTINGS if any(outcome.setting == setting for outcome in found)]
    columns = max(1, min(_COLUMNS, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    drawn = blank_figure(4 * columns, 0.4 + 3 * rows, 120)
    drawn.suptitle(
        "Accuracy after every epoch, and the authors' (dashed)", fontsize=12, color=INK, x=0.01, ha="left"
    )
    panels = drawn.subplots(rows, columns, squeeze=False, sharey=True).flat
    for axes in panels[len(shown) :]:
        axes.remove()
    for axes, setting in zip(panels, shown, strict=False):
        axes.set_title(f"{setting.network}, {setting.balancing}", loc="left", fontsize=9, color=INK)
        for theirs in setting.authors:
            axes.axhline(theirs.accuracy, color=INK, linestyle="--", linewidth=1)
        for outcome in found:
            if outcome.setting == setting:
                color = PALETTE[PROTOCOLS.index(outcome.protocol)]
                label = outcome.protocol if outcome.seed == 0 else None
                axes.plot(range(1, len(outcome.history) + 1), outcome.accuracies, color=color, label=label)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.15)
    return to_png(drawn)
