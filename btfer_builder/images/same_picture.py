"""Decide whether two pictures are the same one: the only place that knows how close is close enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["same", "different", "undecided"]

#: Largest Hamming distance of two 64-bit pHashes that are looked at more closely.
RADIUS = 8

#: Pictures whose 256-bit pHashes differ in so many bits at most are the same. Of 35,887 tight faces no two pictures
#: of different people or moments are that close; most are 72 to 130 bits apart.
SAME_BITS = 32

#: Otherwise their pixels decide, laid over one another: from this correlation of fine structure on they are the same.
#: Different people reach 0.85, the same person a moment later 0.95 in rare cases, copies 0.96 and more.
SAME_LIKENESS = 0.95

#: The parts of a picture that are hashed beside the whole, as shares cut off (left, top, right, bottom): what a copy
#: that is cropped by some 5 % looks like. Each is some 5 % smaller, wherever the copy was cropped.
PARTS = (
    (0.025, 0.025, 0.025, 0.025),
    (0.05, 0.05, 0.05, 0.05),
    (0.05, 0.05, 0.0, 0.0),
    (0.0, 0.05, 0.05, 0.0),
    (0.05, 0.0, 0.0, 0.05),
    (0.0, 0.0, 0.05, 0.05),
)

_DIGITS = 16


class Looks(Protocol):
    """What hashes tell of a picture; those beyond the first two are empty where only 0.1.0 has hashed it."""

    @property
    def phash(self) -> str:
        """64 bits, as 16 hex digits."""

    @property
    def phash_mirrored(self) -> str:
        """The same of the mirror image."""

    @property
    def phash_256(self) -> str:
        """256 bits, as 64 hex digits."""

    @property
    def phash_256_mirrored(self) -> str:
        """The same of the mirror image."""

    @property
    def parts(self) -> str:
        """Of the picture without its border, of the mirror image of that, and of the parts: 16 hex digits each."""


def decide(
    distance: int,
    fine_distance: int | None,
    likeness: float | None = None,
    *,
    radius: int = RADIUS,
    same_bits: int = SAME_BITS,
) -> Verdict:
    """Decide whether two pictures are the same one.

    The 64-bit pHash alone never says so: tight faces of different people are often that close.

    Parameters
    ----------
    distance
        Hamming distance of the 64-bit pHashes, of the wholes or of a whole and a part.
    fine_distance
        The same of the 256-bit pHashes of the wholes; None where one of them is not known.
    likeness
        How alike the pixels are (`overlay.likeness`); None where they were not compared.
    radius, same_bits
        Largest distances of the same picture.

    Returns
    -------
    str
        `undecided` where only the pixels can tell and they were not compared.
    """
    if distance > radius:
        return "different"
    if fine_distance is not None and fine_distance <= same_bits:
        return "same"
    if likeness is None:
        return "undecided"
    return "same" if likeness >= SAME_LIKENESS else "different"


def bits(one: str, other: str) -> int:
    """Return the Hamming distance of two hashes of hex digits."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def fine_distance(one: Looks, other: Looks, mirrored: bool) -> int | None:
    """Return the Hamming distance of the 256-bit pHashes, None where one is not known; `mirrored` turns the other."""
    turned = other.phash_256_mirrored if mirrored else other.phash_256
    return bits(one.phash_256, turned) if one.phash_256 and turned else None


@dataclass(frozen=True, slots=True)
class Values:
    """The 64-bit pHashes of many pictures, one row a picture.

    Attributes
    ----------
    whole
        Of the picture, and of it without its border.
    mirrored
        The same of its mirror image.
    parts
        Of its parts.
    """

    whole: "NDArray[np.uint64]"
    mirrored: "NDArray[np.uint64]"
    parts: "NDArray[np.uint64]"


def values(looks: Sequence[Looks]) -> Values:
    """Return the hashes of pictures as numbers; where there are none of parts, the whole takes their place."""
    import numpy as np

    rows = np.empty((len(looks), 4 + len(PARTS)), dtype=np.uint64)
    for row, look in zip(rows, looks, strict=True):
        plain, mirrored = int(look.phash, 16), int(look.phash_mirrored, 16)
        if look.parts:
            body, body_mirrored, *parts = (
                int(look.parts[start : start + _DIGITS], 16) for start in range(0, len(look.parts), _DIGITS)
            )
            row[:] = (plain, body, mirrored, body_mirrored, *parts)
        else:
            row[:] = (plain, plain, mirrored, mirrored, *[plain] * len(PARTS))
    return Values(rows[:, :2], rows[:, 2:4], rows[:, 4:])


def candidates(target: Looks, others: Values, radius: int, mirrored: bool) -> list[tuple[int, int, bool]]:
    """Return (place, distance, whether mirrored) of every picture that may be the target, compared one by one.

    Either may be the part of the other. A picture that is close both ways is there twice.
    """
    import numpy as np

    own = values([target])

    def closest(ours: "NDArray[np.uint64]", theirs: "NDArray[np.uint64]") -> "NDArray[np.uint8]":
        """Compare our wholes with their wholes and parts, and their wholes with ours."""
        wholes = np.concatenate([others.whole, others.parts], axis=1)
        own_wholes = np.concatenate([own.whole, own.parts], axis=1)
        one = np.bitwise_count(wholes[:, :, None] ^ ours[0]).min(axis=(1, 2))
        other = np.bitwise_count(theirs[:, :, None] ^ own_wholes[0]).min(axis=(1, 2))
        nearest: NDArray[np.uint8] = np.minimum(one, other)
        return nearest

    found = []
    ways = [(False, own.whole, others.whole)]
    ways += [(True, own.mirrored, others.mirrored)] if mirrored else []
    for turned, ours, theirs in ways:
        near = closest(ours, theirs)
        found += [(int(place), int(near[place]), turned) for place in np.flatnonzero(near <= radius)]
    return found
