"""The statistics of the paper's questions, whose unit is the network.

Seeds and datasets of a network are repetitions of it, not independent evidence about networks: a test over runs would
call one network with six seeds a finding. So each network gives one mean difference, over which the tests are.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.bootstrap import draws, tails
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.metrics.significance import Correct
from btfer_builder.evaluate.metrics.sources import source_sums

Values = NDArray[np.float64]

#: With fewer networks no signed-rank test reaches p < 0.05: of five, all alike, it is 0.0625.
FEWEST = 6

#: Differences and deviations below are those of equal numbers.
_ZERO = 1e-12

#: Signs that are drawn at a time: bounds the memory.
_FLIPS = 1 << 20


def network_weights(networks: Sequence[str], settings: Sequence[Hashable]) -> Values:
    """Return weights that sum to 1: networks count alike, in a network its settings, in a setting its seeds.

    Parameters
    ----------
    networks
        The network of each pair of runs.
    settings
        What distinguishes pairs except for their seeds; of different networks, they differ.

    Returns
    -------
    array
        float64 (n,), one weight a pair.
    """
    seeds = Counter(settings)
    of_network = Counter(dict(zip(settings, networks, strict=True)).values())
    each = [of_network[network] * seeds[key] for network, key in zip(networks, settings, strict=True)]
    return 1 / (len(of_network) * np.array(each, dtype=np.float64))


def mean_by_network(networks: Sequence[str], differences: Values, weights: Values) -> Values:
    """Return the mean difference of each network, (number of networks,), in the order of their first pairs."""
    totals: dict[str, float] = {}
    for network, difference in zip(networks, weights * differences, strict=True):
        totals[network] = totals.get(network, 0.0) + float(difference)
    return np.array(list(totals.values())) * len(totals)


def signed_rank(differences: Values) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test.

    Differences of 0 (equal models, to within rounding) say nothing of a direction and are left out; without any other
    the p-value is 1. It is exact up to 50 differences, and where values are tied up to 13.
    """
    from scipy.stats import wilcoxon

    rounded = np.round(differences / _ZERO)  # sums of the same numbers in another order are ties
    known = rounded[rounded != 0]
    return float(wilcoxon(known, method="auto").pvalue) if known.size else 1.0


def effect_size(differences: Values) -> float | None:
    """Return Cohen's d of paired values; None for fewer than two, or equal ones."""
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / deviation if deviation > _ZERO else None


def over_networks(differences: Values) -> Interval | None:
    """Return Student's interval of the mean, for few networks a bootstrap interval is too narrow; None below three."""
    from scipy.stats import t

    n = len(differences)
    if n < 3:
        return None
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    half = float(t.ppf(0.975, n - 1)) * error
    return mean - half, mean + half


def of_faces(correct: Sequence[tuple[Correct, Correct]], weights: Values) -> Values:
    """Return the weighted mean difference of all pairs on each face, shape (n,)."""
    differences = np.zeros(len(correct[0][0]), np.float64)
    for weight, (first, second) in zip(weights, correct, strict=True):
        differences += weight * (first.astype(np.float64) - second)
    return differences


def over_faces(
    differences: Values, resamples: int, seed: int, sources: NDArray[np.int64] | None = None
) -> Interval:
    """Return the bootstrap percentile interval of the mean over faces, or over the sources that faces share."""
    drawn = [
        counts @ differences / counts.sum(axis=1)
        for counts in draws(len(differences), resamples, seed, sources)
    ]
    low, high = np.quantile(np.concatenate(drawn), tails(sources))
    return float(low), float(high)


def sign_flip(
    differences: Values, resamples: int, seed: int, sources: NDArray[np.int64] | None = None
) -> float:
    """Return the two-sided p-value of the sign-flip test of the mean, of random flips.

    Parameters
    ----------
    differences
        Of the faces, shape (n,).
    resamples, seed
        Number of random flips, at least 1.
    sources
        Of `source_groups`: the faces of a source are flipped together; None for independent faces.
    """
    sums = source_sums(differences, sources)
    sums = sums[np.abs(sums) > _ZERO]
    rng, extreme = np.random.default_rng(seed), 0
    rows = max(1, _FLIPS // max(1, len(sums)))
    for start in range(0, resamples, rows):
        signs = rng.integers(0, 2, (min(rows, resamples - start), len(sums)), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ sums) >= abs(float(sums.sum())) - _ZERO).sum())
    return (extreme + 1) / (resamples + 1)
