"""Find labels that a model contradicts with confidence: the rule of confident learning.

Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, §3.1: the
off-diagonals of the confident joint. The thresholds make up for a model that is surer of some classes than of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.labels import EMOTIONS, Emotion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Slack of a comparison of probabilities, as in cleanlab.
_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class LabelDoubt:
    """A label that a model doubts: the picture, the class it is confident of, and the probabilities of both."""

    index: int
    suggested: Emotion
    probability: float
    suggested_probability: float

    @property
    def sentence(self) -> str:
        """What the model says."""
        return f"{self.suggested} {self.suggested_probability:.2f}, its label {self.probability:.2f}"


def find_doubts(
    probabilities: "NDArray[np.float64]", pictures: Sequence[ConvertedItem]
) -> tuple[int, list[LabelDoubt]]:
    """Return how many pictures a model judged, and the labels that it doubts, the most doubtful first.

    Parameters
    ----------
    probabilities
        Shape (n, emotions); NaN for classes that the model does not know, whose pictures it does not judge.
    pictures
        The pictures, which have an emotion.
    """
    import numpy as np

    known = [column for column in range(len(EMOTIONS)) if not np.isnan(probabilities[:, column]).any()]
    position = {EMOTIONS[column]: place for place, column in enumerate(known)}
    judged = [index for index, picture in enumerate(pictures) if picture.item.emotion in position]
    if not judged:
        return 0, []
    labels = np.array([position[pictures[index].item.emotion] for index in judged], np.int64)  # type: ignore[index]
    rows = probabilities[np.ix_(judged, known)]
    suggested = suggested_labels(rows, labels)
    return len(judged), [
        LabelDoubt(
            judged[row],
            EMOTIONS[known[suggested[row]]],
            float(rows[row, labels[row]]),
            float(rows[row, suggested[row]]),
        )
        for row in doubted(rows, labels).tolist()
    ]


def suggested_labels(
    probabilities: "NDArray[np.float64]", labels: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """Return for each picture the class that the model is confident of: the label, another class, or -1 for none.

    The threshold of a class is the mean probability of that class over the pictures labelled with it. A picture counts
    for the most probable of the classes whose threshold it reaches.

    Parameters
    ----------
    probabilities
        Shape (n, classes), from a model that was not trained on these pictures.
    labels
        Column of the label of each picture, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> suggested_labels(np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]), np.array([0, 0, 1, 1]))
    array([ 0, -1,  1,  0])
    """
    import numpy as np

    thresholds = np.array(
        [
            probabilities[labels == column, column].mean() if (labels == column).any() else np.inf
            for column in range(probabilities.shape[1])
        ]
    )
    confident = probabilities >= thresholds - _SLACK
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    return np.where(confident.any(axis=1), best, -1)


def doubted(probabilities: "NDArray[np.float64]", labels: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Return the pictures that the model is confident belong to another class, the most doubtful first.

    As in cleanlab, a label that is the most probable class is never doubted, whatever the thresholds.

    Parameters
    ----------
    probabilities, labels
        As in `suggested_labels`.

    Returns
    -------
    ndarray of int64
        Positions, by the probability of the suggested class less that of the label, largest first.
    """
    import numpy as np

    suggested = suggested_labels(probabilities, labels)
    found = np.flatnonzero(
        (suggested >= 0) & (suggested != labels) & (probabilities.argmax(axis=1) != labels)
    )
    margin = probabilities[found, suggested[found]] - probabilities[found, labels[found]]
    return found[np.argsort(-margin, kind="stable")]
