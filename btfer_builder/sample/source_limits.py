"""What a draw has room for: caps on one source, and splits that share no photo, creator or near duplicate."""

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
        What the caps count; empty where it is not known, and then nothing is counted.
    cell
        Its values of the attributes the draw is spread over.
    group
        Faces of one group never come into two splits: same photo, creator or near duplicates.
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
    """How many faces of a sample may come from one source; 0 is any number."""

    per_photo: int = 1
    per_host: int = 0
    per_creator: int = 0


class SplitAllocator:
    """The faces taken so far and what they leave room for.

    Parameters
    ----------
    caps
        How many faces of one photo, host or creator may be taken.
    quotas
        Faces of a class each split gets, in the order in which splits are named.
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

    def objection(self, face: Eligible) -> str | None:
        """Return the cap that speaks against a face, a reason of the stage `sample`; None if none does."""
        for kind, value, cap in (
            ("photo", face.photo, self._caps.per_photo),
            ("host", face.host, self._caps.per_host),
            ("creator", face.creator, self._caps.per_creator),
        ):
            if cap and value and self._sources[kind, value] >= cap:
                return f"{kind}_cap"
        return None

    def take(self, face: Eligible) -> bool:
        """Take a face into the split that lacks most of its kind, or note why there is no room for it."""
        reason = self.objection(face)
        split = None if reason else self._split_for(face)
        if split is None:
            self.passed_over[face.face_id] = reason or "other_split"
            return False
        self.put(face, split)
        return True

    def put(self, face: Eligible, split: str) -> None:
        """Count a face as taken into a split."""
        self.split_of[face.face_id] = split
        self._taken[split, face.emotion] += 1
        self._cells[split, face.emotion, face.cell] += 1
        self._sources.update({("photo", face.photo): 1, ("host", face.host): 1, ("creator", face.creator): 1})
        if face.group:
            self._group_split[face.group] = split

    def fits(self, face: Eligible, split: str) -> bool:
        """Return whether a face may be taken into a split, full or not."""
        return self.objection(face) is None and self._group_split.get(face.group, split) == split

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
