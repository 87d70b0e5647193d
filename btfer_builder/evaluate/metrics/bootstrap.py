"""Bootstrap intervals of every number at once: faces are drawn again 10,000 times, in matrices of counts."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.scores import (
    BINS,
    SMALLEST,
    Interval,
    Table,
    bin_of,
    brier_parts,
    in_top2,
)
from btfer_builder.labels import EMOTIONS

#: Takes counts of shape (draws, n), how often each face was drawn; gives each statistic, shape (draws,).
Statistics = Callable[[NDArray[np.float32]], dict[str, Table]]

#: Draws computed at a time: bounds the memory to a few matrices of CHUNK × n.
CHUNK = 250

#: Larger sets get percentile intervals: the jackknife behind BCa costs n² and changes little there.
BCA_LIMIT = 5000

#: In larger sets the area under the ROC curve of a draw is taken to first order instead of from all pairs.
PAIRS_LIMIT = 500


def draws(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield counts of shape (up to 250, n): how often each of n faces is drawn, n draws with replacement.

    The same seed gives the same draws whatever is computed of them, so that models can be compared in pairs.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        picks = rng.integers(0, n, (rows, n)) + (np.arange(rows) * n)[:, np.newaxis]
        yield np.bincount(picks.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def leave_one_out(n: int) -> Iterator[NDArray[np.float32]]:
    """Yield the counts of the jackknife: every face once but one."""
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        counts = np.ones((len(rows), n), np.float32)
        counts[np.arange(len(rows)), rows] = 0
        yield counts


def bootstrap(
    statistics: Statistics, n: int, *, resamples: int, seed: int
) -> tuple[dict[str, Table], dict[str, Table], dict[str, float]]:
    """Return of every statistic its draws, its jackknife (empty for large sets) and its value on the set."""
    drawn = _stack(statistics(counts) for counts in draws(n, resamples, seed))
    left = _stack(statistics(counts) for counts in leave_one_out(n)) if n <= BCA_LIMIT else {}
    whole = statistics(np.ones((1, n), np.float32))
    return drawn, left, {name: float(values[0]) for name, values in whole.items()}


def intervals(
    statistics: Statistics, n: int, *, resamples: int, seed: int, level: float = 0.95
) -> dict[str, Interval]:
    """Return a bootstrap interval of every statistic; none of those that are undefined on the set.

    Parameters
    ----------
    statistics
        What is computed of each draw.
    n
        Number of faces.
    resamples
        Draws; 0 gives no intervals, and a single face has none either: all its draws are the same.
    seed
        Of the draws.
    level
        Share of the draws inside.

    Returns
    -------
    dict
        Bias-corrected and accelerated (BCa) up to 5,000 faces, else percentile intervals.
    """
    if not resamples or n < 2:
        return {}
    drawn, left, whole = bootstrap(statistics, n, resamples=resamples, seed=seed)
    return {
        name: bca(drawn[name], left.get(name), value, level)
        for name, value in whole.items()
        if np.isfinite(value)
    }


def bca(drawn: Table, left: Table | None, value: float, level: float = 0.95) -> Interval:
    """Return the BCa interval (Efron & Tibshirani 1993, §14.3), or the percentile one where that is undefined.

    Parameters
    ----------
    drawn
        The statistic of every draw; undefined ones (NaN) are left out.
    left
        Its jackknife values, None for a percentile interval.
    value
        The statistic of the set itself.
    """
    from scipy.special import ndtr, ndtri

    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return value, value
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if left is not None:
        left = left[np.isfinite(left)]
        below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2
        deviations = left.mean() - left if len(left) else np.zeros(1)
        spread = (deviations**2).sum() ** 1.5
        if 0 < below < 1 and spread > 0:
            bias, acceleration = ndtri(below), (deviations**3).sum() / (6 * spread)
            shifted = bias + ndtri(tails)
            tails = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(drawn, tails)
    return float(low), float(high)


def score_statistics(true: NDArray[np.int64], predicted: NDArray[np.int64], shares: Table) -> Statistics:
    """Return what computes every score of `metrics` for draws of faces.

    Parameters
    ----------
    true, predicted
        Positions in `EMOTIONS`, shape (n,).
    shares
        Probabilities of shape (n, 7).

    Returns
    -------
    Statistics
        accuracy, macro_precision, macro_recall, macro_f1, f1_<emotion>, top2_accuracy, roc_auc, log_loss, brier, ece.
    """
    n, classes = shares.shape
    cells = _one_hot(true * classes + predicted, classes * classes)
    sure, right, where = shares.max(axis=1), shares.argmax(axis=1) == true, _one_hot(bin_of(shares), BINS)
    sums = np.column_stack(
        [
            in_top2(true, shares),
            -np.log(shares[np.arange(n), true].clip(SMALLEST, 1)),
            brier_parts(true, shares),
        ]
    ).astype(np.float32)
    gaps = (where * (sure - right)[:, np.newaxis]).astype(np.float32)
    rankings = [_ranking(true == k, shares[:, k]) for k in range(classes) if 0 < (true == k).sum() < n]

    def statistics(counts: NDArray[np.float32]) -> dict[str, Table]:
        total = counts.sum(axis=1, dtype=np.float64)
        result = confusion_statistics((counts @ cells).reshape(-1, classes, classes).astype(np.float64))
        total[total == 0] = np.nan  # the jackknife of a set of one face draws nothing
        top2, loss, brier = ((counts @ sums).astype(np.float64) / total[:, np.newaxis]).T
        result |= {"top2_accuracy": top2, "log_loss": loss, "brier": brier}
        result["ece"] = np.abs((counts @ gaps).astype(np.float64)).sum(axis=1) / total
        if rankings:
            areas = np.array([ranking(counts) for ranking in rankings])
            known = np.isfinite(areas)
            total = np.where(known.any(axis=0), known.sum(axis=0), np.nan)  # a draw may hold a single class
            result["roc_auc"] = np.where(known, areas, 0).sum(axis=0) / total
        return result

    return statistics


def confusion_statistics(matrices: Table) -> dict[str, Table]:
    """Return accuracy and the macro scores of confusion matrices of shape (draws, 7, 7), rows true."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    support, called = matrices.sum(axis=2), matrices.sum(axis=1)
    recall, precision = _ratio(hits, support), _ratio(hits, called)
    f1 = _ratio(2 * hits, support + called)
    there = support > 0
    each = np.where(there.any(axis=1), there.sum(axis=1), np.nan)
    total = support.sum(axis=1)
    result = {"accuracy": hits.sum(axis=1) / np.where(total > 0, total, np.nan)}
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        result[f"macro_{name}"] = (values * there).sum(axis=1) / each
    for k, emotion in enumerate(EMOTIONS):
        result[f"f1_{emotion}"] = np.where(there[:, k], f1[:, k], np.nan)
    return result


def _ranking(positive: NDArray[np.bool_], chance: Table) -> Callable[[NDArray[np.float32]], Table]:
    """Return what computes the area under the ROC curve of draws; ties count half.

    The area is the share of pairs, one of the class and one not, that are in the right order: a sum over pairs
    weighted by the counts of both. In large sets, where it differs by about a thousandth, each face's part
    in it is taken from the set itself.
    """
    good, bad = chance[positive], chance[~positive]
    if len(chance) > PAIRS_LIMIT:
        parts = np.empty(len(chance), np.float32)
        parts[positive], parts[~positive] = _beaten(bad, good), 1 - _beaten(good, bad)
        area = float(parts[positive].mean())
        # The first-order expansion of the area in the counts, as in DeLong's variance.
        share = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum()) * (parts - area)
        return lambda counts: area + (counts @ share.astype(np.float32)).astype(np.float64)
    right = np.sign(good[:, np.newaxis] - bad).astype(np.float32) / 2 + np.float32(0.5)

    def area_of(counts: NDArray[np.float32]) -> Table:
        above, below = counts[:, positive], counts[:, ~positive]
        pairs = above.sum(axis=1, dtype=np.float64) * below.sum(axis=1, dtype=np.float64)
        wins = np.einsum("ij,ij->i", above @ right, below, dtype=np.float64)
        areas: Table = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return areas

    return area_of


def _beaten(others: Table, values: Table) -> Table:
    """Return the share of the others that each value is above; those equal count half."""
    others = np.sort(others)
    left, right = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
    shares: Table = (left + right) / (2 * len(others))
    return shares


def _one_hot(values: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    table = np.zeros((len(values), size), np.float32)
    table[np.arange(len(values)), values] = 1
    return table


def _ratio(above: Table, below: Table) -> Table:
    shares: Table = np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
    return shares


def _stack(parts: Iterator[dict[str, Table]]) -> dict[str, Table]:
    collected: dict[str, list[Table]] = {}
    for part in parts:
        for name, values in part.items():
            collected.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in collected.items()}
