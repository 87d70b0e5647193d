"""Compare reports: a leaderboard of the models on each set, with paired tests of their differences."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.agreement import agreement, kappa
from btfer_builder.evaluate.metrics.bootstrap import bca, draws, tails
from btfer_builder.evaluate.metrics.outcomes import Resamples
from btfer_builder.evaluate.metrics.power import MIN_SOURCES, between_models
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
from btfer_builder.evaluate.metrics.sources import design_effect, is_shared
from btfer_builder.evaluate.report.board import ALPHA, Leaderboard, ModelPair, Row
from btfer_builder.evaluate.report.collect import conflicts
from btfer_builder.evaluate.report.model_names import distinct_names
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.evaluate.signature import parse_signature
from btfer_builder.labels import EMOTIONS


def compare_reports(
    reports: Sequence[ReadReport], *, resamples: int = 10_000, seed: int = 0
) -> list[Leaderboard]:
    """Rank models, in one leaderboard for each set they were scored on.

    Parameters
    ----------
    reports
        At least one. The hash of the contents of a set decides which stand in one leaderboard.
    resamples, seed
        Of the paired bootstrap; the same faces are drawn for all models.

    Raises
    ------
    BtferError
        If reports on one set list other faces or labels.
    """
    sets: dict[str, list[ReadReport]] = {}
    for report in _named(reports):
        sets.setdefault(report.set_digest, []).append(report)
    numbered = {Path(str(number)): report for number, report in enumerate(reports)}
    for why in conflicts(numbered).values():
        raise BtferError(why)
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
    every = sorted(
        reports,
        key=lambda report: (-report.metrics["accuracy"], -report.metrics["macro"]["f1"], report.model),
    )
    ordered = [report for report in every if report.faces]
    correct = [report.true == report.predicted for report in ordered]
    positions = list(combinations(range(len(ordered)), 2))
    sources = _sources(ordered)
    p_values = [mcnemar(correct[a], correct[b], sources) for a, b in positions]
    corrected = holm(p_values)
    # All draws of a single source are equal.
    drawn = _draw(ordered, sources, resamples, seed) if positions and len(np.unique(sources)) > 1 else {}
    different = np.zeros((len(ordered), len(ordered)), dtype=bool)
    pairs = []
    level, between = ALPHA / max(1, len(positions)), tails(sources)
    for (a, b), p_value, p_holm in zip(positions, p_values, corrected, strict=True):
        different[a, b] = different[b, a] = p_holm < ALPHA
        pair = _pair(ordered[a], ordered[b], (p_value, p_holm), _differences(drawn, a, b), between)
        pairs.append(replace(pair, detectable=_detectable(correct[a], correct[b], sources, level)))
    accuracies = [report.metrics["accuracy"] for report in ordered]
    ranks, means = shared_ranks(accuracies, different), mean_ranks(correct) if ordered else []
    best = (ordered or every)[0].metrics["accuracy"]
    return Leaderboard(
        set_name=every[0].set_name,
        set_hash=every[0].set_digest[:8],
        n=every[0].metrics["n"],
        rows=tuple(
            _row(report, rank, ranks.count(rank) > 1, mean, best)
            for report, rank, mean in zip(ordered, ranks, means, strict=True)
        ),
        pairs=tuple(pairs),
        tied=tuple(cliques(different)),
        p_any=cochran_q(correct, sources) if ordered else 1.0,
        notes=_notes(every),
        detectable=next((report.detectable for report in every if report.detectable), ()),
        human=next((report.human for report in every if report.human), None),
        unpaired=tuple(_row(report, None, False, None, best) for report in every if not report.faces),
        sources=len(np.unique(sources)) if ordered else None,
        reports=tuple(ordered),
    )


def _sources(reports: Sequence[ReadReport]) -> NDArray[np.int64]:
    """Return the sources of the faces, as most of the reports that know any shared ones state them."""
    stated: dict[bytes, list[NDArray[np.int64]]] = {}
    for report in reports:
        if is_shared(report.sources):
            _, first, of_face = np.unique(report.sources, return_index=True, return_inverse=True)
            stated.setdefault(first[of_face].tobytes(), []).append(report.sources)
    if stated:
        return max(stated.values(), key=len)[0]
    return np.arange(len(reports[0].faces)) if reports else np.zeros(0, np.int64)


def _detectable(first: Correct, second: Correct, sources: NDArray[np.int64], alpha: float) -> float | None:
    differences = first.astype(np.float64) - second
    if len(np.unique(sources)) < MIN_SOURCES:
        return None
    independent = len(first) / design_effect(differences, sources)
    return between_models(float(np.abs(differences).mean()), independent, alpha)


def _row(report: ReadReport, rank: int | None, tied: bool, mean_rank: float | None, best: float) -> Row:
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
    first: ReadReport,
    second: ReadReport,
    p_values: tuple[float, float],
    drawn: dict[str, Table],
    between: Interval,
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
        accuracy_interval_95=bca(drawn["accuracy"], None, accuracy, between) if drawn else None,
        macro_f1_difference=f1,
        macro_f1_interval_95=bca(drawn["macro_f1"], None, f1, between) if drawn else None,
        p_value=p_values[0],
        p_holm=p_values[1],
        identical=bool((first.predicted == second.predicted).all()),
        agreement=agreement(first.predicted, second.predicted),
        kappa=kappa(first.predicted, second.predicted),
    )


def _draw(
    reports: Sequence[ReadReport], sources: NDArray[np.int64], resamples: int, seed: int
) -> dict[str, list[Table]]:
    """Return accuracy and macro F1 of every model on the same draws of faces, or of the sources that faces share."""
    size = len(EMOTIONS)
    cells = [one_hot(report.true * size + report.predicted, size * size) for report in reports]
    collected: dict[str, list[list[Table]]] = {"accuracy": [], "macro_f1": []}
    for counts in draws(len(reports[0].true), resamples, seed, sources):
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
