"""What is done about classes of unequal size (§3.4): weights in the loss, or faces drawn again or left out."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import Balancing
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.labels import EMOTIONS, Emotion

#: The largest weight of conservative weighting (§3.4).
CAP = 3.0


def class_counts(faces: Sequence[LabelledFace]) -> dict[Emotion, int]:
    """Return how many faces each of the seven classes has, in the order of `EMOTIONS`."""
    counts = Counter(face.emotion for face in faces)
    return {emotion: counts[emotion] for emotion in EMOTIONS}


def class_weights(counts: Mapping[Emotion, int], balancing: Balancing) -> dict[Emotion, float]:
    """Return the weight of each class in the loss (§3.4, Figs. 11 and 13).

    Parameters
    ----------
    counts
        Training faces of each class.
    balancing
        `simple` weighs a class by the count of the largest class over its own, `conservative` by 3 at most;
        the others do not weigh.

    Returns
    -------
    dict
        1 for the largest class and for one without any face, more for the others.
    """
    largest = max(counts.values())
    cap = {"simple": float("inf"), "conservative": CAP}.get(balancing, 1.0)
    return {emotion: min(largest / count, cap) if count else 1.0 for emotion, count in counts.items()}


def epoch_length(labels: NDArray[np.int64], balancing: Balancing) -> int:
    """Return how many faces an epoch has: all, or classes times the largest or the smallest of them."""
    counts = np.unique(labels, return_counts=True)[1]
    if balancing == "oversample":
        return int(len(counts) * counts.max())
    if balancing == "undersample":
        return int(len(counts) * counts.min())
    return len(labels)


def epoch_order(
    labels: NDArray[np.int64], balancing: Balancing, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw which faces an epoch sees, and in which order.

    Parameters
    ----------
    labels
        The class of each face, (n,).
    balancing
        `oversample` takes every class as often as the largest has faces: all of its own as often as they go in,
        then some of them once more. `undersample` takes as many of each class as the smallest has, others in
        every epoch. Else every face is taken once.
    random
        Decides everything that is drawn.

    Returns
    -------
    array
        Positions in `labels`, (epoch_length,).
    """
    if balancing not in {"oversample", "undersample"}:
        return random.permutation(len(labels))
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = [len(members) for members in classes]
    wanted = max(sizes) if balancing == "oversample" else min(sizes)
    taken = [
        np.concatenate([np.repeat(members, wanted // size), random.permutation(members)[: wanted % size]])
        for members, size in zip(classes, sizes, strict=True)
    ]
    return random.permutation(np.concatenate(taken))
