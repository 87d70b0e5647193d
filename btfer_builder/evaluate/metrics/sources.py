"""Faces that share a photo or a creator: they are not independent, so errors count them together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.images.same_picture import connected_groups

#: Words that engines give for a creator who is not known, in lower case.
NO_CREATOR = frozenset(("", "unknown", "unknown author", "unknown photographer", "anonymous", "n/a"))


def source_groups(faces: Sequence[LabelledFace]) -> NDArray[np.int64]:
    """Return the number of each face's source, shape (n,): the same for faces of one photo or one creator.

    Faces that are linked over others have the same source, too. A face of unknown origin is a source of its own.
    """
    first_of: dict[tuple[str, str], int] = {}
    links = [
        (index, first_of.setdefault((kind, name), index))
        for index, face in enumerate(faces)
        for kind, name in (("photo", face.photo), ("creator", face.creator))
        if name.strip().lower() not in NO_CREATOR
    ]
    return np.unique(connected_groups(len(faces), links), return_inverse=True)[1].astype(np.int64)


def is_shared(sources: NDArray[np.int64] | None) -> bool:
    """Return whether any two faces have the same source; None stands for faces without."""
    return sources is not None and len(np.unique(sources)) < len(sources)


def source_sums(values: NDArray[Any], sources: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return the sum of the values of each source, shape (sources,); each face is its own without `sources`."""
    if sources is None:
        return values.astype(np.float64)
    return np.bincount(np.unique(sources, return_inverse=True)[1], values).astype(np.float64)


def design_effect(values: NDArray[np.float64], sources: NDArray[np.int64] | None) -> float:
    """Return by how much shared sources enlarge the variance of a mean (Kish 1965), at least 1.

    Parameters
    ----------
    values
        One value a face, such as 1 for a correct prediction, shape (n,).
    sources
        Of `source_groups`, shape (n,).

    Notes
    -----
    The cluster-robust variance of the mean over the variance of independent faces. Shared sources cannot make a set
    more informative, so that values below 1, which are chance, count as 1. Equal values say nothing of how alike the
    faces of a source are: they then count as one face.
    """
    if sources is None or not is_shared(sources):
        return 1.0
    errors = values - values.mean()
    total = float((errors**2).sum())
    if not total:
        sizes = source_sums(np.ones(len(values)), sources)
        return float((sizes**2).sum()) / len(values)
    sums = source_sums(errors, sources)
    groups = len(sums)
    if groups < 2:
        return 1.0
    return max(1.0, float((sums**2).sum()) / total * groups / (groups - 1) * (1 - 1 / len(values)))


def effective_counts(
    correct: Sequence[NDArray[np.bool_]], sources: Sequence[NDArray[np.int64] | None]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return hits and sizes of groups as those of so many independent faces (Rao & Scott 1992).

    Parameters
    ----------
    correct, sources
        Of the faces of each group; None for independent faces.

    Returns
    -------
    hits, sizes
        Divided by the design effect of the group, shape (groups,). The shares remain.
    """
    effects = [
        design_effect(hits.astype(np.float64), own) for hits, own in zip(correct, sources, strict=True)
    ]
    sizes = np.array(
        [max(1, int(len(hits) / effect)) for hits, effect in zip(correct, effects, strict=True)], np.int64
    )
    return np.array([hits.mean() for hits in correct]) * sizes, sizes
