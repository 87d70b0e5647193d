"""Limit the faces of one source, and allocate faces to splits that share no photo, creator or near duplicate."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from btfer_builder.labels import Emotion

Cell = tuple[str, ...]


class Eligible(NamedTuple):
    """A face that may be drawn.

    Attributes
    ----------
    photo, host, creator
        The sources that caps count; an empty one is unknown and not counted.
    cell
        Its values of the attributes to stratify by.
    group
        Faces of one group are in one split: the same photo or creator, or near duplicates.
    """

    face_id: str
    emotion: Emotion
    photo: str = ""
    host: str = ""
    creator: str = ""
    cell: Cell = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Maximum number of faces of a sample from one source; 0 is any number."""

    per_photo: int = 1
    per_host: int = 0
    per_creator: int = 0


class SplitAllocator:
    """Allocate faces to splits within the limits of their sources.

    Parameters
    ----------
    caps
        Maximum number of faces of one photo, host or creator.
    quotas
        Number of faces of a class in each split.
    """

    def __init__(self, caps: SourceLimits, quotas: Mapping[str, int]) -> None:
        self.split_of: dict[str, str] = {}
        self.passed_over: dict[str, str] = {}
        self._caps = caps
        self._quotas = quotas
        self._sources: Counter[tuple[str, str]] = Counter()
        self._taken: Counter[tuple[str, str]] = Counter()  # by split and class
        self._cells: Counter[tuple[str, str, Cell]] = Counter()
        self._group_split: dict[str, str] = {}

    def exceeded_cap(self, face: Eligible) -> str | None:
        """Return the cap that a face would exceed, as a reason of the stage `sample`; None if there is none."""
        for kind, value, cap in (
            ("photo", face.photo, self._caps.per_photo),
            ("host", face.host, self._caps.per_host),
            ("creator", face.creator, self._caps.per_creator),
        ):
            if cap and value and self._sources[kind, value] >= cap:
                return f"{kind}_cap"
        return None

    def take(self, face: Eligible) -> bool:
        """Allocate a face to the split that lacks most of its cell, or store why no split can have it."""
        reason = self.exceeded_cap(face)
        split = None if reason else self._split_for(face)
        if split is None:
            self.passed_over[face.face_id] = reason or "other_split"
            return False
        self.put(face, split)
        return True

    def put(self, face: Eligible, split: str) -> None:
        """Count a face in a split."""
        self.split_of[face.face_id] = split
        self._taken[split, face.emotion] += 1
        self._cells[split, face.emotion, face.cell] += 1
        self._sources.update({("photo", face.photo): 1, ("host", face.host): 1, ("creator", face.creator): 1})
        if face.group:
            self._group_split[face.group] = split

    def fits(self, face: Eligible, split: str) -> bool:
        """Return whether a face may be in a split, whether or not the split is full."""
        return self.exceeded_cap(face) is None and self._group_split.get(face.group, split) == split

    def _split_for(self, face: Eligible) -> str | None:
        quotas = self._quotas
        names = [self._group_split[face.group]] if face.group in self._group_split else list(quotas)
        names = [name for name in names if self._taken[name, face.emotion] < quotas.get(name, 0)]
        if not names:
            return None
        return min(
            names,
            key=lambda name: (
                self._cells[name, face.emotion, face.cell] / quotas[name],
                self._taken[name, face.emotion] / quotas[name],
            ),
        )
