"""The interval of the gap between the best and the worst group, by inverting a test of the gap.

The largest difference among several shares is too large on average, also where the groups do not differ, and so is
every resampled one. The interval therefore holds the gaps under which the observed one is not surprising.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.scores import Interval, Table

#: Share of draws in each tail of the test.
TAIL = 0.025

#: Draws of one test; more move the ends of the interval by less than the third decimal.
DRAWS = 2000

#: Halvings of the range in which an end is searched.
STEPS = 10


def gap_interval(hits: Table, sizes: NDArray[np.int64], *, draws: int, seed: int) -> Interval:
    """Return the 95 % interval of the largest difference of the groups' true shares.

    Parameters
    ----------
    hits, sizes
        Correct predictions and faces of each group, shape (groups,), at least two groups; of `effective_counts` where
        faces share sources.
    draws
        Simulated numbers of hits for each gap that is tested; at most 2,000 are used.
    seed
        Of the draws.

    Returns
    -------
    Interval
        It holds the observed gap. Its lower end is 0 where groups of the same true share have such a gap by chance.

    See Also
    --------
    rejected : The test that is inverted.
    """

    def too_small(gap: float) -> bool:
        return rejected(hits, sizes, gap, draws=draws, seed=seed) == "too small"

    def too_large(gap: float) -> bool:
        return rejected(hits, sizes, gap, draws=draws, seed=seed) == "too large"

    observed = float(np.ptp(hits / sizes))
    low = _boundary(0.0, observed, too_small) if too_small(0.0) else 0.0
    high = _boundary(1.0, observed, too_large) if too_large(1.0) else 1.0
    return low, high


def rejected(
    hits: Table, sizes: NDArray[np.int64], gap: float, *, draws: int, seed: int
) -> Literal["", "too small", "too large"]:
    """Test whether the largest difference of the groups' true shares can be `gap`, at the level of 5 %.

    Parameters
    ----------
    hits, sizes, draws, seed
        As in `gap_interval`.
    gap
        0 to 1.

    Returns
    -------
    str
        Whether the gap is too small for the observed one, or too large; empty if it is neither.

    Notes
    -----
    The shares under which draws are made are those closest to the observed ones (least squares, weighted by the sizes)
    whose largest difference is the gap: the parametric bootstrap under a restricted estimate. A small gap is hardly
    ever too large, because the largest of several differences exceeds it anyhow; the share of draws that this tail
    cannot have is given to the other one, so that the test of a gap of 0 is one-sided. Draws equal to the observed gap
    count half as larger ones (mid-P), and as smaller ones in full: an observed gap of 0 has no smaller ones.
    """
    shares = hits / sizes
    observed, rounding = float(np.ptp(shares)), 1e-9
    # The same seed for every gap: the share of draws then changes with the gap only.
    rng = np.random.default_rng(seed)
    expected = restricted_shares(shares, sizes, gap)
    drawn = np.ptp(rng.binomial(sizes, expected, (min(draws, DRAWS), len(sizes))) / sizes, axis=1)
    if gap > observed:
        return "too large" if np.mean(drawn <= observed + rounding) < TAIL else ""
    above = (
        np.mean(drawn >= observed - rounding) + np.mean(drawn > observed + rounding)
    ) / 2  # the mid-P value
    unused = max(0.0, TAIL - float(np.mean(drawn < gap - rounding)))
    return "too small" if above < TAIL + unused else ""


def restricted_shares(shares: Table, sizes: NDArray[np.int64], gap: float) -> Table:
    """Return the shares closest to the observed ones whose largest difference is `gap`.

    Parameters
    ----------
    shares, sizes
        Of each group, shape (groups,).
    gap
        0 to 1.
    """
    lowest, highest = shares.min(), shares.max()
    if (
        gap >= highest - lowest
    ):  # the two move apart for which it costs least: small groups are the least certain
        weights = sizes[:, np.newaxis] + sizes
        low = ((sizes * shares)[:, np.newaxis] + sizes * (shares - gap)) / weights  # (worst, best)
        low = low.clip(max(0.0, highest - gap), min(lowest, 1 - gap))
        cost = sizes[:, np.newaxis] * (shares[:, np.newaxis] - low) ** 2 + sizes * (low + gap - shares) ** 2
        np.fill_diagonal(cost, np.inf)
        worst, best = np.unravel_index(cost.argmin(), cost.shape)
        moved = shares.copy()
        moved[worst], moved[best] = low[worst, best], low[worst, best] + gap
        return moved
    lows = np.linspace(lowest, highest - gap, 33)[:, np.newaxis]
    clipped = shares.clip(lows, lows + gap)
    closest: Table = clipped[(sizes * (clipped - shares) ** 2).sum(axis=1).argmin()]
    return closest


def _boundary(outside: float, inside: float, excluded: Callable[[float], bool]) -> float:
    """Return the end of the interval between a gap that is excluded and one that is not."""
    for _ in range(STEPS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if excluded(middle) else (outside, middle)
    return inside
