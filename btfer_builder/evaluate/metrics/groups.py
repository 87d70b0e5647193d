"""Scores of groups of faces by search attribute: what was searched for, not who a person is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.metrics.gap_interval import gap_interval
from btfer_builder.evaluate.metrics.scores import Interval, score
from btfer_builder.evaluate.metrics.significance import holm
from btfer_builder.evaluate.metrics.sources import effective_counts, source_groups

#: Attributes that faces are grouped by, and their names in reports.
ATTRIBUTES = {
    "query_ethnicity": "ethnicity word of the search",
    "query_gender": "gender word of the search",
    "query_age": "age word of the search",
    "language": "language of the search",
    "engine": "search engine",
}

#: Smaller groups are hidden: their scores are imprecise and may identify people.
MIN_FACES = 30

#: Shown wherever scores of groups are.
WORDING = (
    "Groups are search intent: the words a picture was searched for with. They do not say who the person is."
)


@dataclass(frozen=True, slots=True)
class Group:
    """The faces that have one value of an attribute.

    Attributes
    ----------
    value
        The value, a word of the search.
    n
        Number of faces.
    accuracy, interval, balanced_accuracy, macro_f1
        Scores of the group, with the 95 % interval of the accuracy; None if the group is hidden.
    """

    value: str
    n: int
    accuracy: float | None = None
    interval: Interval | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of one attribute and the gap between them.

    Attributes
    ----------
    attribute
        A key of `ATTRIBUTES`.
    groups
        By value; small ones are hidden.
    gap
        Largest minus smallest accuracy of the groups shown, None if fewer than two are.
    gap_interval
        95 % interval of the gap of the true accuracies; see `gap_interval`. It begins at 0 where groups without a
        difference have such a gap by chance.
    p_value
        P-value of the χ² test of homogeneity, of so many independent faces as the design effects leave.
    differ
        Whether the interval excludes 0; None without an interval.
    p_holm
        The p-value, corrected for the number of attributes.
    """

    attribute: str
    groups: tuple[Group, ...]
    gap: float | None = None
    gap_interval: Interval | None = None
    p_value: float | None = None
    differ: bool | None = None
    p_holm: float | None = None


def group_scores(
    faces: Sequence[LabelledFace],
    true: NDArray[np.int64],
    predicted: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> tuple[Grouping, ...]:
    """Score every group of every attribute of which the faces have at least two values.

    Parameters
    ----------
    faces
        Faces with their `attributes`.
    true, predicted
        Positions in `EMOTIONS`, shape (n,).
    resamples, seed
        Of the interval of the gap.
    """
    groupings, sources = [], source_groups(faces)
    for attribute in ATTRIBUTES:
        of_faces = np.array([face.attributes.get(attribute, "") for face in faces])
        values = [str(value) for value in np.unique(of_faces) if value]
        if len(values) < 2:
            continue
        members = {value: of_faces == value for value in values}
        groups = tuple(
            _group(value, true[rows], predicted[rows], sources[rows]) for value, rows in members.items()
        )
        rows_shown = [members[group.value] for group in groups if group.accuracy is not None]
        shown = [((true == predicted)[rows], sources[rows]) for rows in rows_shown]
        grouping = Grouping(attribute, groups)
        groupings.append(_with_gap(grouping, shown, resamples, seed) if len(shown) > 1 else grouping)
    tested = [grouping for grouping in groupings if grouping.p_value is not None]
    corrected = iter(holm([grouping.p_value for grouping in tested if grouping.p_value is not None]))
    return tuple(
        grouping if grouping.p_value is None else replace(grouping, p_holm=next(corrected))
        for grouping in groupings
    )


def _group(
    value: str, true: NDArray[np.int64], predicted: NDArray[np.int64], sources: NDArray[np.int64]
) -> Group:
    if len(true) < MIN_FACES:
        return Group(value, len(true))
    scores = score(true, predicted, sources)
    return Group(
        value, scores.n, scores.accuracy, scores.accuracy_interval, scores.macro_recall, scores.macro_f1
    )


def _with_gap(
    grouping: Grouping,
    shown: Sequence[tuple[NDArray[np.bool_], NDArray[np.int64]]],
    resamples: int,
    seed: int,
) -> Grouping:
    """Add the gap of the groups shown, from their correct predictions and sources."""
    from scipy.stats import chi2_contingency

    hits, sizes = effective_counts([correct for correct, _ in shown], [own for _, own in shown])
    interval = gap_interval(hits, sizes, draws=resamples, seed=seed) if resamples else None
    mixed = len(np.unique(np.concatenate([correct for correct, _ in shown]))) > 1
    return replace(
        grouping,
        gap=float(np.ptp([correct.mean() for correct, _ in shown])),
        gap_interval=interval,
        p_value=float(chi2_contingency([hits, sizes - hits]).pvalue) if mixed else None,
        differ=None if interval is None else interval[0] > 0,
    )
