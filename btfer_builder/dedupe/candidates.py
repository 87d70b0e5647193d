"""Find images that may be the same picture: the 64-bit pHash of one, or of a part of it, is close to the other's."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from btfer_builder.images.hamming import pairs_between, pairs_with
from btfer_builder.images.same_picture import PerceptualHashes, hash_matrix, part_radius

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from btfer_builder.images.hamming import Pairs


class CandidateIndex:
    """An index of images that returns, for each, the images that `find_candidates` finds for it.

    The hash of a whole image is compared with those of the whole and the parts of every other image. Each distinct
    value is compared once, however many images have it, and images are looked up on demand: a thousand copies of one
    picture cost nothing.

    Parameters
    ----------
    images
        The hashed images.
    radius
        Largest Hamming distance of whole images, in bits.
    mirrored
        Whether the mirror image of one may be the other.
    """

    def __init__(self, images: Sequence[PerceptualHashes], radius: int, mirrored: bool) -> None:
        import numpy as np

        known = hash_matrix(images)
        whole, turned, parts = (
            _Values(known.whole),
            _Values(known.mirrored[:, : 2 * mirrored]),
            _Values(known.parts),
        )
        # One search for both ways finds as much as two, in less time.
        unturned, both = pairs_with(whole.values, turned.values, radius)
        self._matches = [
            _Matches(whole, whole, _both_ways(unturned, len(whole.values)), mirrored=False),
            _Matches.within(whole, parts, part_radius(radius, mirrored=False), mirrored=False),
        ]
        del unturned
        if mirrored:
            self._matches += [
                _Matches(turned, whole, (both[1], both[0], both[2]), mirrored=True),
                _Matches.within(turned, parts, part_radius(radius, mirrored=True), mirrored=True),
            ]
        self._has_any: NDArray[np.bool_] = np.any([matches.has_any for matches in self._matches], axis=0)

    def of(self, image: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (index, distance, whether mirrored) of every image that may be the same as this one, each way once."""
        if not self._has_any[image]:
            return
        found: dict[tuple[int, bool], int] = {}
        for matches in self._matches:
            if matches.has_any[image]:
                for other, distance in matches.of(image):
                    if other != image:
                        key = other, matches.mirrored
                        found[key] = min(distance, found.get(key, distance))
        for (other, mirrored), distance in found.items():
            yield other, distance, mirrored


def _both_ways(pairs: "Pairs", count: int) -> "Pairs":
    """Return the pairs of `count` values in both orders, and each value with itself."""
    import numpy as np

    first, second, distance = pairs
    same = np.arange(count)
    return (
        np.concatenate([same, first, second]),
        np.concatenate([same, second, first]),
        np.concatenate([np.zeros(count, np.uint8), distance, distance]),
    )


class _Matches:
    """The images of which one of the hashes on the left is close to one of the hashes on the right of another.

    Parameters
    ----------
    left, right
        The values of the hashes.
    pairs
        Those that are close, those of equal ones included.
    mirrored
        Whether the left hashes are those of the mirror images.

    Attributes
    ----------
    has_any
        Which images have a match: most have none.
    """

    def __init__(self, left: "_Values", right: "_Values", pairs: "Pairs", *, mirrored: bool) -> None:
        self.mirrored = mirrored
        self._left, self._right = left, right
        ours, theirs, distance = pairs
        useful = self._between_images(ours, theirs)
        ours, theirs, distance = ours[useful], theirs[useful], distance[useful]
        self._right_of = _Lists(ours, theirs, distance, len(left.values))
        self._left_of = _Lists(theirs, ours, distance, len(right.values))
        self.has_any: NDArray[np.bool_] = left.held_by(ours) | right.held_by(theirs)

    @classmethod
    def within(cls, left: "_Values", right: "_Values", radius: int, *, mirrored: bool) -> "_Matches":
        """Search the pairs."""
        return cls(left, right, pairs_between(left.values, right.values, radius), mirrored=mirrored)

    def _between_images(self, ours: "NDArray[np.int64]", theirs: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        """Return which pairs of values belong to two images: a part is often like its own whole."""
        own, other = self._left.only_holder(ours), self._right.only_holder(theirs)
        between: NDArray[np.bool_] = (own != other) | (own < 0)
        return between

    def of(self, image: int) -> Iterator[tuple[int, int]]:
        """Yield (index, distance) of the matches of an image, possibly with repetitions."""
        for values, near, others in (
            (self._left, self._right_of, self._right),
            (self._right, self._left_of, self._left),
        ):
            for value in values.of(image):
                for other, distance in near.of(value):
                    for holder in others.holders(other):
                        yield holder, distance


class _Values:
    """The distinct values in a table of hashes with one row an image, and which images have each."""

    def __init__(self, hashes: "NDArray[np.uint64]") -> None:
        import numpy as np

        # As `np.unique`, but the order, which the holders need, too, is found only once.
        flat = hashes.ravel()
        order = np.argsort(flat)
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
        self.values = ordered[starts]
        self._begin = np.append(starts, len(ordered))
        copies = np.repeat(np.arange(len(self.values), dtype=np.int64), np.diff(self._begin))
        order = np.sort(copies << 32 | order) & 0xFFFFFFFF  # of equal ones by image
        # Small integers: a million images have many.
        self._position = np.empty(hashes.shape, dtype=np.int32)
        self._position.ravel()[order] = copies
        self._holders = (order // hashes.shape[1]).astype(np.int32)

    def of(self, image: int) -> list[int]:
        """Return the values of an image."""
        values: list[int] = self._position[image].tolist()
        return values

    def holders(self, value: int) -> list[int]:
        """Return the images that have a value."""
        images: list[int] = self._holders[self._begin[value] : self._begin[value + 1]].tolist()
        return images

    def only_holder(self, values: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return the image that has each of some values, -1 where several have it."""
        import numpy as np

        first = self._holders[self._begin[values]]
        last = self._holders[self._begin[values + 1] - 1]
        return np.where(first == last, first, -1).astype(np.int64)

    def held_by(self, values: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        """Return which images have one of some values."""
        import numpy as np

        wanted = np.zeros(len(self.values), dtype=bool)
        wanted[values] = True
        held: NDArray[np.bool_] = np.any(wanted[self._position], axis=1)
        return held


class _Lists:
    """For each of `count` values a list of others, with distances."""

    def __init__(
        self,
        source: "NDArray[np.int64]",
        target: "NDArray[np.int64]",
        distance: "NDArray[np.uint8]",
        count: int,
    ) -> None:
        import numpy as np

        order = np.argsort(source, kind="stable")
        self._target, self._distance = target[order].astype(np.int32), distance[order]
        self._begin = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=count))])

    def of(self, value: int) -> Iterator[tuple[int, int]]:
        """Yield (value, distance) of the list of a value."""
        span = slice(self._begin[value], self._begin[value + 1])
        yield from zip(self._target[span].tolist(), self._distance[span].tolist(), strict=True)
