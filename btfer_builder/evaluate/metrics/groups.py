"""The scores of faces that were searched for with the same word: what engines were asked, not who people are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.metrics.scores import Interval, score

#: What faces are grouped by, with the words for it.
ATTRIBUTES = {
    "query_ethnicity": "ethnicity word of the search",
    "query_gender": "gender word of the search",
    "query_age": "age word of the search",
    "language": "language of the search",
    "engine": "search engine",
}

#: Smaller groups are hidden: their scores say nothing, and may say who is in them.
MIN_FACES = 30

#: What the numbers are about; it stands wherever they do.
WORDING = (
    "Groups are search intent: the words a picture was searched for with. They do not say who the person is."
)


@dataclass(frozen=True, slots=True)
class Group:
    """The faces of one word of the search.

    Attributes
    ----------
    value
        The word.
    n
        Its faces in the set.
    accuracy, interval, balanced_accuracy, macro_f1
        As of the whole set, the interval being a 95 % Wilson one; None if the group is hidden.
    """

    value: str
    n: int
    accuracy: float | None = None
    interval: Interval | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of one attribute and how far apart they are.

    Attributes
    ----------
    attribute
        A key of `ATTRIBUTES`.
    groups
        By word; small ones hidden.
    gap
        Largest minus smallest accuracy of the groups shown, None if fewer than two are.
    gap_interval
        95 % bootstrap percentile interval, drawn within each group; it holds the gap itself. A gap is never below 0,
        so it alone is no proof of a difference.
    p_value
        Chance of groups so different if all had the same accuracy (χ² test of homogeneity).
    """

    attribute: str
    groups: tuple[Group, ...]
    gap: float | None = None
    gap_interval: Interval | None = None
    p_value: float | None = None


def group_scores(
    faces: Sequence[LabelledFace],
    true: NDArray[np.int64],
    predicted: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> tuple[Grouping, ...]:
    """Score every group of every attribute that the faces know two words of.

    Parameters
    ----------
    faces
        Their `attributes` hold the words.
    true, predicted
        Positions in `EMOTIONS`, shape (n,).
    resamples, seed
        Of the gap's interval.
    """
    found = []
    for attribute in ATTRIBUTES:
        words = np.array([face.attributes.get(attribute, "") for face in faces])
        values = [str(word) for word in np.unique(words) if word]
        if len(values) < 2:
            continue
        members = {value: words == value for value in values}
        groups = tuple(_group(value, true[rows], predicted[rows]) for value, rows in members.items())
        shown = [(true == predicted)[members[one.value]] for one in groups if one.accuracy is not None]
        gap = _gap(shown, resamples, seed) if len(shown) > 1 else (None, None, None)
        found.append(Grouping(attribute, groups, *gap))
    return tuple(found)


def _group(value: str, true: NDArray[np.int64], predicted: NDArray[np.int64]) -> Group:
    if len(true) < MIN_FACES:
        return Group(value, len(true))
    scores = score(true, predicted)
    return Group(
        value, scores.n, scores.accuracy, scores.accuracy_interval, scores.macro_recall, scores.macro_f1
    )


def _gap(
    right: Sequence[NDArray[np.bool_]], resamples: int, seed: int
) -> tuple[float, Interval | None, float | None]:
    from scipy.stats import chi2_contingency

    hits, sizes = np.array([one.sum() for one in right]), np.array([len(one) for one in right])
    rates = hits / sizes
    gap = float(np.ptp(rates))
    interval = None
    if resamples:
        # Drawing a group's faces again draws its number of right answers from a binomial distribution.
        drawn = np.random.default_rng(seed).binomial(sizes, rates, (resamples, len(sizes))) / sizes
        low, high = np.quantile(np.ptp(drawn, axis=1), [0.025, 0.975])
        interval = (min(float(low), gap), max(float(high), gap))  # of gaps drawn again nearly all are larger
    mixed = 0 < hits.sum() < sizes.sum()
    p_value = float(chi2_contingency([hits, sizes - hits]).pvalue) if mixed else None
    return gap, interval, p_value
