"""How two models differ on the same faces: agreement, Cohen's κ, and the difference of their confusion matrices."""

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from btfer_builder.labels import EMOTIONS

#: Positions in `EMOTIONS`, shape (n,).
Classes = NDArray[np.int64]


def agreement(first: Classes, second: Classes) -> float:
    """Return the share of faces on which two models predict the same emotion, right or wrong, 0–1."""
    return float((first == second).mean())


def kappa(first: Classes, second: Classes) -> float | None:
    """Return Cohen's κ (1960) of the predictions of two models: their agreement beyond chance.

    It is None where it is undefined: both models always predict the same emotion.
    """
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # an undefined κ is NaN
        value = float(cohen_kappa_score(first, second, labels=np.arange(len(EMOTIONS))))
    return None if math.isnan(value) else value


def confusion_difference(true: Classes, first: Classes, second: Classes) -> list[list[int]]:
    """Return the confusion matrix of the first model minus that of the second, 7×7; rows are true, columns predicted.

    The sum of each row is 0: both models predict each face.
    """
    size = len(EMOTIONS)
    tables = [
        np.bincount(true * size + answers, minlength=size * size).reshape(size, size)
        for answers in (first, second)
    ]
    difference: list[list[int]] = (tables[0] - tables[1]).tolist()
    return difference
