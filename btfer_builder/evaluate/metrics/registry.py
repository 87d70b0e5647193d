"""The metrics of a report: one entry each, from which bootstrap, JSON, report and leaderboard take everything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.bootstrap import Statistics, bootstrap_intervals, roc_auc_of_draws
from btfer_builder.evaluate.metrics.calibration import covered_accuracy
from btfer_builder.evaluate.metrics.outcomes import Outcomes, Resamples
from btfer_builder.evaluate.metrics.scores import (
    BINS,
    SMALLEST,
    Interval,
    Table,
    bin_of,
    brier_parts,
    expected_calibration_error,
    in_top2,
    log_loss,
    one_hot,
    share_interval,
)
from btfer_builder.labels import EMOTIONS

#: Returns a metric of every draw, shape (draws,).
Statistic = Callable[[Resamples], Table]


@dataclass(frozen=True, slots=True)
class Wilson:
    """Wilson's interval (`share_interval`) of a metric that is a share of faces: `hits` marks those that count."""

    hits: Callable[[Outcomes], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Bootstrap interval: `prepare` is called once for a set and returns the statistic of its draws."""

    prepare: Callable[[Outcomes], Statistic]


@dataclass(frozen=True, slots=True)
class Text:
    """How a metric is shown.

    Attributes
    ----------
    label
        Its name.
    meaning
        One sentence.
    unit
        `percent` for shares, else what follows the number.
    sections
        The parts of the report that show it.
    """

    label: str
    meaning: str
    unit: Literal["percent", "nats", ""] = "percent"
    sections: tuple[Literal["headline", "calibration"], ...] = ("headline",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a model on a set.

    Attributes
    ----------
    name
        Of the metric, and of its interval in `metrics.json`.
    function
        Returns its value, None where it is not defined.
    interval
        How its 95 % interval is computed; None for no interval.
    text
        How it is shown.
    key
        Its place in `metrics.json`, with a dot before a key inside; empty for the name.
    leaderboard
        `file` for a column of `leaderboard.csv` and `comparison.json`, `table` also for one of the shown tables.
    of_probabilities
        Whether it needs probabilities; it is None where a model's outputs are only scores.
    """

    name: str
    function: Callable[[Outcomes], float | None]
    interval: Wilson | Bootstrap | None
    text: Text
    key: str = ""
    leaderboard: Literal["", "file", "table"] = ""
    of_probabilities: bool = False

    def write(self, value: float | None, metrics: dict[str, Any]) -> None:
        """Put a value into the form of `metrics.json`."""
        *outer, last = (self.key or self.name).split(".")
        for key in outer:
            metrics = metrics.setdefault(key, {})
        metrics[last] = value

    def read(self, metrics: dict[str, Any]) -> float | None:
        """Return the value out of a `metrics.json`; None where it has none."""
        value: Any = metrics
        for key in (self.key or self.name).split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value  # type: ignore[no-any-return]  # JSON


def mean_of(values: Callable[[Outcomes], Table]) -> Bootstrap:
    """Return the bootstrap of the mean of one value a face."""

    def prepare(outcomes: Outcomes) -> Statistic:
        parts = values(outcomes).astype(np.float32)
        return lambda resamples: resamples.mean(parts)

    return Bootstrap(prepare)


def of_confusion(function: Callable[[Table], Table]) -> Bootstrap:
    """Return the bootstrap of a function of confusion matrices: (draws, 7, 7) to (draws,)."""
    return Bootstrap(lambda _: lambda resamples: function(resamples.confusion))


def _confusion_statistic(name: str) -> Bootstrap:
    return Bootstrap(lambda _: lambda resamples: resamples.confusion_statistics[name])


def _roc_auc(outcomes: Outcomes) -> float | None:
    known = [area for area in outcomes.roc_auc_per_class.values() if area is not None]
    return sum(known) / len(known) if known else None


def _roc_auc_bootstrap(outcomes: Outcomes) -> Statistic:
    areas = roc_auc_of_draws(outcomes.true, outcomes.probabilities, outcomes.lacking)
    return lambda resamples: areas(resamples.counts)


def _ece_bootstrap(outcomes: Outcomes) -> Statistic:
    confidence = outcomes.probabilities.max(axis=1)
    correct = outcomes.predicted == outcomes.true
    bins = one_hot(bin_of(outcomes.probabilities), BINS)
    gaps = (bins * (confidence - correct)[:, np.newaxis]).astype(np.float32)

    def statistic(resamples: Resamples) -> Table:
        total = resamples.counts.sum(axis=1, dtype=np.float64)
        sums = np.abs((resamples.counts @ gaps).astype(np.float64)).sum(axis=1)
        error: Table = sums / np.where(total > 0, total, np.nan)
        return error

    return statistic


def _log_losses(outcomes: Outcomes) -> Table:
    chosen = outcomes.probabilities[np.arange(len(outcomes.true)), outcomes.true]
    losses: Table = -np.log(chosen.clip(SMALLEST, 1))
    return losses


def _top2_hits(outcomes: Outcomes) -> NDArray[np.bool_]:
    values = outcomes.probabilities if outcomes.ranking is None else outcomes.ranking
    if outcomes.probabilistic:
        values = np.where(
            outcomes.probabilities > 0, values, -np.inf
        )  # what is impossible is not its second choice
    return in_top2(outcomes.true, outcomes.predicted, values)


def _covered(coverage: float) -> Metric:
    """Return the metric of the accuracy on the faces of which the model is surest."""

    def prepare(outcomes: Outcomes) -> Statistic:
        correct, confidence = outcomes.predicted == outcomes.true, outcomes.probabilities.max(axis=1)
        return lambda resamples: covered_accuracy(correct, confidence, coverage, resamples.counts)

    return Metric(
        f"accuracy_at_{coverage:.0%}".rstrip("%"),
        lambda outcomes: float(
            covered_accuracy(
                outcomes.predicted == outcomes.true, outcomes.probabilities.max(axis=1), coverage
            )[0]
        ),
        Bootstrap(prepare),
        Text(
            f"Accuracy at {coverage:.0%} coverage",
            f"Accuracy on the {coverage:.0%} of the faces of which the model is surest.",
            sections=("calibration",),
        ),
        of_probabilities=True,
    )


#: Every metric, by name, in the order in which reports show them. A new metric is one entry here.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            lambda outcomes: outcomes.scores.accuracy,
            Wilson(lambda outcomes: outcomes.predicted == outcomes.true),
            Text("Accuracy", "Share of faces whose emotion is predicted correctly."),
            leaderboard="table",
        ),
        Metric(
            "macro_f1",
            lambda outcomes: outcomes.scores.macro_f1,
            _confusion_statistic("macro_f1"),
            Text("Macro F1", "Mean F1 of the emotions that have faces."),
            key="macro.f1",
            leaderboard="table",
        ),
        Metric(
            "macro_recall",
            lambda outcomes: outcomes.scores.macro_recall,
            _confusion_statistic("macro_recall"),
            Text(
                "Macro recall", "Mean recall of the emotions that have faces; also called balanced accuracy."
            ),
            key="macro.recall",
        ),
        Metric(
            "balanced_accuracy",
            lambda outcomes: outcomes.scores.macro_recall,
            None,  # that of the macro recall
            Text("Balanced accuracy", "Another name of the macro recall.", sections=()),
            leaderboard="file",
        ),
        Metric(
            "macro_precision",
            lambda outcomes: outcomes.scores.macro_precision,
            _confusion_statistic("macro_precision"),
            Text("Macro precision", "Mean precision of the emotions that have faces."),
            key="macro.precision",
        ),
        Metric(
            "top2_accuracy",
            lambda outcomes: float(_top2_hits(outcomes).sum() / len(outcomes.true)),
            Wilson(_top2_hits),
            Text("Top-2 accuracy", "Share of faces whose emotion is one of the two most probable."),
        ),
        Metric(
            "roc_auc",
            _roc_auc,
            Bootstrap(_roc_auc_bootstrap),
            Text("ROC-AUC", "Area under the ROC curve, each emotion against the rest, averaged."),
            of_probabilities=True,
        ),
        Metric(
            "ece",
            lambda outcomes: expected_calibration_error(outcomes.reliability),
            Bootstrap(_ece_bootstrap),
            Text(
                "Expected calibration error",
                f"Mean distance of confidence and accuracy over {BINS} equal bins of confidence.",
                sections=("headline", "calibration"),
            ),
            leaderboard="file",
            of_probabilities=True,
        ),
        Metric(
            "log_loss",
            lambda outcomes: log_loss(outcomes.true, outcomes.probabilities),
            mean_of(_log_losses),
            Text("Log loss", "Mean of −ln p(true).", "nats", ("calibration",)),
            of_probabilities=True,
        ),
        Metric(
            "brier",
            lambda outcomes: float(brier_parts(outcomes.true, outcomes.probabilities).mean()),
            mean_of(lambda outcomes: brier_parts(outcomes.true, outcomes.probabilities)),
            Text("Brier score", "Mean of Σ (p − y)² over the seven emotions, 0 to 2.", "", ("calibration",)),
            of_probabilities=True,
        ),
        _covered(0.8),
        _covered(0.9),
    )
}


def metrics_in(leaderboard: Literal["file", "table"]) -> list[Metric]:
    """Return the metrics of the leaderboard's files, or those of its shown tables."""
    shown = {"file", "table"} if leaderboard == "file" else {"table"}
    return [metric for metric in METRICS.values() if metric.leaderboard in shown]


def metric_values(outcomes: Outcomes) -> dict[str, float | None]:
    """Return the value of every metric by name."""
    defined = _defined(outcomes)
    return {name: metric.function(outcomes) if name in defined else None for name, metric in METRICS.items()}


def _defined(outcomes: Outcomes) -> set[str]:
    return {name for name, metric in METRICS.items() if outcomes.probabilistic or not metric.of_probabilities}


def metric_intervals(outcomes: Outcomes, *, resamples: int, seed: int) -> dict[str, Interval]:
    """Return the 95 % intervals by name: of every metric, and `f1_<emotion>`.

    Without resamples, and for a single face or source, there are Wilson's intervals only.
    """
    n = len(outcomes.true)
    wilsons = {
        name: share_interval(metric.interval.hits(outcomes), outcomes.sources)
        for name, metric in METRICS.items()
        if isinstance(metric.interval, Wilson)
    }
    return wilsons | bootstrap_intervals(
        metric_statistics(outcomes), n, resamples=resamples, seed=seed, sources=outcomes.sources
    )


def metric_statistics(outcomes: Outcomes) -> Statistics:
    """Return what computes all metrics with a bootstrap interval, and `f1_<emotion>`, for draws of faces."""
    size = len(EMOTIONS)
    cells = one_hot(outcomes.true * size + outcomes.predicted, size * size)
    prepared = {
        name: metric.interval.prepare(outcomes)
        for name, metric in METRICS.items()
        if isinstance(metric.interval, Bootstrap) and name in _defined(outcomes)
    }

    def statistics(counts: NDArray[np.float32]) -> dict[str, Table]:
        resamples = Resamples(counts, cells)
        per_class = {f"f1_{emotion}": resamples.confusion_statistics[f"f1_{emotion}"] for emotion in EMOTIONS}
        return {name: statistic(resamples) for name, statistic in prepared.items()} | per_class

    return statistics
