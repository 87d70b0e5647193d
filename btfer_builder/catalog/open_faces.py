"""Faces that have no verdict yet, by what they wait for."""

from collections import Counter
from dataclasses import dataclass

from btfer_builder.catalog.item_counts import ItemCounts


@dataclass(frozen=True, slots=True)
class OpenFaces:
    """Number of faces without a verdict.

    Attributes
    ----------
    unseen
        Those that nobody has answered or skipped.
    few_votes
        Those with equal answers, but fewer than the rule of consensus asks for.
    disputed
        Those that reviewers answered differently.
    skipped
        Those that were only skipped.
    """

    unseen: int = 0
    few_votes: int = 0
    disputed: int = 0
    skipped: int = 0


def open_faces(counts: ItemCounts) -> OpenFaces:
    """Count the faces that have no verdict yet."""
    waiting: Counter[str] = Counter()
    for face, n in counts.faces:
        if face["state"] == "kept" and face["open"]:
            waiting[str(face["open"])] += n
    return OpenFaces(**waiting)
