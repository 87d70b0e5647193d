"""How two models differ on the same faces: agreement, Cohen's κ, and the difference of their confusion matrices."""

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
    size = len(EMOTIONS)
    together = np.bincount(first * size + second, minlength=size * size).reshape(size, size).astype(float)
    apart = 1 - np.eye(size)
    by_chance = np.outer(together.sum(axis=0), together.sum(axis=1)) / max(len(first), 1)
    expected = float((apart * by_chance).sum())
    return 1 - float((apart * together).sum()) / expected if expected else None


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
