"""Paired tests of models on the same faces, corrected for multiple comparisons, and ranks by them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.sources import source_sums

#: Whether a model predicts each face correctly, shape (n,).
Correct = NDArray[np.bool_]


def mcnemar(first: Correct, second: Correct, sources: NDArray[np.int64] | None = None) -> float:
    """Return the two-sided p-value of McNemar's exact test of two models; 1 if they differ on no face.

    Parameters
    ----------
    first, second
        Of the same faces.
    sources
        Of `source_groups`, shape (n,); None for independent faces.

    Notes
    -----
    The exact sign-flip test of the sources: if the models are equally good, those that one of them predicts better by d
    faces could as well be predicted better by the other. With one face a source it is McNemar's exact test.
    """
    from scipy.stats import binom

    sums = source_sums(first.astype(np.int64) - second, sources).astype(np.int64)
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    # Of the sources that differ by `size`, a binomial number is better for the first model: Σ size · number.
    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spaced = np.zeros(size * count + 1)
        spaced[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, spaced)
    smaller = (int(np.abs(sums).sum()) - abs(int(sums.sum()))) // 2
    return min(1.0, 2 * float(chances[: smaller + 1].sum()))


def cochran_q(correct: Sequence[Correct], sources: NDArray[np.int64] | None = None) -> float:
    """Return the p-value of Cochran's Q: whether any of several models differs from the others.

    It is 1 for a single model, and for models that differ on no face. Where faces share sources, Q is divided by the
    mean design effect of the differences of the models from their mean (first order of Rao & Scott 1981).
    """
    from scipy.stats import chi2
    from statsmodels.stats.contingency_tables import cochrans_q

    table = np.array(correct, dtype=np.int64)
    if (table == table[0]).all():
        return 1.0
    deviations = table - table.mean(axis=0)
    deviations -= deviations.mean(axis=1, keepdims=True)
    of_sources = np.array([source_sums(row, sources) for row in deviations])
    effect = max(1.0, float((of_sources**2).sum()) / max(float((deviations**2).sum()), 1e-12))
    return float(chi2.sf(cochrans_q(table.T).statistic / effect, len(table) - 1))


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
