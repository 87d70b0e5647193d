"""Choose exactly n faces a class, the same ones whatever the order, the machine and the time."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.sample.source_limits import Cell, Eligible, SourceLimits, SplitAllocator

#: The split of a sample that is not divided.
ONLY_SPLIT = "test"

ONE_PER_PHOTO = SourceLimits()


@dataclass(frozen=True, slots=True)
class CellCount:
    """How many faces a cell of a class was asked for and gave."""

    emotion: Emotion
    cell: Cell
    asked: int
    got: int

    @property
    def short(self) -> int:
        """How many are missing; other cells of the class make up for them if they can."""
        return max(0, self.asked - self.got)


@dataclass(frozen=True)
class Draw:
    """What was drawn.

    Attributes
    ----------
    chosen
        The faces of each class in the order of the draw.
    short
        How many faces are missing, for each class that is short.
    reserve
        The next faces of each class, which may take the place of chosen ones.
    split_of
        The split of every chosen face.
    passed_over
        Why each other face was not drawn: a reason of the stage `sample`.
    cells
        What was asked of and given by the cells of each class.
    """

    chosen: dict[Emotion, list[str]]
    short: dict[Emotion, int]
    reserve: dict[Emotion, list[str]] = field(default_factory=dict)
    split_of: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    cells: tuple[CellCount, ...] = ()


def choose(
    faces: Iterable[Eligible | tuple[str, Emotion]],
    per_class: int,
    seed: int,
    *,
    caps: SourceLimits = ONE_PER_PHOTO,
    splits: Mapping[str, int] | None = None,
    reserve: int = 0,
    cells: Iterable[Cell] = (),
) -> Draw:
    """Take the first `per_class` faces of each class, ranked by SHA-256 of seed and face id (§2, stage 4).

    A face's rank depends on nothing but itself and the seed: a face added or taken away moves the others up or
    down by one at most, and never mixes them. Where caps bind, the class with the fewest faces to spare is drawn
    first, so that a common class does not take from a rare one.

    Parameters
    ----------
    faces
        Every face that may be drawn.
    per_class
        Faces wanted of each class.
    seed
        Another seed ranks them otherwise.
    caps
        How many faces of one photo, host or creator are drawn.
    splits
        How many of the faces of a class each split gets; their sum stands in the place of `per_class`.
    reserve
        Faces of each class to keep in reserve.
    cells
        The cells every class is spread over evenly: as many faces of each as can be, and what one cell lacks the
        others give. Cells of the faces themselves need not be named.
    """
    pools: dict[Emotion, list[Eligible]] = {emotion: [] for emotion in EMOTIONS}
    for face in faces:
        eligible = Eligible(*face)
        pools[eligible.emotion].append(eligible)
    quotas = dict(splits) if splits else {ONLY_SPLIT: per_class}
    wanted = sum(quotas.values())
    room = SplitAllocator(caps, quotas)
    known = set(cells)
    chosen: dict[Emotion, list[str]] = {emotion: [] for emotion in EMOTIONS}
    counts: dict[Emotion, list[CellCount]] = {}
    for emotion in sorted(EMOTIONS, key=lambda emotion: (len(pools[emotion]), emotion)):
        chosen[emotion], counts[emotion] = _draw_class(
            pools[emotion], emotion, wanted, seed, room=room, cells=known
        )
    kept_back: dict[Emotion, list[str]] = {}
    for emotion, pool in pools.items():
        left = [face for face in by_rank(pool, seed) if face.face_id not in room.split_of]
        fitting = [face.face_id for face in left if room.objection(face) is None]
        kept_back[emotion] = fitting[:reserve]
        for face in left:
            room.passed_over.setdefault(face.face_id, "not_drawn")
        room.passed_over.update(dict.fromkeys(kept_back[emotion], "reserve"))
    return Draw(
        chosen,
        {emotion: wanted - len(chosen[emotion]) for emotion in EMOTIONS if len(chosen[emotion]) < wanted},
        kept_back,
        room.split_of,
        room.passed_over,
        tuple(count for emotion in EMOTIONS for count in counts[emotion]),
    )


def _draw_class(
    pool: Sequence[Eligible],
    emotion: Emotion,
    wanted: int,
    seed: int,
    *,
    room: SplitAllocator,
    cells: set[Cell],
) -> tuple[list[str], list[CellCount]]:
    """Take the next face of whichever cell has given the fewest, until there are enough."""
    waiting: dict[Cell, list[Eligible]] = {cell: [] for cell in cells}
    for face in reversed(by_rank(pool, seed)):
        waiting.setdefault(face.cell, []).append(face)
    # An order that favours no cell in all classes: the first ones give one face more where it does not divide.
    order = sorted(waiting, key=lambda cell: _rank(seed, f"{emotion}|{'|'.join(cell)}"))
    got: Counter[Cell] = Counter()
    chosen: list[str] = []
    while len(chosen) < wanted:
        open_cells = [cell for cell in order if waiting[cell]]
        if not open_cells:
            break
        cell = min(open_cells, key=lambda cell: got[cell])
        face = waiting[cell].pop()
        if room.take(face):
            chosen.append(face.face_id)
            got[cell] += 1
    share, more = divmod(wanted, len(order)) if order else (0, 0)
    counts = [CellCount(emotion, cell, share + (place < more), got[cell]) for place, cell in enumerate(order)]
    return chosen, sorted(counts, key=lambda count: count.cell)


def by_rank(faces: Iterable[Eligible], seed: int) -> list[Eligible]:
    """Return faces in the order of the draw."""
    return sorted(faces, key=lambda face: _rank(seed, face.face_id))


def _rank(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}|{text}".encode()).digest()
