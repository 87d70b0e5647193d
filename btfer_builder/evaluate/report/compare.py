"""Compare reports: a leaderboard of the models on each set, with paired tests of their differences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.bootstrap import bca, draws
from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.outcomes import Resamples
from btfer_builder.evaluate.metrics.power import MIN_SOURCES, Detectable, between_models
from btfer_builder.evaluate.metrics.registry import metrics_in
from btfer_builder.evaluate.metrics.scores import Interval, Table, one_hot
from btfer_builder.evaluate.metrics.significance import (
    Correct,
    cliques,
    cochran_q,
    holm,
    mcnemar,
    mean_ranks,
    shared_ranks,
)
from btfer_builder.evaluate.metrics.sources import design_effect
from btfer_builder.evaluate.report.model_names import distinct_names
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.evaluate.signature import parse_signature
from btfer_builder.labels import EMOTIONS

#: Level of significance, after Holm's correction.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the leaderboard.

    Attributes
    ----------
    rank, tied
        The rank, and whether another model shares it.
    scores
        Values of the metrics of the leaderboard, by name.
    accuracy_lost
        Difference to the best accuracy, at least 0.
    mean_rank
        Mean rank over the faces.
    """

    rank: int
    tied: bool
    model: str
    scores: dict[str, float | None]
    accuracy_interval_95: Interval
    accuracy_lost: float
    file_bytes: int | None
    parameters: int | None
    latency_p50_ms: float | None
    images_per_second: float | None
    mean_rank: float
    signature: str
    path: str

    @property
    def accuracy(self) -> float:
        """Accuracy, which every report has."""
        return self.scores["accuracy"] or 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which each score is a key."""
        result: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            result |= value if field.name == "scores" else {field.name: value}
        return result


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models on the same faces. Differences are first minus second.

    Attributes
    ----------
    first, second
        The model of the higher accuracy first, significant or not.
    only_first, only_second
        Number of faces that only this model predicts correctly.
    accuracy_difference, accuracy_interval_95, macro_f1_difference, macro_f1_interval_95
        Differences and their paired bootstrap intervals; None without resamples.
    p_value, p_holm
        P-value of McNemar's exact test, and corrected for the number of pairs.
    detectable
        Smallest difference in accuracy of two models that disagree as often as these, which the test detects with
        80 % power at the level of the first step of Holm's correction; None if no difference is enough.
    identical
        Whether both give the same answer for every face.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    accuracy_difference: float
    accuracy_interval_95: Interval | None
    macro_f1_difference: float
    macro_f1_interval_95: Interval | None
    p_value: float
    p_holm: float
    detectable: float | None = None
    identical: bool = False


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The models that were scored on one set of faces.

    Attributes
    ----------
    set_name, set_hash, n
        The set.
    rows
        By accuracy; a rank is 1 plus the number of models that are significantly better.
    pairs
        All pairs.
    tied
        Runs of models, as positions in `rows`, no two of which differ significantly.
    p_any
        P-value of Cochran's Q.
    notes
        Differences of the signatures.
    detectable
        What the set detects at the accuracy of the first model; empty for reports without it.
    human
        How well people do on the set; None where it is not known.
    """

    set_name: str
    set_hash: str
    n: int
    rows: tuple[Row, ...]
    pairs: tuple[ModelPair, ...]
    tied: tuple[tuple[int, ...], ...]
    p_any: float
    notes: tuple[str, ...]
    detectable: tuple[Detectable, ...] = ()
    human: HumanCeiling | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self) | {"rows": [row.to_dict() for row in self.rows]}


def compare_reports(
    reports: Sequence[ReadReport], *, resamples: int = 10_000, seed: int = 0
) -> list[Leaderboard]:
    """Rank models, in one leaderboard for each set they were scored on.

    Parameters
    ----------
    reports
        At least one.
    resamples, seed
        Of the paired bootstrap; the same faces are drawn for all models.
    """
    sets: dict[tuple[str, ...], list[ReadReport]] = {}
    for report in _named(reports):
        parts = parse_signature(report.metrics["signature"])
        sets.setdefault((parts["set"], *report.faces), []).append(report)
    return [_leaderboard(_distinguished(members), resamples, seed) for members in sets.values()]


def _named(reports: Sequence[ReadReport]) -> list[ReadReport]:
    """Name models of the same file name by the part of their paths that distinguishes them."""
    names = distinct_names(
        [
            Path(str(report.metrics.get("model_path", ""))).parent / report.model.rpartition("/")[2]
            for report in reports
        ]
    )
    return [_renamed(report, name) for report, name in zip(reports, names, strict=True)]


def _distinguished(reports: Sequence[ReadReport]) -> list[ReadReport]:
    """Add the report's folder, or its number if it was not saved, to the name that several reports on one set have."""
    names = [report.model for report in reports]
    folders = distinct_names([(report.path or Path(str(n))).resolve() for n, report in enumerate(reports, 1)])
    return [
        _renamed(report, f"{report.model} ({folder})") if names.count(report.model) > 1 else report
        for report, folder in zip(reports, folders, strict=True)
    ]


def _renamed(report: ReadReport, name: str) -> ReadReport:
    return replace(report, metrics=report.metrics | {"model": name})


def _leaderboard(reports: Sequence[ReadReport], resamples: int, seed: int) -> Leaderboard:
    ordered = sorted(
        reports,
        key=lambda report: (-report.metrics["accuracy"], -report.metrics["macro"]["f1"], report.model),
    )
    correct = [report.true == report.predicted for report in ordered]
    positions = list(combinations(range(len(ordered)), 2))
    p_values = [mcnemar(correct[a], correct[b]) for a, b in positions]
    corrected = holm(p_values)
    # All draws of a single face are equal.
    drawn = _draw(ordered, resamples, seed) if positions and len(ordered[0].faces) > 1 else {}
    different = np.zeros((len(ordered), len(ordered)), dtype=bool)
    pairs = []
    sources = min((report.sources for report in ordered), key=lambda groups: len(np.unique(groups)))
    level = ALPHA / max(1, len(positions))
    for (a, b), p_value, p_holm in zip(positions, p_values, corrected, strict=True):
        different[a, b] = different[b, a] = p_holm < ALPHA
        pair = _pair(ordered[a], ordered[b], (p_value, p_holm), _differences(drawn, a, b))
        pairs.append(replace(pair, detectable=_detectable(correct[a], correct[b], sources, level)))
    accuracies = [report.metrics["accuracy"] for report in ordered]
    ranks, means = shared_ranks(accuracies, different), mean_ranks(correct)
    signature = ordered[0].metrics["signature"]
    return Leaderboard(
        set_name=signature.split("|set:")[-1].partition("#")[0],
        set_hash=parse_signature(signature)["set"],
        n=len(ordered[0].faces),
        rows=tuple(
            _row(report, rank, ranks.count(rank) > 1, mean, accuracies[0])
            for report, rank, mean in zip(ordered, ranks, means, strict=True)
        ),
        pairs=tuple(pairs),
        tied=tuple(cliques(different)),
        p_any=cochran_q(correct),
        notes=_notes(ordered),
        detectable=next((report.detectable for report in ordered if report.detectable), ()),
        human=next((report.human for report in ordered if report.human), None),
    )


def _detectable(first: Correct, second: Correct, sources: NDArray[np.int64], alpha: float) -> float | None:
    differences = first.astype(np.float64) - second
    if len(np.unique(sources)) < MIN_SOURCES:
        return None
    independent = len(first) / design_effect(differences, sources)
    return between_models(float(np.abs(differences).mean()), independent, alpha)


def _row(report: ReadReport, rank: int, tied: bool, mean_rank: float, best: float) -> Row:
    metrics, cost = report.metrics, report.metrics.get("efficiency") or {}
    return Row(
        rank=rank,
        tied=tied,
        model=report.model,
        scores={metric.name: metric.read(metrics) for metric in metrics_in("file")},
        accuracy_interval_95=tuple(metrics["accuracy_interval_95"]),
        accuracy_lost=best - metrics["accuracy"],
        file_bytes=cost.get("file_bytes"),
        parameters=cost.get("parameters"),
        latency_p50_ms=cost.get("latency_p50_ms"),
        images_per_second=cost.get("images_per_second"),
        mean_rank=mean_rank,
        signature=metrics["signature"],
        path=str(report.path or ""),
    )


def _pair(
    first: ReadReport, second: ReadReport, p_values: tuple[float, float], drawn: dict[str, Table]
) -> ModelPair:
    of_first, of_second = first.true == first.predicted, second.true == second.predicted
    accuracy = first.metrics["accuracy"] - second.metrics["accuracy"]
    f1 = first.metrics["macro"]["f1"] - second.metrics["macro"]["f1"]
    return ModelPair(
        first=first.model,
        second=second.model,
        only_first=int((of_first & ~of_second).sum()),
        only_second=int((of_second & ~of_first).sum()),
        accuracy_difference=accuracy,
        accuracy_interval_95=bca(drawn["accuracy"], None, accuracy) if drawn else None,
        macro_f1_difference=f1,
        macro_f1_interval_95=bca(drawn["macro_f1"], None, f1) if drawn else None,
        p_value=p_values[0],
        p_holm=p_values[1],
        identical=bool((first.predicted == second.predicted).all()),
    )


def _draw(reports: Sequence[ReadReport], resamples: int, seed: int) -> dict[str, list[Table]]:
    """Return accuracy and macro F1 of every model on the same draws of faces."""
    size = len(EMOTIONS)
    cells = [one_hot(report.true * size + report.predicted, size * size) for report in reports]
    collected: dict[str, list[list[Table]]] = {"accuracy": [], "macro_f1": []}
    for counts in draws(len(reports[0].true), resamples, seed):
        statistics = [Resamples(counts, table).confusion_statistics for table in cells]
        for name, parts in collected.items():
            parts.append([values[name] for values in statistics])
    return {
        name: [np.concatenate([part[model] for part in parts]) for model in range(len(reports))]
        for name, parts in collected.items()
        if parts
    }


def _differences(drawn: dict[str, list[Table]], first: int, second: int) -> dict[str, Table]:
    return {name: values[first] - values[second] for name, values in drawn.items()}


def _notes(reports: Sequence[ReadReport]) -> tuple[str, ...]:
    """Return a sentence for each part in which the signatures of the models of one set differ."""
    sentences = {
        "in": "The preprocessing of the models differs",
        "labels": "The classes of the models differ",
        "leak": "The known leakage differs",
        "btfer": "The scores are of different versions of btfer",
    }
    signatures = [parse_signature(report.metrics["signature"]) for report in reports]
    notes = []
    for part, sentence in sentences.items():
        values = [signature.get(part, "unknown") for signature in signatures]
        if len(set(values)) > 1:
            each = (f"{report.model} {value}" for report, value in zip(reports, values, strict=True))
            notes.append(f"{sentence}: {'; '.join(each)}.")
    return tuple(notes)
