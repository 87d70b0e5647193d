"""Balance classes of unequal size (§3.4): class weights in the loss, oversampling or undersampling."""

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
    """Return the number of faces of each of the seven classes, in the order of `EMOTIONS`."""
    counts = Counter(face.emotion for face in faces)
    return {emotion: counts[emotion] for emotion in EMOTIONS}


def class_weights(counts: Mapping[Emotion, int], balancing: Balancing) -> dict[Emotion, float]:
    """Return the weight of each class in the loss (§3.4, Figs. 11 and 13).

    Parameters
    ----------
    counts
        Training faces of each class.
    balancing
        `simple` weights a class by the size of the largest class over its own, `conservative` by at most 3; others
        do not weight.

    Returns
    -------
    dict
        1 for the largest class and for classes without faces, more for the others.
    """
    largest = max(counts.values())
    cap = {"simple": float("inf"), "conservative": CAP}.get(balancing, 1.0)
    return {emotion: min(largest / count, cap) if count else 1.0 for emotion, count in counts.items()}


def epoch_length(labels: NDArray[np.int64], balancing: Balancing) -> int:
    """Return the number of faces of an epoch: all, or the number of classes times the largest or smallest class."""
    counts = np.unique(labels, return_counts=True)[1]
    if balancing == "oversample":
        return int(len(counts) * counts.max())
    if balancing == "undersample":
        return int(len(counts) * counts.min())
    return len(labels)


def epoch_order(
    labels: NDArray[np.int64], balancing: Balancing, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the faces of an epoch and their order.

    Parameters
    ----------
    labels
        Class of each face, (n,).
    balancing
        `oversample` repeats the faces of each class up to the size of the largest class: each face equally often,
        and a random part once more. `undersample` draws as many faces of each class as the smallest class has, others
        in every epoch. Otherwise each face is taken once.
    random
        Random generator.

    Returns
    -------
    array
        Indexes in `labels`, (epoch_length,).
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
