"""Find images that may be the same picture: the 64-bit pHash of one, or of a part of it, is close to the other's."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from btfer_builder.images.hamming import neighbours, pairs_between
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
        self._matches = [
            _Matches(known.whole, known.whole, radius, mirrored=False),
            _Matches(known.whole, known.parts, part_radius(radius, mirrored=False), mirrored=False),
        ]
        if mirrored:
            self._matches += [
                _Matches(known.mirrored, known.whole, radius, mirrored=True),
                _Matches(known.mirrored, known.parts, part_radius(radius, mirrored=True), mirrored=True),
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


class _Matches:
    """The images of which one of the hashes on the left is close to one of the hashes on the right of another.

    Parameters
    ----------
    left, right
        Hashes, shapes (n, k) and (n, m), one row an image.
    radius
        Largest distance, in bits.
    mirrored
        Whether the left hashes are those of the mirror images.

    Attributes
    ----------
    has_any
        Which images have a match: most have none.
    """

    def __init__(
        self, left: "NDArray[np.uint64]", right: "NDArray[np.uint64]", radius: int, *, mirrored: bool
    ) -> None:
        import numpy as np

        self.mirrored = mirrored
        self._left = _Values(left)
        self._right = self._left if right is left else _Values(right)
        ours, theirs, distance = self._pairs(radius)
        useful = self._between_images(ours, theirs)
        ours, theirs, distance = ours[useful], theirs[useful], distance[useful]
        self._right_of = _Lists(ours, theirs, distance, len(self._left.values))
        self._left_of = _Lists(theirs, ours, distance, len(self._right.values))
        self.has_any: NDArray[np.bool_] = self._left.held_by(ours) | self._right.held_by(theirs)

    def _pairs(self, radius: int) -> "Pairs":
        """Return the pairs of values, those of equal ones included."""
        import numpy as np

        if self._left is not self._right:
            return pairs_between(self._left.values, self._right.values, radius)
        first, second, distance = neighbours(self._left.values, radius)
        same = np.arange(len(self._left.values))
        return (
            np.concatenate([same, first, second]),
            np.concatenate([same, second, first]),
            np.concatenate([np.zeros(len(same), np.uint8), distance, distance]),
        )

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

        self.values, position = np.unique(hashes.ravel(), return_inverse=True)
        # Small integers: a million images have many.
        self._position = position.astype(np.int32).reshape(hashes.shape)
        holders = np.argsort(position, kind="stable") // hashes.shape[1]
        self._holders = holders.astype(np.int32)
        self._begin = np.concatenate([[0], np.cumsum(np.bincount(position, minlength=len(self.values)))])

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
