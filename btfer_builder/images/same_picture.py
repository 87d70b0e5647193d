"""Decide whether two pictures are the same: the only place that defines the thresholds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from btfer_builder.images.alignment import OTHER_REGION
from btfer_builder.images.hamming import hamming_distance, nearest_distances

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["same", "different", "undecided"]

#: Largest Hamming distance between the 64-bit pHashes of two candidates.
RADIUS = 8

#: Pictures whose 256-bit pHashes differ in at most this many bits are the same. Among 35,887 tight faces no two
#: pictures of different people or moments are that close; most are 72 to 130 bits apart. Different people in front of
#: one background can be: where the pixels are known, none of their regions may differ (`alignment.OTHER_REGION`).
SAME_BITS = 32

#: Otherwise the aligned pixels decide: pictures whose fine structure correlates at least this much are the same.
#: Different people reach 0.85, the same person a moment later 0.95 in rare cases, copies 0.96 and more.
SAME_LIKENESS = 0.95

#: The parts of a picture that are hashed besides the whole, as fractions cut off (left, top, right, bottom). They
#: imitate copies that are cropped by about 5 % in the middle or at a corner.
PARTS = (
    (0.025, 0.025, 0.025, 0.025),
    (0.05, 0.05, 0.05, 0.05),
    (0.05, 0.05, 0.0, 0.0),
    (0.0, 0.05, 0.05, 0.0),
    (0.05, 0.0, 0.0, 0.05),
    (0.0, 0.0, 0.05, 0.05),
)

#: Pictures whose hashes are converted at a time.
_CHUNK = 1 << 16


def part_radius(radius: int, *, mirrored: bool) -> int:
    """Return the largest distance between the hash of a picture and that of a part of a candidate, in bits.

    It is smaller than that of whole pictures: a part imitates a crop, so what is left of the distance is small, and
    the search for it among many pictures is much cheaper. Mirrored and cropped copies are rare.
    """
    return radius // 4 if mirrored else radius // 2


class PerceptualHashes(Protocol):
    """The perceptual hashes of a picture; of one hashed by version 0.1.0, all but the first two are empty."""

    @property
    def phash(self) -> str:
        """64 bits, as 16 hex digits."""

    @property
    def phash_mirrored(self) -> str:
        """The same for the mirror image."""

    @property
    def phash_256(self) -> str:
        """256 bits, as 64 hex digits."""

    @property
    def phash_256_mirrored(self) -> str:
        """The same for the mirror image."""

    @property
    def parts(self) -> str:
        """The hashes of the picture without its border, of the mirror image of that, and of the parts, concatenated."""


def decide(
    distance: int,
    fine_distance: int | None,
    likeness: float | None = None,
    *,
    radius: int = RADIUS,
    same_bits: int = SAME_BITS,
) -> Verdict:
    """Decide whether two pictures are the same.

    The 64-bit pHash alone is not enough: those of tight faces of different people are often as close.

    Parameters
    ----------
    distance
        Hamming distance of the 64-bit pHashes of the two pictures, or of a picture and a part of the other.
    fine_distance
        Hamming distance of the 256-bit pHashes; None if one of them is not known.
    likeness
        Similarity of the pixels (`alignment.likeness`); None if they were not or cannot be compared.
    radius, same_bits
        Largest distances of the same picture.

    Returns
    -------
    {"same", "different", "undecided"}
        `undecided` if only the pixels can decide and they were not compared.
    """
    if distance > radius:
        return "different"
    if fine_distance is not None and fine_distance <= same_bits:
        return "different" if likeness is not None and likeness < OTHER_REGION else "same"
    if likeness is None:
        return "undecided"
    return "same" if likeness >= SAME_LIKENESS else "different"


def fine_distance(first: PerceptualHashes, second: PerceptualHashes, mirrored: bool) -> int | None:
    """Return the Hamming distance of the 256-bit pHashes, None if one is not known.

    `mirrored` compares with the mirror image of the second picture.
    """
    other = second.phash_256_mirrored if mirrored else second.phash_256
    return hamming_distance(first.phash_256, other) if first.phash_256 and other else None


@dataclass(frozen=True, slots=True)
class HashMatrix:
    """The 64-bit pHashes of many pictures, one row a picture.

    Attributes
    ----------
    whole
        The hashes of the picture and of the picture without its border.
    mirrored
        The same for its mirror image.
    parts
        The hashes of its parts.
    """

    whole: "NDArray[np.uint64]"
    mirrored: "NDArray[np.uint64]"
    parts: "NDArray[np.uint64]"


def hash_matrix(pictures: Sequence[PerceptualHashes]) -> HashMatrix:
    """Return the hashes of pictures as integers; the hash of the whole is repeated for parts that are not known."""
    import numpy as np

    rows = np.empty((len(pictures), 4 + len(PARTS)), dtype=np.uint64)
    for start in range(0, len(pictures), _CHUNK):  # the digits of a million pictures take much memory
        chunk = pictures[start : start + _CHUNK]
        rows[start : start + _CHUNK] = _integers([
            p.phash + p.phash_mirrored + (p.parts or p.phash + p.phash_mirrored + p.phash * len(PARTS))
            for p in chunk
        ])  # fmt: skip
    return _matrix(rows)


def matrix_of_digits(digits: Sequence[str]) -> HashMatrix:
    """Return what `hash_matrix` does, from the digits of `phash`, `phash_mirrored` and `parts` of each picture."""
    return _matrix(_integers(digits))


def _integers(digits: Sequence[str]) -> "NDArray[np.uint64]":
    import numpy as np

    read = np.frombuffer(bytes.fromhex("".join(digits)), dtype=">u8").reshape(len(digits), 4 + len(PARTS))
    return read[:, (0, 2, 1, 3, *range(4, 4 + len(PARTS)))].astype(np.uint64)


def _matrix(rows: "NDArray[np.uint64]") -> HashMatrix:
    return HashMatrix(rows[:, :2], rows[:, 2:4], rows[:, 4:])


def find_candidates(
    target: PerceptualHashes, pictures: HashMatrix, radius: int, mirrored: bool
) -> list[tuple[int, int, bool]]:
    """Return the pictures that may be the same as the target, each compared with it.

    Either may be a part of the other.

    Returns
    -------
    list of (index, distance, whether mirrored)
        A picture that is close both ways is listed twice.
    """
    import numpy as np

    own = hash_matrix([target])
    ways = [(False, own.whole, pictures.whole)]
    ways += [(True, own.mirrored, pictures.mirrored)] if mirrored else []
    found = []
    for turned, ours, theirs in ways:
        whole = np.minimum(
            nearest_distances(pictures.whole, ours[0]), nearest_distances(theirs, own.whole[0])
        )
        part = np.minimum(nearest_distances(pictures.parts, ours[0]), nearest_distances(theirs, own.parts[0]))
        near = np.where(part <= part_radius(radius, mirrored=turned), np.minimum(whole, part), whole)
        found += [(int(index), int(near[index]), turned) for index in np.flatnonzero(near <= radius)]
    return found


def connected_groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each of `count` items the lowest item it is connected to, over any number of pairs."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, lowest = np.unique(labels, return_index=True)
    groups: list[int] = lowest[labels].tolist()
    return groups
