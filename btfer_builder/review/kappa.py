"""Cohen's and Fleiss' κ and Krippendorff's α, with percentile bootstrap intervals."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Kappa:
    """A κ (1: perfect agreement, 0: agreement by chance) and its interval; NaN where undefined.

    κ is undefined if all answers are the same, since the agreement expected by chance is 1.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return value and interval with None for NaN."""
        number = [None if math.isnan(n) else float(n) for n in (self.value, self.low, self.high)]
        return {"kappa": number[0], "interval": number[1:]}


def cohen(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    classes: int,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Kappa:
    """Return Cohen's κ (1960) of two reviewers.

    Parameters
    ----------
    first, second
        int64 of shape (items,): the answer of each reviewer to each item, 0 to `classes` - 1.
    classes
        Number of possible answers.
    resamples, confidence, rng
        Settings of the bootstrap over items.
    """
    from sklearn.metrics import cohen_kappa_score

    if len(first) == 0:
        return Kappa(math.nan, math.nan, math.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # an undefined κ is NaN
        value = float(cohen_kappa_score(first, second, labels=np.arange(classes)))
    cells, counts = np.unique(first * classes + second, return_counts=True)
    drawn = _resampled(counts, resamples, rng)
    tables = np.zeros((resamples, classes * classes))
    tables[:, cells] = drawn
    tables = tables.reshape(resamples, classes, classes) / len(first)
    observed = np.trace(tables, axis1=1, axis2=2)
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1)
    return _with_interval(value, observed, expected, confidence)


def fleiss(counts: NDArray[np.int64], resamples: int, confidence: float, rng: np.random.Generator) -> Kappa:
    """Return Fleiss' κ (1971) of any number of reviewers; with two columns, κ of one class against the rest.

    Parameters
    ----------
    counts
        int64 of shape (items, classes): how many reviewers gave each answer to each item; all rows have the same sum.
    resamples, confidence, rng
        Settings of the bootstrap over items.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa

    raters = int(counts[0].sum()) if len(counts) else 0
    if raters < 2:
        return Kappa(math.nan, math.nan, math.nan)
    with np.errstate(all="ignore"):
        value = float(fleiss_kappa(counts))
    rows, times = np.unique(counts, axis=0, return_counts=True)
    drawn = _resampled(times, resamples, rng) / len(counts)
    observed = drawn @ (((rows**2).sum(axis=1) - raters) / (raters * (raters - 1)))
    expected = ((drawn @ rows / raters) ** 2).sum(axis=1)
    return _with_interval(value, observed, expected, confidence)


def krippendorff(
    counts: NDArray[np.int64], resamples: int, confidence: float, rng: np.random.Generator
) -> Kappa:
    """Return Krippendorff's α of nominal answers (2011, "Computing Krippendorff's Alpha-Reliability", part C).

    Unlike Fleiss' κ it takes items that some reviewers did not answer.

    Parameters
    ----------
    counts
        int64 of shape (items, classes): how many reviewers gave each answer to each item. Items with fewer than two
        answers do not count.
    resamples, confidence, rng
        Settings of the bootstrap over items.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Kappa(math.nan, math.nan, math.nan)
    rows, times = np.unique(counts, axis=0, return_counts=True)
    answers = rows.sum(axis=1)
    alike = (rows * (rows - 1)).sum(axis=1) / (
        answers - 1
    )  # pairs of equal answers; an item counts by its answers

    def agreement(weights: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        total, values = weights @ answers, weights @ rows
        return weights @ alike / total, (values * (values - 1)).sum(axis=-1) / (total * (total - 1))

    observed, expected = agreement(times)
    value = float((observed - expected) / (1 - expected)) if expected < 1 else math.nan
    return _with_interval(value, *agreement(_resampled(times, resamples, rng)), confidence)


def _resampled(counts: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each kind of item occurs in each bootstrap resample."""
    # Drawing items with replacement draws kinds of items from a multinomial distribution.
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=resamples)


def _with_interval(
    value: float, observed: NDArray[np.float64], expected: NDArray[np.float64], confidence: float
) -> Kappa:
    if math.isnan(value):
        return Kappa(math.nan, math.nan, math.nan)
    defined = expected < 1 - 1e-12  # a resample may contain a single answer
    kappas = (observed[defined] - expected[defined]) / (1 - expected[defined])
    if not len(kappas):
        return Kappa(value, math.nan, math.nan)
    low, high = np.quantile(kappas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Kappa(value, float(low), float(high))
