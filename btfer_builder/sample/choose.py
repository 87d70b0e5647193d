"""Choose exactly n faces a class, the same ones whatever the order, the machine and the time."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from btfer_builder.emotions import EMOTIONS, Emotion


@dataclass(frozen=True, slots=True)
class Draw:
    """The faces chosen for each class in the order of the draw, and how many are missing."""

    chosen: dict[Emotion, list[str]]
    short: dict[Emotion, int]


def choose(faces: Iterable[tuple[str, Emotion]], per_class: int, seed: int) -> Draw:
    """Take the first `per_class` faces of each class, ranked by SHA-256 of seed and face id (§2, stage 4).

    A face's rank depends on nothing but itself and the seed: a face added or taken away moves the others up or
    down by one at most, and never mixes them.

    Parameters
    ----------
    faces
        (face_id, emotion) of every accepted face.
    per_class
        Faces wanted of each class.
    seed
        Another seed ranks them otherwise.
    """
    pools: dict[Emotion, list[str]] = {emotion: [] for emotion in EMOTIONS}
    for face_id, emotion in faces:
        pools[emotion].append(face_id)
    chosen = {emotion: ranked(pool, seed)[:per_class] for emotion, pool in pools.items()}
    short = {emotion: per_class - len(faces) for emotion, faces in chosen.items() if len(faces) < per_class}
    return Draw(chosen, short)


def ranked(face_ids: Sequence[str], seed: int) -> list[str]:
    """Return face ids in the order of the draw."""
    return sorted(face_ids, key=lambda face_id: hashlib.sha256(f"{seed}|{face_id}".encode()).digest())
