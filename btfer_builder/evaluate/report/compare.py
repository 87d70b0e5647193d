"""Put reports side by side: a leaderboard with the differences that the data can tell, and those it cannot."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.bootstrap import bca, confusion_statistics, draws
from btfer_builder.evaluate.metrics.scores import Interval, Table
from btfer_builder.evaluate.metrics.significance import (
    cliques,
    cochran_q,
    holm,
    mcnemar,
    mean_ranks,
    shared_ranks,
)
from btfer_builder.evaluate.report.model_names import distinct_names
from btfer_builder.evaluate.signature import parse_signature
from btfer_builder.io.csv import unescape_cell
from btfer_builder.labels import EMOTIONS

#: Below it a difference counts as one, after Holm's correction.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Answers:
    """A report read back: its numbers, and true and predicted positions in `EMOTIONS` by face, sorted by id."""

    path: Path
    metrics: dict[str, Any]
    faces: tuple[str, ...]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.metrics["model"])


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the leaderboard; `tied` if another model shares its rank."""

    rank: int
    tied: bool
    model: str
    accuracy: float
    accuracy_interval_95: Interval
    macro_f1: float
    balanced_accuracy: float
    ece: float | None
    accuracy_lost: float
    file_bytes: int | None
    parameters: int | None
    latency_p50_ms: float | None
    images_per_second: float | None
    mean_rank: float
    signature: str
    path: str


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models on the same faces: first minus second, with what chance makes of it.

    Attributes
    ----------
    first, second
        The one of the higher accuracy first, whether or not that is chance.
    only_first, only_second
        Faces that only this one gets right.
    accuracy_difference, accuracy_interval_95, macro_f1_difference, macro_f1_interval_95
        With paired bootstrap intervals; None without resamples.
    p_value, p_holm
        McNemar's exact test, and corrected for the number of pairs.
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


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The models that were scored on one set of faces.

    Attributes
    ----------
    set_name, set_hash, n
        The set.
    rows
        By accuracy; a rank is 1 and one more for each model that is better beyond chance.
    pairs
        All pairs.
    tied
        Runs of models, as positions in `rows`, no two of which differ beyond chance.
    p_any
        Cochran's Q: chance of such differences if all models were equally good.
    notes
        In what the signatures differ.
    """

    set_name: str
    set_hash: str
    n: int
    rows: tuple[Row, ...]
    pairs: tuple[ModelPair, ...]
    tied: tuple[tuple[int, ...], ...]
    p_any: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def read_report(path: Path) -> Answers:
    """Read a report's folder, or its `metrics.json`.

    Raises
    ------
    BtferError
        If it is no report of `btfer eval`, or was changed by hand.
    """
    folder = path.parent if path.name == "metrics.json" else path
    try:
        metrics = json.loads((folder / "metrics.json").read_bytes())
        with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
            rows = sorted(
                (unescape_cell(row["face_id"]), row["emotion"], row["predicted"])
                for row in csv.DictReader(file)
            )
        true = np.array([EMOTIONS.index(row[1]) for row in rows], dtype=np.int64)
        predicted = np.array([EMOTIONS.index(row[2]) for row in rows], dtype=np.int64)
        answers = Answers(folder, metrics, tuple(row[0] for row in rows), true, predicted)
        _ = answers.model, parse_signature(metrics["signature"])["set"], metrics["macro"]["f1"]
    except (FileNotFoundError, NotADirectoryError):
        raise BtferError(
            f"{path}: no report (it has no metrics.json and predictions.csv); make one with btfer eval"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BtferError(
            f"{path}: not a report of this btfer ({error}); make it again with btfer eval"
        ) from None
    right = int((true == predicted).sum())
    if len(rows) != metrics.get("n") or abs(right / max(len(rows), 1) - metrics["accuracy"]) > 1e-9:
        raise BtferError(
            f"{path}: its predictions.csv and metrics.json disagree; make it again with btfer eval"
        )
    return answers


def compare_reports(
    reports: Sequence[Answers], *, resamples: int = 10_000, seed: int = 0
) -> list[Leaderboard]:
    """Rank models; those scored on different sets come into different tables.

    Parameters
    ----------
    reports
        At least one.
    resamples, seed
        Of the paired bootstrap; the same faces are drawn for all models.
    """
    sets: dict[tuple[str, ...], list[Answers]] = {}
    for report in _named(reports):
        parts = parse_signature(report.metrics["signature"])
        sets.setdefault((parts["set"], *report.faces), []).append(report)
    return [_leaderboard(_told_apart(members), resamples, seed) for members in sets.values()]


def _named(reports: Sequence[Answers]) -> list[Answers]:
    """Call models of the same file name by as much of their paths as tells them apart, in all tables alike."""
    names = distinct_names(
        [
            Path(str(one.metrics.get("model_path", ""))).parent / one.model.rpartition("/")[2]
            for one in reports
        ]
    )
    return [_called(one, name) for one, name in zip(reports, names, strict=True)]


def _told_apart(reports: Sequence[Answers]) -> list[Answers]:
    """Add the report's folder to the name of a model that has several reports on one set."""
    names = [one.model for one in reports]
    folders = distinct_names([one.path.resolve() for one in reports])
    return [
        _called(one, f"{one.model} ({folder})") if names.count(one.model) > 1 else one
        for one, folder in zip(reports, folders, strict=True)
    ]


def _called(report: Answers, name: str) -> Answers:
    return replace(report, metrics=report.metrics | {"model": name})


def _leaderboard(reports: Sequence[Answers], resamples: int, seed: int) -> Leaderboard:
    ordered = sorted(
        reports, key=lambda one: (-one.metrics["accuracy"], -one.metrics["macro"]["f1"], one.model)
    )
    right = [one.true == one.predicted for one in ordered]
    numbers = list(combinations(range(len(ordered)), 2))
    p_values = [mcnemar(right[a], right[b]) for a, b in numbers]
    corrected = holm(p_values)
    # A single face has no other draws than itself.
    drawn = _draw(ordered, resamples, seed) if numbers and len(ordered[0].faces) > 1 else {}
    different = np.zeros((len(ordered), len(ordered)), dtype=bool)
    pairs = []
    for (a, b), p_value, p_holm in zip(numbers, p_values, corrected, strict=True):
        different[a, b] = different[b, a] = p_holm < ALPHA
        pairs.append(_pair(ordered[a], ordered[b], (p_value, p_holm), _differences(drawn, a, b)))
    accuracies = [one.metrics["accuracy"] for one in ordered]
    ranks, means = shared_ranks(accuracies, different), mean_ranks(right)
    first = parse_signature(ordered[0].metrics["signature"])
    named = ordered[0].metrics["signature"].split("|set:")[-1].partition("#")[0]
    return Leaderboard(
        set_name=named,
        set_hash=first["set"],
        n=len(ordered[0].faces),
        rows=tuple(
            _row(one, rank, ranks.count(rank) > 1, mean, accuracies[0])
            for one, rank, mean in zip(ordered, ranks, means, strict=True)
        ),
        pairs=tuple(pairs),
        tied=tuple(cliques(different)),
        p_any=cochran_q(right),
        notes=_notes(ordered),
    )


def _row(report: Answers, rank: int, tied: bool, mean_rank: float, best: float) -> Row:
    metrics, cost = report.metrics, report.metrics.get("efficiency") or {}
    return Row(
        rank=rank,
        tied=tied,
        model=report.model,
        accuracy=metrics["accuracy"],
        accuracy_interval_95=tuple(metrics["accuracy_interval_95"]),
        macro_f1=metrics["macro"]["f1"],
        balanced_accuracy=metrics["macro"]["recall"],
        ece=metrics.get("ece"),
        accuracy_lost=best - metrics["accuracy"],
        file_bytes=cost.get("file_bytes"),
        parameters=cost.get("parameters"),
        latency_p50_ms=cost.get("latency_p50_ms"),
        images_per_second=cost.get("images_per_second"),
        mean_rank=mean_rank,
        signature=metrics["signature"],
        path=str(report.path),
    )


def _pair(
    first: Answers, second: Answers, p_values: tuple[float, float], drawn: dict[str, Table]
) -> ModelPair:
    one, other = first.true == first.predicted, second.true == second.predicted
    accuracy = first.metrics["accuracy"] - second.metrics["accuracy"]
    f1 = first.metrics["macro"]["f1"] - second.metrics["macro"]["f1"]
    return ModelPair(
        first=first.model,
        second=second.model,
        only_first=int((one & ~other).sum()),
        only_second=int((other & ~one).sum()),
        accuracy_difference=accuracy,
        accuracy_interval_95=bca(drawn["accuracy"], None, accuracy) if drawn else None,
        macro_f1_difference=f1,
        macro_f1_interval_95=bca(drawn["macro_f1"], None, f1) if drawn else None,
        p_value=p_values[0],
        p_holm=p_values[1],
    )


def _draw(reports: Sequence[Answers], resamples: int, seed: int) -> dict[str, list[Table]]:
    """Return accuracy and macro F1 of every model on the same draws of faces."""
    classes = len(EMOTIONS)
    cells = []
    for one in reports:
        table = np.zeros((len(one.true), classes * classes), np.float32)
        table[np.arange(len(one.true)), one.true * classes + one.predicted] = 1
        cells.append(table)
    collected: dict[str, list[list[Table]]] = {"accuracy": [], "macro_f1": []}
    for counts in draws(len(reports[0].true), resamples, seed):
        found = [
            confusion_statistics((counts @ table).reshape(-1, classes, classes).astype(np.float64))
            for table in cells
        ]
        for name, parts in collected.items():
            parts.append([one[name] for one in found])
    return {
        name: [np.concatenate([part[model] for part in parts]) for model in range(len(reports))]
        for name, parts in collected.items()
        if parts
    }


def _differences(drawn: dict[str, list[Table]], first: int, second: int) -> dict[str, Table]:
    return {name: values[first] - values[second] for name, values in drawn.items()}


def _notes(reports: Sequence[Answers]) -> tuple[str, ...]:
    """Say in what the signatures of the models of one set differ."""
    words = {
        "in": "The models were fed differently",
        "labels": "The models know different classes",
        "leak": "Leakage was looked up for some only, or differs",
        "btfer": "The scores are of different versions of btfer",
    }
    signatures = [parse_signature(one.metrics["signature"]) for one in reports]
    notes = []
    for part, sentence in words.items():
        values = [one.get(part, "unknown") for one in signatures]
        if len(set(values)) > 1:
            which = "; ".join(f"{one.model} {value}" for one, value in zip(reports, values, strict=True))
            notes.append(f"{sentence}: {which}.")
    return tuple(notes)
