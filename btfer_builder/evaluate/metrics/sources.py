"""Faces that share a photo or a creator: they are not independent, so errors count them together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.metrics.scores import Table
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


def design_effect(values: Table, sources: NDArray[np.int64]) -> float:
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
    more informative, so that values below 1, which are chance, count as 1.
    """
    errors = values - values.mean()
    total = float((errors**2).sum())
    sums = np.bincount(np.unique(sources, return_inverse=True)[1], errors)
    groups = len(sums)
    if groups < 2 or not total:
        return 1.0
    return max(1.0, float((sums**2).sum()) / total * groups / (groups - 1) * (1 - 1 / len(values)))
