"""From true and predicted emotions to accuracy, precision, recall, F1 and the confusion matrix (§4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.emotions import EMOTIONS, Emotion


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 in 0…1 of one emotion, and its number of faces in the set."""

    precision: float
    recall: float
    f1: float
    support: int


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
        Plain means over the emotions that have faces in the set.
    per_class
        One score for each of the seven emotions, in order.
    confusion
        7 rows (true) of 7 counts (predicted), both in the order of `EMOTIONS`.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: dict[Emotion, ClassScore]
    confusion: tuple[tuple[int, ...], ...]


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
    from scipy.stats import binomtest  # type: ignore[import-untyped]
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    order = list(range(len(EMOTIONS)))
    columns = precision_recall_fscore_support(true, predicted, labels=order, zero_division=0)
    per_class = {
        emotion: ClassScore(float(p), float(r), float(f), int(support))
        for emotion, p, r, f, support in zip(EMOTIONS, *columns, strict=True)
    }
    there = [one for one in per_class.values() if one.support]
    matrix = confusion_matrix(true, predicted, labels=order)
    n, right = int(matrix.sum()), int(np.trace(matrix))
    interval = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    return Scores(
        n=n,
        accuracy=right / n,
        accuracy_interval=(float(interval.low), float(interval.high)),
        macro_precision=sum(one.precision for one in there) / len(there),
        macro_recall=sum(one.recall for one in there) / len(there),
        macro_f1=sum(one.f1 for one in there) / len(there),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
    )
