"""What metrics are computed from: the predictions on a set, and bootstrap draws of its faces."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.scores import (
    ReliabilityBin,
    Scores,
    Table,
    confusion_statistics,
    reliability,
    roc_auc_per_class,
    score,
)
from btfer_builder.labels import EMOTIONS, Emotion


@dataclass(frozen=True)
class Outcomes:
    """The predictions of a model on labelled faces, with what several metrics share.

    Attributes
    ----------
    true, predicted
        Positions in `EMOTIONS`, shape (n,), n at least 1.
    probabilities
        Shape (n, 7), rows sum to 1.
    ranking
        Shape (n, 7): values whose order is that of the model's outputs, −∞ where it lacks the class; None for the
        probabilities.
    probabilistic
        Whether the probabilities mean anything; without it the metrics that need them are None.
    lacking
        The emotions for which the model has no class.
    sources
        Of `source_groups`, shape (n,), for the intervals; None for independent faces.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: Table
    ranking: Table | None = None
    probabilistic: bool = True
    lacking: tuple[Emotion, ...] = ()
    sources: NDArray[np.int64] | None = None

    @cached_property
    def scores(self) -> Scores:
        """Accuracy, precision, recall and F1."""
        return score(self.true, self.predicted, self.sources)

    @cached_property
    def roc_auc_per_class(self) -> dict[Emotion, float | None]:
        """Area under the ROC curve of each emotion against the rest."""
        if not self.probabilistic:
            return dict.fromkeys(EMOTIONS)
        return roc_auc_per_class(self.true, self.probabilities, self.lacking)

    @cached_property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """The bins of the reliability diagram that have predictions."""
        return reliability(self.true, self.predicted, self.probabilities) if self.probabilistic else ()


@dataclass(frozen=True)
class Resamples:
    """Bootstrap draws of the faces.

    Attributes
    ----------
    counts
        How often each face is drawn, shape (draws, n).
    cells
        Cell of the confusion matrix of each face, one-hot, shape (n, 49).
    """

    counts: NDArray[np.float32]
    cells: NDArray[np.float32]

    @cached_property
    def confusion(self) -> Table:
        """Confusion matrix of every draw, shape (draws, 7, 7), rows true."""
        size = len(EMOTIONS)
        return (self.counts @ self.cells).reshape(-1, size, size).astype(np.float64)

    @cached_property
    def confusion_statistics(self) -> dict[str, Table]:
        """Accuracy, macro scores and F1 of each emotion, shape (draws,)."""
        return confusion_statistics(self.confusion)

    def mean(self, values: NDArray[np.float32]) -> Table:
        """Return the mean over the faces of every draw; NaN for a draw without faces."""
        total = self.counts.sum(axis=1, dtype=np.float64)
        means: Table = (self.counts @ values).astype(np.float64) / np.where(total > 0, total, np.nan)
        return means
