"""Is one model better than another on the same faces? Paired tests, corrected for how many there are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Right = NDArray[np.bool_]


def mcnemar(first: Right, second: Right) -> float:
    """Return the two-sided p-value of McNemar's exact test of two models on the same faces.

    Parameters
    ----------
    first, second
        Whether each model is right on each face, shape (n,).
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0


def cochran_q(right: Sequence[Right]) -> float:
    """Return the p-value of Cochran's Q: whether any of several models differs from the others.

    Parameters
    ----------
    right
        For each model whether it is right on each face, shape (n,).
    """
    from scipy.stats import chi2

    table = np.array(right, dtype=np.float64)
    models, columns, rows = len(table), table.sum(axis=1), table.sum(axis=0)
    below = models * rows.sum() - (rows**2).sum()
    if models < 2 or below == 0:
        return 1.0
    statistic = (models - 1) * (models * (columns**2).sum() - columns.sum() ** 2) / below
    return float(chi2.sf(statistic, models - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's step-down method, in the given order."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return [float(value) for value in corrected]


def mean_ranks(right: Sequence[Right]) -> list[float]:
    """Return the mean rank of each model over the faces, 1 the best; models equally right share ranks."""
    table = np.array(right)
    models, hits = len(table), table.sum(axis=0)
    # On a face with h models right, those share the ranks 1…h and the others h+1…m.
    ranks = np.where(table, (hits + 1) / 2, (hits + 1 + models) / 2)
    return [float(mean) for mean in ranks.mean(axis=1)]


def shared_ranks(scores: Sequence[float], different: NDArray[np.bool_]) -> list[int]:
    """Return the rank of each model: 1 and one more for each model that is better beyond chance.

    Parameters
    ----------
    scores
        The higher the better.
    different
        Whether two models differ beyond chance, shape (models, models), symmetric.
    """
    return [
        1 + sum(bool(different[one, other]) and scores[other] > scores[one] for other in range(len(scores)))
        for one in range(len(scores))
    ]


def cliques(different: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Return the longest runs of neighbours, models being in order, no two of which differ beyond chance."""
    runs: list[tuple[int, ...]] = []
    for first in range(len(different)):
        last = first
        while last + 1 < len(different) and not different[first : last + 2, first : last + 2].any():
            last += 1
        if last > first and not (runs and runs[-1][-1] >= last):
            runs.append(tuple(range(first, last + 1)))
    return runs
