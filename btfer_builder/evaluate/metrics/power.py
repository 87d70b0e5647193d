"""How much a set can tell: the smallest difference that a test on its faces detects with 80 % power."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.metrics.groups import ATTRIBUTES, MIN_FACES
from btfer_builder.evaluate.metrics.sources import design_effect, source_groups
from btfer_builder.labels import EMOTIONS

#: Level of the tests, and the probability with which they find a difference.
ALPHA, POWER = 0.05, 0.8

#: With fewer sources the design effect is not known well enough.
MIN_SOURCES = 10

#: Halvings of the range in which a difference is searched: to less than a hundredth of a point.
STEPS = 14


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest differences that some faces of a set detect.

    Attributes
    ----------
    attribute, value
        Which faces: `all` of them, those of an `emotion`, or those of one value of a search attribute.
    n, sources
        Number of faces, and of photos and creators that they are of, as far as known.
    design_effect
        By how much shared sources enlarge the variance of the accuracy, at least 1.
    model
        Smallest difference of the model's accuracy and a fixed value, 0 to 1; of an emotion, of its recall.
    pair
        Smallest difference of two models of about this accuracy whose errors are independent: an upper bound for
        models that err on the same faces. None, as `model`, for fewer than 10 sources, or if no difference is enough.
    """

    attribute: str
    value: str
    n: int
    sources: int
    design_effect: float
    model: float | None
    pair: float | None


def detectable_differences(
    faces: Sequence[LabelledFace], true: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[Detectable, ...]:
    """Return what all faces detect, then those of each emotion, then those of each group that is not hidden.

    Parameters
    ----------
    faces
        The set, at least one face.
    true, predicted
        Positions in `EMOTIONS`, shape (n,).
    """
    parts: list[tuple[str, str, NDArray[np.bool_]]] = [("all", "", np.ones(len(faces), bool))]
    parts += [("emotion", emotion, true == k) for k, emotion in enumerate(EMOTIONS) if (true == k).any()]
    for attribute in ATTRIBUTES:
        of_faces = np.array([face.attributes.get(attribute, "") for face in faces])
        values = [str(value) for value in np.unique(of_faces) if value]
        parts += [(attribute, value, of_faces == value) for value in values if len(values) > 1]
    correct, sources = true == predicted, source_groups(faces)
    return tuple(
        _detectable(attribute, value, correct[rows], sources[rows])
        for attribute, value, rows in parts
        if attribute in {"all", "emotion"} or rows.sum() >= MIN_FACES
    )


def _detectable(
    attribute: str, value: str, correct: NDArray[np.bool_], sources: NDArray[np.int64]
) -> Detectable:
    n, groups = len(correct), len(np.unique(sources))
    effect = design_effect(correct.astype(np.float64), sources)
    if groups < MIN_SOURCES:
        return Detectable(attribute, value, n, groups, effect, None, None)
    share = (int(correct.sum()) + 2) / (n + 4)  # Agresti and Coull: never without a variance
    return Detectable(
        attribute, value, n, groups, effect, from_value(share, n / effect), from_model(share, n / effect)
    )


def from_value(accuracy: float, n: float) -> float | None:
    """Return the smallest difference of an accuracy and a fixed value that the score test detects.

    Parameters
    ----------
    accuracy
        0 to 1. The difference is taken towards 1/2, where it needs more faces.
    n
        Number of independent faces: of clustered ones, their number divided by the design effect.

    Notes
    -----
    Solves d = z(1 − α/2) √(p (1 − p) / n) + z(power) √(p' (1 − p') / n) with p' = p ∓ d (Fleiss, Levin & Paik 2003,
    §2.3).
    """
    from scipy.special import ndtri

    share = max(accuracy, 1 - accuracy)
    first, second = float(ndtri(1 - ALPHA / 2)), float(ndtri(POWER))

    def enough(difference: float) -> bool:
        other = share - difference
        needed = first * math.sqrt(share * (1 - share)) + second * math.sqrt(other * (1 - other))
        return difference >= needed / math.sqrt(n)

    return _smallest(enough, share)


def from_model(accuracy: float, n: float) -> float | None:
    """Return the smallest difference of two models with independent errors that McNemar's exact test detects.

    Parameters
    ----------
    accuracy
        Of one of the models, 0 to 1; that of the other is nearer to 1/2.
    n
        Number of independent faces.
    """
    share = max(accuracy, 1 - accuracy)

    def enough(difference: float) -> bool:
        only_first, only_second = share * (1 - share + difference), (share - difference) * (1 - share)
        return mcnemar_power(int(n), only_first, only_second) >= POWER

    return _smallest(enough, share)


@lru_cache(maxsize=4096)  # many pairs of a leaderboard differ on equally many faces
def between_models(discordant: float, n: float, alpha: float = ALPHA) -> float | None:
    """Return the smallest difference of two models that McNemar's exact test detects.

    Parameters
    ----------
    discordant
        Share of the faces that only one of them predicts correctly, 0 to 1; a difference that is larger takes its
        place.
    n
        Number of independent faces.
    alpha
        Level of the test: divided by the number of pairs for the first step of Holm's correction.
    """

    def enough(difference: float) -> bool:
        share = max(discordant, difference)
        return mcnemar_power(int(n), (share + difference) / 2, (share - difference) / 2, alpha) >= POWER

    return _smallest(enough, 1.0)


def mcnemar_power(n: int, only_first: float, only_second: float, alpha: float = ALPHA) -> float:
    """Return the power of McNemar's exact two-sided test: its mean over the number of discordant faces.

    Parameters
    ----------
    n
        Number of faces.
    only_first, only_second
        Probability that only one of the models is correct on a face.
    alpha
        Level of the test.
    """
    from scipy.special import bdtr

    share = min(only_first + only_second, 1.0)
    if n < 1 or share <= 0:
        return 0.0
    low, high = _quantiles(n, share, np.array([1e-6, 1 - 1e-6]))
    counts = np.arange(low, high + 1)
    critical = _critical(1 << n.bit_length(), alpha)[counts]
    rejects = critical >= 0
    counts, critical = counts[rejects], critical[rejects]
    chance = min(only_first / share, 1.0)
    either = bdtr(critical, counts, chance) + bdtr(critical, counts, 1 - chance)
    return float((_chances(counts, n, share) * either).sum())


def _quantiles(n: int, share: float, levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the smallest counts that a binomial number does not exceed with these probabilities.

    As `scipy.stats.binom.ppf`, without its checks of arguments, which took most of the time.
    """
    from scipy.special import bdtr, bdtrik

    above = np.ceil(bdtrik(levels, n, share))
    below = np.maximum(above - 1, 0)
    counts = np.where(bdtr(below, n, share) >= levels, below, above)
    return np.asarray(np.minimum(counts, n), np.int64)


def _chances(counts: NDArray[np.int64], n: int, share: float) -> NDArray[np.float64]:
    """Return the probabilities of binomial counts."""
    from scipy.special import gammaln, xlog1py, xlogy

    ways = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    return np.asarray(np.exp(ways + xlogy(counts, share) + xlog1py(n - counts, -share)), np.float64)


@lru_cache(maxsize=64)
def _critical(n: int, alpha: float) -> NDArray[np.int64]:
    """Return for 0 … n discordant faces the largest number on one side at which the test rejects, −1 for none.

    Called for powers of two: clustered faces are so many independent ones, another number for each pair of models.
    """
    from scipy.stats import binom

    return np.asarray(binom.ppf(alpha / 2, np.arange(n + 1), 0.5), np.int64) - 1


def _smallest(enough: Callable[[float], bool], largest: float) -> float | None:
    if not enough(largest):
        return None
    low, high = 0.0, largest
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
