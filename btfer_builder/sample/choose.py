"""Choose exactly n faces of each class; the choice depends on the seed and the faces only."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.sample.source_limits import Cell, Eligible, SourceLimits, SplitAllocator

#: The split of a sample without splits.
ONLY_SPLIT = "test"

ONE_PER_PHOTO = SourceLimits()


@dataclass(frozen=True, slots=True)
class CellCount:
    """Number of faces requested from a cell of a class, and drawn from it."""

    emotion: Emotion
    cell: Cell
    asked: int
    got: int

    @property
    def short(self) -> int:
        """Number of missing faces, which other cells of the class replace if they can."""
        return max(0, self.asked - self.got)


@dataclass(frozen=True)
class Draw:
    """The result of a draw.

    Attributes
    ----------
    chosen
        The faces of each class in the order of the draw.
    short
        Number of missing faces of each class that is short.
    reserve
        The next faces of each class, which may replace chosen ones.
    split_of
        The split of every chosen face.
    passed_over
        The reason why each other face was not drawn, one of the stage `sample`.
    cells
        Requested and drawn faces of the cells of each class.
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
    """Draw the first `per_class` faces of each class, ranked by the SHA-256 of seed and face id (§2, stage 4).

    The rank of a face depends on its id and the seed only: adding or removing a face moves the others by at most
    one place. The smallest class is drawn first, so that caps leave it as many faces as possible.

    Parameters
    ----------
    faces
        The eligible faces.
    per_class
        Number of faces of each class.
    seed
        Seed of the ranks.
    caps
        Maximum number of faces of one photo, host or creator.
    splits
        Number of faces of a class in each split; their sum replaces `per_class`.
    reserve
        Number of reserve faces of each class.
    cells
        Cells over which each class is spread evenly; other cells replace what one lacks. The cells of `faces` are
        always included.
    """
    pools: dict[Emotion, list[Eligible]] = {emotion: [] for emotion in EMOTIONS}
    for face in faces:
        eligible = Eligible(*face)
        pools[eligible.emotion].append(eligible)
    quotas = dict(splits) if splits else {ONLY_SPLIT: per_class}
    wanted = sum(quotas.values())
    allocator = SplitAllocator(caps, quotas)
    known = set(cells)
    chosen: dict[Emotion, list[str]] = {emotion: [] for emotion in EMOTIONS}
    counts: dict[Emotion, list[CellCount]] = {}
    for emotion in sorted(EMOTIONS, key=lambda emotion: (len(pools[emotion]), emotion)):
        chosen[emotion], counts[emotion] = _draw_class(
            pools[emotion], emotion, wanted, seed, allocator=allocator, cells=known
        )
    kept_back: dict[Emotion, list[str]] = {}
    for emotion, pool in pools.items():
        left = [face for face in by_rank(pool, seed) if face.face_id not in allocator.split_of]
        fitting = [face.face_id for face in left if allocator.exceeded_cap(face) is None]
        kept_back[emotion] = fitting[:reserve]
        for face in left:
            allocator.passed_over.setdefault(face.face_id, "not_drawn")
        allocator.passed_over.update(dict.fromkeys(kept_back[emotion], "reserve"))
    return Draw(
        chosen,
        {emotion: wanted - len(chosen[emotion]) for emotion in EMOTIONS if len(chosen[emotion]) < wanted},
        kept_back,
        allocator.split_of,
        allocator.passed_over,
        tuple(count for emotion in EMOTIONS for count in counts[emotion]),
    )


def _draw_class(
    pool: Sequence[Eligible],
    emotion: Emotion,
    wanted: int,
    seed: int,
    *,
    allocator: SplitAllocator,
    cells: set[Cell],
) -> tuple[list[str], list[CellCount]]:
    """Draw from the cell with the fewest drawn faces until there are enough."""
    waiting: dict[Cell, list[Eligible]] = {cell: [] for cell in cells}
    for face in reversed(by_rank(pool, seed)):
        waiting.setdefault(face.cell, []).append(face)
    # If the number does not divide, the first cells give one face more; each class has another order.
    order = sorted(waiting, key=lambda cell: _rank(seed, f"{emotion}|{'|'.join(cell)}"))
    got: Counter[Cell] = Counter()
    chosen: list[str] = []
    while len(chosen) < wanted:
        open_cells = [cell for cell in order if waiting[cell]]
        if not open_cells:
            break
        cell = min(open_cells, key=lambda cell: got[cell])
        face = waiting[cell].pop()
        if allocator.take(face):
            chosen.append(face.face_id)
            got[cell] += 1
    share, more = divmod(wanted, len(order)) if order else (0, 0)
    counts = [CellCount(emotion, cell, share + (index < more), got[cell]) for index, cell in enumerate(order)]
    return chosen, sorted(counts, key=lambda count: count.cell)


def by_rank(faces: Iterable[Eligible], seed: int) -> list[Eligible]:
    """Return the faces in the order of the draw."""
    return sorted(faces, key=lambda face: _rank(seed, face.face_id))


def _rank(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}|{text}".encode()).digest()
