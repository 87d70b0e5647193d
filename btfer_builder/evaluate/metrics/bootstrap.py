"""Bootstrap intervals of all metrics at once: faces or sources are resampled 10,000 times, as matrices of counts."""

from collections.abc import Callable, Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.scores import Interval, Table
from btfer_builder.evaluate.metrics.sources import is_shared, source_sums
from btfer_builder.labels import EMOTIONS, Emotion

#: Takes counts of shape (draws, n), how often each face is drawn; returns each statistic, shape (draws,).
Statistics = Callable[[NDArray[np.float32]], dict[str, Table]]

#: Of `source_groups`, shape (n,); None for independent faces.
Sources = NDArray[np.int64] | None

#: Draws computed at a time: bounds the memory to a few matrices of CHUNK × n.
CHUNK = 250

#: Larger sets get percentile intervals: the jackknife behind BCa costs n² and changes little there.
BCA_LIMIT = 5000

#: In larger sets the area under the ROC curve of a draw is a first-order expansion instead of a sum over all pairs.
PAIRS_LIMIT = 500

#: Smallest degrees of freedom and tail of expanded percentiles: less is the range of the draws anyway.
_FEWEST_FREE, _SMALLEST_TAIL = 0.1, 1e-6


def draws(n: int, resamples: int, seed: int, sources: Sources = None) -> Iterator[NDArray[np.float32]]:
    """Yield counts of shape (up to 250, n): how often each of n faces is drawn, n draws with replacement.

    Where faces share sources, sources are drawn, each with all of its faces. The draws depend on the arguments only, so
    models can be compared in pairs.
    """
    if sources is not None and is_shared(sources):
        names, of_face = np.unique(sources, return_inverse=True)
        yield from (counts[:, of_face] for counts in draws(len(names), resamples, seed))
        return
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        picks = rng.integers(0, n, (rows, n)) + (np.arange(rows) * n)[:, np.newaxis]
        yield np.bincount(picks.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def leave_one_out(n: int, sources: Sources = None) -> Iterator[NDArray[np.float32]]:
    """Yield the counts of the jackknife: every face once, except one, or those of one source."""
    if sources is not None and is_shared(sources):
        names, of_face = np.unique(sources, return_inverse=True)
        yield from (counts[:, of_face] for counts in leave_one_out(len(names)))
        return
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        counts = np.ones((len(rows), n), np.float32)
        counts[np.arange(len(rows)), rows] = 0
        yield counts


def bootstrap_intervals(
    statistics: Statistics,
    n: int,
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
    sources: Sources = None,
) -> dict[str, Interval]:
    """Return a bootstrap interval of every statistic that is defined on the set.

    Parameters
    ----------
    statistics
        Computes the statistics of each draw.
    n
        Number of faces.
    resamples
        Number of draws. There are no intervals for 0, nor for a single face or source: all its draws are equal.
    seed
        Of the draws.
    level
        Coverage of the interval.
    sources
        Of `source_groups`, shape (n,), which are drawn where faces share them; None for independent faces.

    Returns
    -------
    dict
        Bias-corrected and accelerated (BCa) intervals up to 5,000 faces, else percentile intervals.
    """
    size = n if sources is None else len(np.unique(sources))
    if not resamples or size < 2:
        return {}
    drawn = _concatenate(statistics(counts) for counts in draws(n, resamples, seed, sources))
    between = tails(sources, level)
    left = leave_one_out(n, sources) if size <= BCA_LIMIT else iter(())
    jackknife = _concatenate(statistics(counts) for counts in left)
    values = {name: float(value[0]) for name, value in statistics(np.ones((1, n), np.float32)).items()}
    return {
        name: bca(drawn[name], jackknife.get(name), value, between)
        for name, value in values.items()
        if np.isfinite(value)
    }


def tails(sources: Sources = None, level: float = 0.95) -> Interval:
    """Return the two quantiles of the draws that bound an interval: 0.025 and 0.975 for independent faces.

    Parameters
    ----------
    sources
        Of `source_groups`. Where faces share them, the quantiles are those of expanded percentiles, because draws of
        few sources vary too little (Hesterberg 2015): Φ(√(m / (m − 1)) · t) with the quantiles t of Student's
        distribution for m − 1. Sources of unequal size count as m = n² ÷ Σ size² equal ones (Kish 1965).
    level
        Coverage of the interval.
    """
    from scipy.special import ndtr
    from scipy.stats import t

    tail = (1 - level) / 2
    if sources is not None and is_shared(sources):
        sizes = source_sums(np.ones(len(sources)), sources)
        freedom = max(len(sources) ** 2 / float((sizes**2).sum()) - 1, _FEWEST_FREE)
        tail = max(float(ndtr(np.sqrt(1 + 1 / freedom) * t.ppf(tail, freedom))), _SMALLEST_TAIL)
    return tail, 1 - tail


def bca(drawn: Table, jackknife: Table | None, value: float, between: Interval = (0.025, 0.975)) -> Interval:
    """Return the BCa interval (Efron & Tibshirani 1993, §14.3), or the percentile interval where it is undefined.

    Parameters
    ----------
    drawn
        The statistic of every draw; undefined ones (NaN) are left out.
    jackknife
        The statistic without each face in turn; None for a percentile interval.
    value
        The statistic of the set itself.
    between
        Quantiles of the draws, of `tails`.
    """
    from scipy.special import ndtr, ndtri

    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return value, value
    ends = np.array(between)
    if jackknife is not None:
        jackknife = jackknife[np.isfinite(jackknife)]
        below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2
        deviations = jackknife.mean() - jackknife if len(jackknife) else np.zeros(1)
        spread = (deviations**2).sum() ** 1.5
        if 0 < below < 1 and spread > 0:
            bias, acceleration = ndtri(below), (deviations**3).sum() / (6 * spread)
            shifted = bias + ndtri(ends)
            ends = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
    low, high = np.quantile(drawn, ends)
    return float(low), float(high)


def roc_auc_of_draws(
    true: NDArray[np.int64], probabilities: Table, lacking: Collection[Emotion] = ()
) -> Callable[[NDArray[np.float32]], Table]:
    """Return what computes the area under the ROC curve of draws, averaged over the emotions they hold.

    Parameters
    ----------
    true
        Positions in `EMOTIONS`, shape (n,).
    probabilities
        Shape (n, 7).
    lacking
        Emotions that are left out, because the model has no such class.
    """
    n = len(probabilities)
    of_class = [
        _area_of_draws(true == k, probabilities[:, k])
        for k, emotion in enumerate(EMOTIONS)
        if 0 < (true == k).sum() < n and emotion not in lacking
    ]

    def mean_area(counts: NDArray[np.float32]) -> Table:
        if not of_class:
            return np.full(len(counts), np.nan)
        areas = np.array([area(counts) for area in of_class])
        defined = np.isfinite(areas)
        total = np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)  # a draw may hold a single class
        means: Table = np.where(defined, areas, 0).sum(axis=0) / total
        return means

    return mean_area


def _area_of_draws(positive: NDArray[np.bool_], probability: Table) -> Callable[[NDArray[np.float32]], Table]:
    """Return what computes the area under the ROC curve of one emotion of draws; ties count half.

    The area is the share of pairs (one face of the emotion, one of another) in the right order: a sum over pairs
    weighted by the counts of both. In large sets each face's part in it is computed once from the whole set,
    which changes the area by about a thousandth.
    """
    good, bad = probability[positive], probability[~positive]
    if len(probability) > PAIRS_LIMIT:
        parts = np.empty(len(probability), np.float32)
        parts[positive], parts[~positive] = _share_below(bad, good), 1 - _share_below(good, bad)
        area = float(parts[positive].mean())
        # The first-order expansion of the area in the counts, as in DeLong's variance.
        share = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum()) * (parts - area)
        return lambda counts: area + (counts @ share.astype(np.float32)).astype(np.float64)
    order = np.sign(good[:, np.newaxis] - bad).astype(np.float32) / 2 + np.float32(0.5)

    def area_of(counts: NDArray[np.float32]) -> Table:
        above, below = counts[:, positive], counts[:, ~positive]
        pairs = above.sum(axis=1, dtype=np.float64) * below.sum(axis=1, dtype=np.float64)
        wins = np.einsum("ij,ij->i", above @ order, below, dtype=np.float64)
        areas: Table = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return areas

    return area_of


def _share_below(reference: Table, values: Table) -> Table:
    """Return for each value the share of the reference values below it; equal ones count half."""
    reference = np.sort(reference)
    left, right = np.searchsorted(reference, values, "left"), np.searchsorted(reference, values, "right")
    shares: Table = (left + right) / (2 * len(reference))
    return shares


def _concatenate(parts: Iterator[dict[str, Table]]) -> dict[str, Table]:
    collected: dict[str, list[Table]] = {}
    for part in parts:
        for name, values in part.items():
            collected.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in collected.items()}
