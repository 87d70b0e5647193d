"""From true and predicted emotions to accuracy, precision, recall, F1, ranking and calibration (§4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.labels import EMOTIONS, Emotion

#: Equal bins of confidence in the reliability diagram (Guo et al. 2017, "On Calibration", §2).
BINS = 15

#: Probabilities are not taken for smaller than this in the log loss, as in scikit-learn.
SMALLEST = float(np.finfo(np.float64).eps)

Interval = tuple[float, float]
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 in 0…1 of one emotion, and its number of faces in the set.

    The intervals are 95 % Wilson ones; None where there is nothing to divide by.
    """

    precision: float
    recall: float
    f1: float
    support: int
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """How well the predictions fit.

    Attributes
    ----------
    n
        Number of faces.
    accuracy
        Share of right answers, 0…1.
    accuracy_interval
        95 % Wilson interval of the accuracy.
    macro_precision, macro_recall, macro_f1
        Plain means over the emotions that have faces in the set; macro recall is the balanced accuracy.
    per_class
        One score for each of the seven emotions, in order.
    confusion
        7 rows (true) of 7 counts (predicted), both in the order of `EMOTIONS`.
    """

    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: dict[Emotion, ClassScore]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The answers of one range of confidence: how many, how sure on average, and how many of them right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class ProbabilityScores:
    """How good the probabilities are, beyond the answers.

    Attributes
    ----------
    top2_accuracy
        Share of faces whose emotion is one of the two likeliest.
    top2_interval
        Its 95 % Wilson interval.
    roc_auc
        Mean over the emotions, each against the rest, that have faces in the set; None if there is one only.
    roc_auc_per_class
        None where an emotion has no faces.
    log_loss
        Mean of −ln p(true), in nats.
    brier
        Mean of Σ (p − y)² over the seven emotions, 0…2.
    ece
        Expected calibration error over 15 equal bins of the highest probability, 0…1.
    reliability
        The bins that have answers.
    """

    top2_accuracy: float
    top2_interval: Interval
    roc_auc: float | None
    roc_auc_per_class: dict[Emotion, float | None]
    log_loss: float
    brier: float
    ece: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class SoftScores:
    """How well the probabilities fit what several reviewers said, on the faces that have their votes.

    Attributes
    ----------
    n
        Faces with the votes of at least two.
    agreed
        Mean share of the votes that say what the model says, 0…1.
    cross_entropy
        Mean of −Σ vote share · ln p, in nats.
    brier
        Mean of Σ (p − vote share)².
    jensen_shannon
        Mean Jensen–Shannon divergence of the votes and the probabilities, in bits, 0…1.
    """

    n: int
    agreed: float
    cross_entropy: float
    brier: float
    jensen_shannon: float


def wilson(hits: int, n: int) -> Interval:
    """Return the 95 % Wilson interval of hits out of n, n at least 1."""
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def score(true: NDArray[np.int64] | Sequence[int], predicted: NDArray[np.int64] | Sequence[int]) -> Scores:
    """Score predictions.

    Parameters
    ----------
    true, predicted
        Positions in `EMOTIONS`, 0…6, of the same length of at least 1.

    Returns
    -------
    Scores
        A ratio with nothing below the line counts as 0 (no face was called fear: its precision is 0).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    order = list(range(len(EMOTIONS)))
    columns = precision_recall_fscore_support(true, predicted, labels=order, zero_division=0)
    matrix = confusion_matrix(true, predicted, labels=order)
    hits, called = np.diag(matrix), matrix.sum(axis=0)
    per_class = {
        emotion: ClassScore(
            float(precision),
            float(recall),
            float(f1),
            int(support),
            wilson(int(hits[k]), int(called[k])) if called[k] else None,
            wilson(int(hits[k]), int(support)) if support else None,
        )
        for k, (emotion, precision, recall, f1, support) in enumerate(zip(EMOTIONS, *columns, strict=True))
    }
    there = [one for one in per_class.values() if one.support]
    n, right = int(matrix.sum()), int(hits.sum())
    return Scores(
        n=n,
        accuracy=right / n,
        accuracy_interval=wilson(right, n),
        macro_precision=sum(one.precision for one in there) / len(there),
        macro_recall=sum(one.recall for one in there) / len(there),
        macro_f1=sum(one.f1 for one in there) / len(there),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
    )


def score_chances(true: NDArray[np.int64], shares: Table) -> ProbabilityScores:
    """Score probabilities.

    Parameters
    ----------
    true
        Positions in `EMOTIONS`, shape (n,), n at least 1.
    shares
        Probabilities of shape (n, 7), rows summing to 1.
    """
    from sklearn.metrics import log_loss, roc_auc_score

    n = len(true)
    within_two = int(in_top2(true, shares).sum())
    aucs: dict[Emotion, float | None] = {}
    for k, emotion in enumerate(EMOTIONS):
        positive = true == k
        aucs[emotion] = float(roc_auc_score(positive, shares[:, k])) if 0 < positive.sum() < n else None
    known = [auc for auc in aucs.values() if auc is not None]
    bins = reliability(true, shares)
    return ProbabilityScores(
        top2_accuracy=within_two / n,
        top2_interval=wilson(within_two, n),
        roc_auc=sum(known) / len(known) if known else None,
        roc_auc_per_class=aucs,
        log_loss=float(log_loss(true, shares, labels=list(range(len(EMOTIONS))))),
        brier=float(brier_parts(true, shares).mean()),
        ece=sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / n,
        reliability=bins,
    )


def score_votes(shares: Table, votes: Table) -> SoftScores | None:
    """Score probabilities against votes, both of shape (n, 7); a row of fewer than two votes is left out.

    None if no face has two votes.
    """
    from scipy.special import rel_entr

    many = votes.sum(axis=1) >= 2
    if not many.any():
        return None
    said = votes[many] / votes[many].sum(axis=1, keepdims=True)
    p = shares[many]
    middle = (said + p) / 2
    # scipy's jensenshannon takes a root, which is NaN where rounding brings two equal rows below 0.
    apart = (rel_entr(said, middle) + rel_entr(p, middle)).sum(axis=1) / (2 * np.log(2))
    return SoftScores(
        n=int(many.sum()),
        agreed=float(said[np.arange(len(p)), p.argmax(axis=1)].mean()),
        cross_entropy=float(-(said * np.log(p.clip(SMALLEST, 1))).sum(axis=1).mean()),
        brier=float(((p - said) ** 2).sum(axis=1).mean()),
        jensen_shannon=float(apart.clip(0, 1).mean()),
    )


def in_top2(true: NDArray[np.int64], shares: Table) -> NDArray[np.bool_]:
    """Say of every face whether its emotion is one of the two likeliest; of equals the first in order, none of 0."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2]
    given = np.take_along_axis(shares, order, axis=1) > 0
    inside: NDArray[np.bool_] = ((order == true[:, np.newaxis]) & given).any(axis=1)
    return inside


def brier_parts(true: NDArray[np.int64], shares: Table) -> Table:
    """Return Σ (p − y)² of every face."""
    parts: Table = ((shares - np.eye(len(EMOTIONS))[true]) ** 2).sum(axis=1)
    return parts


def bin_of(shares: Table) -> NDArray[np.int64]:
    """Return the bin of confidence, 0…14, of every face's answer; a bin holds its upper edge."""
    bins: NDArray[np.int64] = (np.ceil(shares.max(axis=1) * BINS).astype(np.int64) - 1).clip(0, BINS - 1)
    return bins


def reliability(true: NDArray[np.int64], shares: Table) -> tuple[ReliabilityBin, ...]:
    """Return the bins of the reliability diagram that have answers."""
    sure, right, where = shares.max(axis=1), shares.argmax(axis=1) == true, bin_of(shares)
    return tuple(
        ReliabilityBin(
            k / BINS,
            (k + 1) / BINS,
            int((where == k).sum()),
            float(sure[where == k].mean()),
            float(right[where == k].mean()),
        )
        for k in range(BINS)
        if (where == k).any()
    )
