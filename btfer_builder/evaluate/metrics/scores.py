"""Accuracy, precision, recall, F1, ranking and calibration of predicted emotions (§4.1)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.sources import is_shared, source_sums
from btfer_builder.labels import EMOTIONS, Emotion

#: Equal bins of confidence in the reliability diagram (Guo et al. 2017, "On Calibration", §2).
BINS = 15

#: Smallest probability that enters a logarithm, as in scikit-learn.
SMALLEST = float(np.finfo(np.float64).eps)

Interval = tuple[float, float]
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 in 0…1 of one emotion, and its number of faces in the set.

    The intervals are 95 % ones of `share_interval`; None where the denominator is 0.
    """

    precision: float
    recall: float
    f1: float
    support: int
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of predicted emotions.

    Attributes
    ----------
    n
        Number of faces.
    accuracy
        Share of correct predictions, 0…1.
    accuracy_interval
        95 % interval of the accuracy, see `share_interval`.
    macro_precision, macro_recall, macro_f1
        Unweighted means over the emotions that have faces in the set; macro recall is the balanced accuracy.
    per_class
        Scores of each of the seven emotions, in order.
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
    """Predictions of one range of confidence: their number, mean confidence and accuracy."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class SoftScores:
    """How well the probabilities fit the votes of several reviewers, on the faces that have such votes.

    Attributes
    ----------
    n
        Faces with at least two votes.
    agreed
        Mean share of the votes for the predicted emotion, 0…1.
    cross_entropy
        Mean of −Σ vote share · ln p, in nats.
    brier
        Mean of Σ (p − vote share)².
    jensen_shannon
        Mean Jensen–Shannon divergence of the votes and the probabilities, in bits, 0…1.
    voters_cross_entropy
        The cross entropy of the votes with themselves, their mean entropy: the smallest that a model can reach.
    """

    n: int
    agreed: float
    cross_entropy: float
    brier: float
    jensen_shannon: float
    voters_cross_entropy: float = 0.0


def wilson(hits: int, n: int) -> Interval:
    """Return the 95 % Wilson interval of hits out of n, n at least 1."""
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def share_interval(hits: NDArray[np.bool_], sources: NDArray[np.int64] | None = None) -> Interval:
    """Return the 95 % interval of a share of faces.

    Parameters
    ----------
    hits
        Whether each face counts, shape (n,), at least one face.
    sources
        Of `source_groups`, shape (n,); None for independent faces.

    Notes
    -----
    Wilson's interval: the shares x that the score test does not reject. Where faces share a source, the test's variance
    is multiplied by the design effect of the residuals from x, not from the share of the set, and at least by 1 (a
    generalised score test, Boos 1992). So no quantile has to be corrected for few or unequal sources, and faces of
    their own sources have Wilson's interval.
    """
    n, share = len(hits), float(hits.mean())
    if sources is None or not is_shared(sources):
        return wilson(int(hits.sum()), n)
    from scipy.optimize import brentq

    right, sizes = source_sums(hits, sources), source_sums(np.ones(n), sources)
    if len(sizes) < 2:
        return 0.0, 1.0
    square = NormalDist().inv_cdf(0.975) ** 2
    if share in {0, 1}:  # the design effect is that of equal values, whatever x is
        end = 1 / (1 + square * float((sizes**2).sum()) / n**2)
        return (end, 1.0) if share else (0.0, 1 - end)

    def excess(x: float) -> float:
        """Return n (share − x)² − z² x (1 − x) · design effect, times of_faces: positive if x is rejected."""
        of_faces = n * (share * (1 - x) ** 2 + (1 - share) * x**2)
        of_sources = float(((right - x * sizes) ** 2).sum())
        return n * (share - x) ** 2 * of_faces - square * x * (1 - x) * max(of_sources, of_faces)

    return float(brentq(excess, 0, share)), float(brentq(excess, share, 1))


def score(
    true: NDArray[np.int64] | Sequence[int],
    predicted: NDArray[np.int64] | Sequence[int],
    sources: NDArray[np.int64] | None = None,
) -> Scores:
    """Score predictions.

    Parameters
    ----------
    true, predicted
        Positions in `EMOTIONS`, 0…6, of the same length of at least 1.
    sources
        Of `source_groups`, for the intervals; None for independent faces.

    Returns
    -------
    Scores
        A ratio whose denominator is 0 counts as 0: the precision of an emotion that is never predicted is 0.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    order = list(range(len(EMOTIONS)))
    columns = precision_recall_fscore_support(true, predicted, labels=order, zero_division=0)
    matrix = confusion_matrix(true, predicted, labels=order)
    hits, predictions = np.diag(matrix), matrix.sum(axis=0)
    labels, answers = np.asarray(true), np.asarray(predicted)
    right = labels == answers

    def interval(rows: NDArray[np.bool_]) -> Interval:
        return share_interval(right[rows], None if sources is None else sources[rows])

    per_class = {
        emotion: ClassScore(
            float(precision),
            float(recall),
            float(f1),
            int(support),
            interval(answers == k) if predictions[k] else None,
            interval(labels == k) if support else None,
        )
        for k, (emotion, precision, recall, f1, support) in enumerate(zip(EMOTIONS, *columns, strict=True))
    }
    present = [item for item in per_class.values() if item.support]
    n, correct = int(matrix.sum()), int(hits.sum())
    return Scores(
        n=n,
        accuracy=correct / n,
        accuracy_interval=share_interval(right, sources),
        macro_precision=sum(item.precision for item in present) / len(present),
        macro_recall=sum(item.recall for item in present) / len(present),
        macro_f1=sum(item.f1 for item in present) / len(present),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
    )


def confusion_statistics(matrices: Table) -> dict[str, Table]:
    """Return accuracy, the macro scores and `f1_<emotion>` of confusion matrices of shape (draws, 7, 7), rows true."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    support, predictions = matrices.sum(axis=2), matrices.sum(axis=1)
    recall, precision = _ratio(hits, support), _ratio(hits, predictions)
    f1 = _ratio(2 * hits, support + predictions)
    present = support > 0
    classes = np.where(present.any(axis=1), present.sum(axis=1), np.nan)
    total = support.sum(axis=1)
    result = {"accuracy": hits.sum(axis=1) / np.where(total > 0, total, np.nan)}
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        result[f"macro_{name}"] = (values * present).sum(axis=1) / classes
    for k, emotion in enumerate(EMOTIONS):
        result[f"f1_{emotion}"] = np.where(present[:, k], f1[:, k], np.nan)
    return result


def roc_auc_per_class(
    true: NDArray[np.int64], probabilities: Table, lacking: Collection[Emotion] = ()
) -> dict[Emotion, float | None]:
    """Return the area under the ROC curve of each emotion against the rest; None where it is not defined.

    That is where no face or every face has the emotion, and where the model has no such class (`lacking`).
    """
    from sklearn.metrics import roc_auc_score

    areas: dict[Emotion, float | None] = {}
    for k, emotion in enumerate(EMOTIONS):
        positive = true == k
        defined = 0 < positive.sum() < len(true) and emotion not in lacking
        areas[emotion] = float(roc_auc_score(positive, probabilities[:, k])) if defined else None
    return areas


def log_loss(true: NDArray[np.int64], probabilities: Table) -> float:
    """Return the mean of −ln p(true), in nats."""
    from sklearn import metrics

    return float(metrics.log_loss(true, probabilities, labels=list(range(len(EMOTIONS)))))


def score_votes(probabilities: Table, votes: Table, predicted: NDArray[np.int64]) -> SoftScores | None:
    """Score probabilities against votes, both of shape (n, 7), on the faces that have at least two votes.

    `predicted` are the predictions, shape (n,). None if no face has two votes.
    """
    from scipy.special import entr, rel_entr

    several = votes.sum(axis=1) >= 2
    if not several.any():
        return None
    shares = votes[several] / votes[several].sum(axis=1, keepdims=True)
    p = probabilities[several]
    middle = (shares + p) / 2
    # scipy's jensenshannon takes a root, which is NaN where rounding brings two equal rows below 0.
    divergence = (rel_entr(shares, middle) + rel_entr(p, middle)).sum(axis=1) / (2 * np.log(2))
    return SoftScores(
        n=int(several.sum()),
        agreed=float(shares[np.arange(len(p)), predicted[several]].mean()),
        cross_entropy=float(-(shares * np.log(p.clip(SMALLEST, 1))).sum(axis=1).mean()),
        brier=float(((p - shares) ** 2).sum(axis=1).mean()),
        jensen_shannon=float(divergence.clip(0, 1).mean()),
        voters_cross_entropy=float(entr(shares).sum(axis=1).mean()),
    )


def in_top2(true: NDArray[np.int64], predicted: NDArray[np.int64], values: Table) -> NDArray[np.bool_]:
    """Return whether the emotion of each face is its prediction, or has the largest of the other values.

    Parameters
    ----------
    true, predicted
        Positions in `EMOTIONS`, shape (n,).
    values
        Shape (n, 7), the larger the surer; −∞ where the model has no such class. Of equal ones the first in the order
        of the emotions counts.
    """
    others = values.copy()
    others[np.arange(len(true)), predicted] = -np.inf
    second = others.argmax(axis=1)
    possible = others[np.arange(len(true)), second] > -np.inf
    inside: NDArray[np.bool_] = (predicted == true) | ((second == true) & possible)
    return inside


def brier_parts(true: NDArray[np.int64], probabilities: Table) -> Table:
    """Return Σ (p − y)² of each face."""
    parts: Table = ((probabilities - one_hot(true, len(EMOTIONS))) ** 2).sum(axis=1)
    return parts


def bin_of(probabilities: Table) -> NDArray[np.int64]:
    """Return the bin of confidence, 0…14, of each prediction; a bin includes its upper edge."""
    bins: NDArray[np.int64] = (np.ceil(probabilities.max(axis=1) * BINS).astype(np.int64) - 1).clip(
        0, BINS - 1
    )
    return bins


def reliability(
    true: NDArray[np.int64], predicted: NDArray[np.int64], probabilities: Table
) -> tuple[ReliabilityBin, ...]:
    """Return the bins of the reliability diagram that have predictions."""
    confidence, bins = probabilities.max(axis=1), bin_of(probabilities)
    correct = predicted == true
    return tuple(
        ReliabilityBin(
            k / BINS,
            (k + 1) / BINS,
            int((bins == k).sum()),
            float(confidence[bins == k].mean()),
            float(correct[bins == k].mean()),
        )
        for k in range(BINS)
        if (bins == k).any()
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean distance of confidence and accuracy over the bins, weighted by their counts, 0…1."""
    distances = sum(item.count * abs(item.accuracy - item.confidence) for item in bins)
    return distances / sum(item.count for item in bins)


def one_hot(values: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Return a row of zeros with a single one for each value in 0…size − 1."""
    table = np.zeros((len(values), size), np.float32)
    table[np.arange(len(values)), values] = 1
    return table


def _ratio(above: Table, below: Table) -> Table:
    shares: Table = np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
    return shares
