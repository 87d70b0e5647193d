"""Paired tests of models on the same faces, corrected for multiple comparisons, and ranks by them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Whether a model predicts each face correctly, shape (n,).
Correct = NDArray[np.bool_]


def mcnemar(first: Correct, second: Correct) -> float:
    """Return the two-sided p-value of McNemar's exact test of two models; 1 if they differ on no face."""
    from statsmodels.stats import contingency_tables

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if not only_first and not only_second:
        return 1.0
    return float(contingency_tables.mcnemar([[0, only_first], [only_second, 0]], exact=True).pvalue)


def cochran_q(correct: Sequence[Correct]) -> float:
    """Return the p-value of Cochran's Q: whether any of several models differs from the others.

    It is 1 for a single model, and for models that differ on no face.
    """
    from statsmodels.stats.contingency_tables import cochrans_q

    table = np.array(correct, dtype=np.int64)
    if (table == table[0]).all():
        return 1.0
    return float(cochrans_q(table.T).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's step-down method, in the given order."""
    from statsmodels.stats.multitest import multipletests

    if len(p_values) < 2:  # multipletests refuses an empty list, and collects garbage on every call
        return list(p_values)
    return [float(value) for value in multipletests(p_values, method="holm")[1]]


def mean_ranks(correct: Sequence[Correct]) -> list[float]:
    """Return the mean rank of each model over the faces, 1 the best; models equally correct share ranks."""
    table = np.array(correct)
    models, hits = len(table), table.sum(axis=0)
    # On a face that h models predict correctly, these share the ranks 1…h and the others h+1…m.
    ranks = np.where(table, (hits + 1) / 2, (hits + 1 + models) / 2)
    return [float(mean) for mean in ranks.mean(axis=1)]


def shared_ranks(scores: Sequence[float], different: NDArray[np.bool_]) -> list[int]:
    """Return the rank of each model: 1 plus the number of models that are significantly better.

    Parameters
    ----------
    scores
        Higher is better.
    different
        Whether two models differ significantly, shape (models, models), symmetric.
    """
    models = range(len(scores))
    return [1 + sum(bool(different[i, j]) and scores[j] > scores[i] for j in models) for i in models]


def cliques(different: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Return the longest runs of consecutive models, no two of which differ significantly."""
    runs: list[tuple[int, ...]] = []
    for first in range(len(different)):
        last = first
        while last + 1 < len(different) and not different[first : last + 2, first : last + 2].any():
            last += 1
        if last > first and not (runs and runs[-1][-1] >= last):
            runs.append(tuple(range(first, last + 1)))
    return runs
