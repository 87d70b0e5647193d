"""Which of the scored models to deploy within limits of size, latency and accuracy (§4.6)."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.metrics.significance import holm, shared_ranks
from btfer_builder.evaluate.report.board import ALPHA, Leaderboard, Row
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.io.text import counted, listed

if TYPE_CHECKING:
    import pandas as pd

#: `recommended`: within the limits, and none within them is significantly better. `worse`: one is. `outside`: beyond a
#: limit. `unknown`: a limited number was not measured, and no other limit is exceeded.
Verdict = Literal["recommended", "worse", "outside", "unknown"]

_ORDER: tuple[Verdict, ...] = ("recommended", "worse", "unknown", "outside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model may cost and must reach; None is no limit.

    Attributes
    ----------
    max_megabytes
        Size of the file in millions of bytes.
    max_parameters
        Number of weights.
    max_latency_ms
        Median milliseconds for one image on the machine that scored the model.
    min_accuracy
        Accuracy on the faces, 0…1.
    """

    max_megabytes: float | None = None
    max_parameters: float | None = None
    max_latency_ms: float | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < math.inf:
                raise BtferError(f"{_option(field.name)}: expected a number of at least 0, got {value!r}")
        if self.min_accuracy is not None and self.min_accuracy > 1:
            raise BtferError(
                f"{_option('min_accuracy')}: expected a share from 0 to 1, got {self.min_accuracy!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A scored model.

    Attributes
    ----------
    model, accuracy, accuracy_interval_95, file_bytes, parameters, latency_p50_ms, path
        As in the leaderboard; None where unknown.
    verdict
        See `Verdict`.
    reasons
        The limits that it exceeds, or numbers that are unknown.
    """

    model: str
    verdict: Verdict
    reasons: tuple[str, ...]
    accuracy: float
    accuracy_interval_95: Interval
    file_bytes: int | None
    parameters: int | None
    latency_p50_ms: float | None
    path: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The models scored on one set, recommended ones first, then by accuracy.

    Attributes
    ----------
    set_name, set_hash, n
        The set of faces.
    candidates
        All models that were scored on it.
    answer
        The result as a sentence.
    notes
        Differences between the reports that affect the choice.
    """

    set_name: str
    set_hash: str
    n: int
    candidates: tuple[Candidate, ...]
    answer: str
    notes: tuple[str, ...]

    @property
    def recommended(self) -> tuple[str, ...]:
        """Names of the recommended models."""
        return tuple(item.model for item in self.candidates if item.verdict == "recommended")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which models to deploy, as `recommend` returns it; one choice for each set of faces."""

    limits: Limits
    choices: tuple[Choice, ...]

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each model: its set, verdict, reasons, accuracy and cost."""
        import pandas as pd

        rows = []
        for choice in self.choices:
            for item in choice.candidates:
                low, high = item.accuracy_interval_95
                row = {"set": f"{choice.set_name}#{choice.set_hash}"} | asdict(item)
                del row["accuracy_interval_95"]
                rows.append(row | {"reasons": "; ".join(item.reasons), "low": low, "high": high})
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer recommend --json`."""
        choices = [asdict(choice) | {"recommended": list(choice.recommended)} for choice in self.choices]
        return {"limits": asdict(self.limits), "choices": choices}

    def _repr_html_(self) -> str:
        """Show the answers and the models in a notebook."""
        shown = self.to_frame()[["set", "model", "verdict", "accuracy", "reasons"]]
        answers = "".join(f"<p>{escape(choice.answer)}</p>" for choice in self.choices)
        return answers + str(shown.round(3).to_html(index=False, border=0))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def recommend_models(reports: Sequence[ReadReport], limits: Limits) -> Recommendation:
    """Choose among scored models; models on different sets of faces are separate choices.

    Within the limits, every model is recommended that no other one is significantly better than (McNemar's exact test,
    Holm-corrected among the models within the limits).

    Parameters
    ----------
    reports
        At least one.
    limits
        What a model may cost and must reach.
    """
    machines: dict[str, set[str]] = {}
    for report in reports:
        machines.setdefault(str(report.path or ""), set()).add(_machine(report))
    boards = compare_reports(reports, resamples=0)
    return Recommendation(limits, tuple(_choose(board, limits, machines) for board in boards))


def _choose(board: Leaderboard, limits: Limits, machines: dict[str, set[str]]) -> Choice:
    checked = [(row, *_check(row, limits)) for row in board.rows]
    fit = [row for row, outside, unknown in checked if not outside and not unknown]
    best = set(_best(board, fit))
    candidates = []
    for row, outside, unknown in checked:
        verdict: Verdict = "recommended" if row.model in best else "worse"
        if outside or unknown:
            verdict = "outside" if outside else "unknown"
        candidates.append(
            Candidate(
                model=row.model,
                verdict=verdict,
                reasons=(*outside, *unknown),
                accuracy=row.accuracy,
                accuracy_interval_95=row.accuracy_interval_95,
                file_bytes=row.file_bytes or None,
                parameters=row.parameters,
                latency_p50_ms=row.latency_p50_ms,
                path=row.path,
            )
        )
    candidates.sort(key=lambda item: (_ORDER.index(item.verdict), -item.accuracy, item.model))
    notes = list(board.notes)
    timed = {name for item in candidates if item.latency_p50_ms for name in machines[item.path]} - {""}
    if limits.max_latency_ms is not None and len(timed) > 1:
        notes.append(f"The latencies are of different machines: {'; '.join(sorted(timed))}.")
    return Choice(
        board.set_name, board.set_hash, board.n, tuple(candidates), _answer(candidates, board), tuple(notes)
    )


def _machine(report: ReadReport) -> str:
    named = str((report.metrics.get("efficiency") or {}).get("machine") or "")
    return named.rpartition(",")[0] or named  # without the library, the last part


def _check(row: Row, limits: Limits) -> tuple[list[str], list[str]]:
    """Return the limits that a model exceeds, and those whose number is unknown."""
    megabytes = row.file_bytes / 1e6 if row.file_bytes else None
    known = (
        ("size", megabytes, limits.max_megabytes, "MB"),
        ("parameters", row.parameters, limits.max_parameters, ""),
        ("latency", row.latency_p50_ms, limits.max_latency_ms, "ms"),
    )
    outside, unknown = [], []
    for name, value, most, unit in known:
        if most is None:
            continue
        if value is None or math.isnan(value):
            unknown.append(f"{name} unknown")
        elif value > most:
            outside.append(f"{name} {value:,.4g} > {most:,.4g} {unit}".strip())
    if limits.min_accuracy is not None and row.accuracy < limits.min_accuracy:
        outside.append(f"accuracy {row.accuracy:.3f} < {limits.min_accuracy:g}")
    return outside, unknown


def _best(board: Leaderboard, fit: Sequence[Row]) -> list[str]:
    """Return the models that no other one that fits is significantly better than."""
    names = [row.model for row in fit]
    pairs = [pair for pair in board.pairs if pair.first in names and pair.second in names]
    different = np.zeros((len(names), len(names)), dtype=bool)
    for pair, p in zip(pairs, holm([pair.p_value for pair in pairs]), strict=True):
        a, b = names.index(pair.first), names.index(pair.second)
        different[a, b] = different[b, a] = p < ALPHA
    ranks = shared_ranks([row.accuracy for row in fit], different)
    return [name for name, rank in zip(names, ranks, strict=True) if rank == 1]


def _answer(candidates: Sequence[Candidate], board: Leaderboard) -> str:
    best = [item for item in candidates if item.verdict == "recommended"]
    unknown = [item for item in candidates if item.verdict == "unknown"]
    if not best:
        more = f"; of {counted(len(unknown), 'model')} a limited number is unknown" if unknown else ""
        return f"no scored model is known to be within all limits{more}"
    highest = [item.model for item in best if item.accuracy == best[0].accuracy]
    among = [pair for pair in board.pairs if pair.first in highest and pair.second in highest]
    verb = "has" if len(highest) == 1 else "have"
    if among and all(pair.identical for pair in among):
        verb = "give identical answers, with"
    answer = f"{listed(highest)} {verb} the highest accuracy within the limits"
    if len(best) == 1:
        return answer
    if others := [item.model for item in best if item.model not in highest]:
        answer += f"; not significantly worse on {counted(board.n, 'face')}: {listed(others)}"
    sized = [(item.file_bytes, item.model) for item in best if item.file_bytes]
    timed = [(item.latency_p50_ms, item.model) for item in best if item.latency_p50_ms]
    for word, values in (("smallest", sized), ("fastest", timed)):
        if values:
            first = [name for value, name in values if value == min(values)[0]]
            answer += f"; {word}: {listed(first)}"
    return answer
