"""Calibration that helps: a temperature fitted on other faces, and accuracy where a model may decline to answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.scores import (
    SMALLEST,
    Interval,
    Table,
    brier_parts,
    expected_calibration_error,
    log_loss,
    reliability,
)
from btfer_builder.evaluate.metrics.sources import design_effect

#: Temperatures among which the best one is searched.
RANGE = (0.05, 20.0)

#: Shares of the faces at which the curve of risk and coverage is listed.
COVERAGES = tuple(step / 20 for step in range(1, 21))


@dataclass(frozen=True, slots=True)
class Coverage:
    """The accuracy on the share `coverage` of the faces of which a model is surest; the risk is 1 − accuracy."""

    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Temperature:
    """Probabilities after scaling by a temperature that was fitted on other faces.

    Attributes
    ----------
    n
        Number of faces on which it was fitted.
    temperature
        Above 1 the model is too sure of itself, below 1 not sure enough.
    log_loss, ece, brier
        On the set, with scaled probabilities. The answers remain.
    log_loss_change, log_loss_change_interval_95
        The scaled log loss minus that without scaling; below 0 it helps. 95 % interval of the mean (Student's t),
        over sources where faces share them.
    """

    n: int
    temperature: float
    log_loss: float
    ece: float
    brier: float
    log_loss_change: float
    log_loss_change_interval_95: Interval | None


def scaled(probabilities: Table, temperature: float) -> Table:
    """Return probabilities ∝ p^(1/T), of shape (n, 7): of a softmax, those of its logits over T (Guo et al. 2017)."""
    logs = np.log(probabilities.clip(SMALLEST, 1)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True)) * (probabilities > 0)
    shares: Table = powers / powers.sum(axis=1, keepdims=True)
    return shares


def fit_temperature(true: NDArray[np.int64], probabilities: Table) -> float:
    """Return the temperature of the smallest log loss, from 0.05 to 20.

    Parameters
    ----------
    true, probabilities
        Of faces outside the set that is scored, shapes (n,) and (n, 7).
    """
    from scipy.optimize import minimize_scalar

    low, high = np.log(RANGE)
    found = minimize_scalar(
        lambda log: log_loss(true, scaled(probabilities, float(np.exp(log)))),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def with_temperature(outcomes: Outcomes, temperature: float, n: int) -> Temperature:
    """Score the outcomes of a set with scaled probabilities; `n` faces were used to fit the temperature."""
    from scipy.stats import t

    after, rows = scaled(outcomes.probabilities, temperature), np.arange(len(outcomes.true))
    before_loss, after_loss = (
        -np.log(table[rows, outcomes.true].clip(SMALLEST, 1)) for table in (outcomes.probabilities, after)
    )
    changes = after_loss - before_loss
    sources = outcomes.sources
    size = len(rows) if sources is None else len(np.unique(sources))
    mean, interval = float(changes.mean()), None
    if size > 1:
        variance = float(changes.var(ddof=1)) / len(rows) * design_effect(changes, sources)
        error = float(t.ppf(0.975, size - 1)) * variance**0.5
        interval = mean - error, mean + error
    return Temperature(
        n,
        temperature,
        float(after_loss.mean()),
        expected_calibration_error(reliability(outcomes.true, outcomes.predicted, after)),
        float(brier_parts(outcomes.true, after).mean()),
        mean,
        interval,
    )


def covered_accuracy(
    correct: NDArray[np.bool_],
    confidence: Table,
    coverage: float,
    counts: NDArray[np.floating[Any]] | None = None,
) -> Table:
    """Return the accuracy on the share of the faces with the largest confidence, shape (draws,).

    Parameters
    ----------
    correct, confidence
        Of the faces, shape (n,). Faces of equal confidence are covered in equal parts.
    coverage
        More than 0, at most 1.
    counts
        How often each face is drawn, shape (draws, n); None for each once.
    """
    order = np.argsort(-confidence, kind="stable")
    begins = np.flatnonzero(np.diff(-confidence[order], prepend=-np.inf))  # of faces of equal confidence
    drawn = (np.ones((1, len(order))) if counts is None else counts)[:, order]
    sizes, hits = (
        np.add.reduceat(part, begins, axis=1, dtype=np.float64) for part in (drawn, drawn * correct[order])
    )
    total = coverage * sizes.sum(axis=1, keepdims=True)
    taken = (total - (sizes.cumsum(axis=1) - sizes)).clip(0, sizes)
    shares = np.divide(hits, sizes, out=np.zeros_like(hits), where=sizes > 0)
    accuracy: Table = (taken * shares).sum(axis=1) / np.where(total > 0, total, np.nan)[:, 0]
    return accuracy


def risk_coverage(outcomes: Outcomes) -> tuple[Coverage, ...]:
    """Return the accuracy at coverages of 5 to 100 %; empty where outputs are no probabilities."""
    if not outcomes.probabilistic:
        return ()
    correct, confidence = outcomes.predicted == outcomes.true, outcomes.probabilities.max(axis=1)
    return tuple(
        Coverage(share, float(covered_accuracy(correct, confidence, share)[0])) for share in COVERAGES
    )
