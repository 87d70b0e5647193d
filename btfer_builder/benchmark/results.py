"""The result of a finished run, `result.json`, and the results of a grid as a data frame."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from btfer_builder.config import EvalRecipe, id_settings
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import wilson
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.json import read_json
from btfer_builder.labels import EMOTIONS, Emotion

if TYPE_CHECKING:
    import pandas as pd

#: Version of the form of `result.json`; raised when a number changes its meaning.
SCHEMA = 1

Share = Annotated[float, Meta(ge=0, le=1)]


class ClassScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faces of one emotion in a set, at least 1, and the share of them that is predicted."""

    emotion: Emotion
    n: Annotated[int, Meta(ge=1)]
    recall: Share


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scores of a model on one set.

    Attributes
    ----------
    name
        Name of the split or set.
    set_hash
        Hash of its faces; empty where unknown.
    n
        Number of faces.
    accuracy
        Share of correct predictions, 0…1; a mean for several runs.
    precision, recall, f1
        Macro averages; None where not published.
    per_class
        The emotions of which the set has faces; empty where unknown.
    report
        Folder of the report with its predictions, relative to that of the run; empty if there is none.
    accuracy_interval
        95 % interval of the accuracy, as `btfer eval` computes it, over shared sources. None without a report.
    sources
        Number of photos and creators that the faces are of; None where unknown.
    """

    name: str
    n: Annotated[int, Meta(ge=1)]
    accuracy: Share
    precision: Share | None = None
    recall: Share | None = None
    f1: Share | None = None
    per_class: tuple[ClassScore, ...] = ()
    set_hash: str = ""
    report: str = ""
    accuracy_interval: tuple[Share, Share] | None = None
    sources: Annotated[int, Meta(ge=1)] | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy; of published numbers, which have no faces, it is Wilson's."""
        return self.accuracy_interval or wilson(round(self.accuracy * self.n), self.n)

    @property
    def classes(self) -> int:
        """Number of emotions in the set; all of them where unknown."""
        return len(self.per_class) or len(EMOTIONS)


class _OfReport(msgspec.Struct, frozen=True):
    """What a score keeps of its report."""

    accuracy_interval: tuple[Share, Share] | None
    sources: Annotated[int, Meta(ge=1)] | None
    per_class: tuple[ClassScore, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finished run.

    Attributes
    ----------
    run_id, dataset, size, network, pretraining, balancing, seed
        Its id and setting, as in `RunSetting`.
    params
        Parameters of the network; None where unknown.
    own
        The score on the dataset's own held-out split (the paper's validation accuracy).
    selected_on_own
        Whether that split also chose the best epoch, which makes its accuracy optimistic.
    btfer
        The score on the BTFER sample (the paper's cross-domain accuracy); None without a sample.
    epochs, seconds
        Length of the training; None where unknown.
    note
        A remark on the result.
    scoring
        `scoring_digest` of the settings of both scores.
    """

    run_id: str
    dataset: str
    size: int
    network: str
    pretraining: str
    balancing: str
    seed: int = 0
    params: int | None = None
    own: Score
    selected_on_own: bool = False
    btfer: Score | None = None
    epochs: int | None = None
    seconds: float | None = None
    note: str = ""
    scoring: str = ""
    schema: int = SCHEMA


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed, and the error."""

    run_id: str
    error: str


def scoring_digest(recipe: EvalRecipe) -> str:
    """Return eight digits of the hash over the settings of the scoring; models are scored again if it changes."""
    settings = id_settings(recipe)
    return hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()[:8]


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json` into a run's folder, which marks the run as finished."""
    write_bytes(folder / "result.json", msgspec.json.format(msgspec.json.encode(result)) + b"\n")


def read_result(folder: Path) -> Result | None:
    """Read a run's result; None if it has none.

    Raises
    ------
    BtferError
        If the file is not a result of this version.
    """
    path = folder / "result.json"
    try:
        result = msgspec.convert(read_json(path), Result)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise BtferError(
            f"{path}: not a result of this btfer ({error}); remove the file to run it again"
        ) from None
    if result.schema != SCHEMA:
        raise BtferError(f"{path}: of another version of btfer; remove the file to run it again")
    own, btfer = _completed(result.own, folder), result.btfer and _completed(result.btfer, folder)
    return msgspec.structs.replace(result, own=own, btfer=btfer)


def of_report(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a score keeps of the `metrics.json` of its report: classes, interval and sources."""
    detectable = (metrics.get("detectable") or {}).get("rows") or ()
    whole: list[Any] = [row["sources"] for row in detectable if row["attribute"] == "all"]
    found = {
        "accuracy_interval": metrics.get("accuracy_interval_95"),
        "sources": whole[0] if whole else None,
        "per_class": [
            {"emotion": emotion, "n": values["support"], "recall": values["recall"]}
            for emotion, values in (metrics.get("per_class") or {}).items()
            if values["support"]
        ],
    }
    return msgspec.structs.asdict(msgspec.convert(found, _OfReport))


def _completed(score: Score, folder: Path) -> Score:
    """Return the score with what its report knows: results of earlier versions lack some of it."""
    if not score.report or (score.per_class and score.accuracy_interval):
        return score
    try:
        known = of_report(read_json(folder / score.report / "metrics.json"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BtferError):
        return score  # without its report a result has no classes
    return msgspec.structs.replace(score, **{name: value for name, value in known.items() if value})


def as_frame(results: Sequence[Result]) -> "pd.DataFrame":
    """Return one row per setting with the means over its seeds, in the order of the results.

    Columns are dataset, size, network, pretraining, balancing, params, seeds, split, selected_on_own, note, then for
    `own_` and `btfer_`: n, sources, accuracy, precision, recall, f1, low, high (95 % interval), sd, classes, and for
    each emotion recall_EMOTION and n_EMOTION. Unknown values are NaN.
    """
    import pandas as pd

    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        setting = (result.dataset, result.size, result.network, result.pretraining, result.balancing)
        groups.setdefault(setting, []).append(result)
    rows = []
    for (dataset, size, network, pretraining, balancing), members in groups.items():
        row: dict[str, Any] = {
            "dataset": dataset,
            "size": size,
            "network": network,
            "pretraining": pretraining,
            "balancing": balancing,
            "params": next((item.params for item in members if item.params), None),
            "seeds": len(members),
            "split": members[0].own.name,
            "selected_on_own": any(item.selected_on_own for item in members),
            "note": "; ".join(dict.fromkeys(item.note for item in members if item.note)),
        }
        row |= _summary("own", [item.own for item in members])
        row |= _summary("btfer", [item.btfer for item in members if item.btfer is not None])
        rows.append(row)
    return pd.DataFrame(rows)


def _summary(name: str, scores: Sequence[Score]) -> dict[str, Any]:
    """Return the means over several seeds, also of the ends of the interval, which is that of one seed's faces."""
    import numpy as np

    fields = ("accuracy", "precision", "recall", "f1")
    columns = ["n", "sources", *fields, "low", "high", "sd", "classes"]
    columns += [f"{value}_{emotion}" for value in ("recall", "n") for emotion in EMOTIONS]
    if not scores:
        return {f"{name}_{column}": np.nan for column in columns}
    summary: dict[str, Any] = {"n": min(score.n for score in scores)}
    for field in fields:
        values = [value for score in scores if (value := getattr(score, field)) is not None]
        summary[field] = float(np.mean(values)) if values else np.nan
    summary["sources"] = min((score.sources for score in scores if score.sources), default=np.nan)
    summary["low"], summary["high"] = (
        float(np.mean(ends)) for ends in zip(*(s.interval for s in scores), strict=True)
    )
    accuracies = [score.accuracy for score in scores]
    summary["sd"] = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else np.nan
    summary["classes"] = min(score.classes for score in scores)
    for emotion in EMOTIONS:
        known = [item for score in scores for item in score.per_class if item.emotion == emotion]
        summary[f"recall_{emotion}"] = float(np.mean([item.recall for item in known])) if known else np.nan
        summary[f"n_{emotion}"] = min(item.n for item in known) if known else np.nan
    return {f"{name}_{column}": summary[column] for column in columns}
