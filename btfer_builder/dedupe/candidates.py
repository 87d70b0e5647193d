"""Find images that may be the same picture: the 64-bit pHash of one, or of a part of it, is close to the other's."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from btfer_builder.images.hamming import neighbours
from btfer_builder.images.same_picture import PARTS, PerceptualHashes, hash_matrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


#: Number of parts that are searched at a time: more take memory, fewer take time.
_PARTS_AT_A_TIME = 3


class CandidateIndex:
    """An index of images that returns, for each, the images with a pHash within the radius.

    The hash of a whole image is compared with those of the whole and the parts of every other image. Each distinct
    value is compared once, however many images have it, and images are looked up on demand: a thousand copies of one
    picture cost nothing.

    Parameters
    ----------
    images
        The hashed images.
    radius
        Largest Hamming distance, in bits.
    mirrored
        Whether the mirror image of one may be the other.
    """

    def __init__(self, images: Sequence[PerceptualHashes], radius: int, mirrored: bool) -> None:
        import numpy as np

        known = hash_matrix(images)
        wholes = [*known.whole.T]
        turned = [*known.mirrored.T] if mirrored else []
        self._pairs = [_Pairs(wholes, turned, [], radius)]
        self._pairs += [
            _Pairs(wholes, turned, [*known.parts[:, start : start + _PARTS_AT_A_TIME].T], radius)
            for start in range(0, len(PARTS), _PARTS_AT_A_TIME)
        ]
        self._has_pairs: NDArray[np.bool_] = np.any([pairs.has_pairs for pairs in self._pairs], axis=0)

    def of(self, image: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (index, distance, whether mirrored) of every image that may be the same as this one, each way once."""
        if not self._has_pairs[image]:
            return
        found: dict[tuple[int, bool], int] = {}
        for pairs in self._pairs:
            if pairs.has_pairs[image]:
                for other, distance, mirrored in pairs.of(image):
                    if other != image:
                        found[other, mirrored] = min(distance, found.get((other, mirrored), distance))
        for (other, mirrored), distance in found.items():
            yield other, distance, mirrored


class _Pairs:
    """The pairs of whole images, or of whole images and some parts."""

    def __init__(
        self,
        wholes: "list[NDArray[np.uint64]]",
        turned: "list[NDArray[np.uint64]]",
        parts: "list[NDArray[np.uint64]]",
        radius: int,
    ) -> None:
        import numpy as np

        count = len(wholes[0])
        roles = [*wholes, *turned, *parts]
        # A pair is a role of one image and a role of the other: a whole, mirrored or not, and a whole or a part.
        self._left = range(len(wholes) + len(turned))
        self._right = range(len(self._left), len(roles)) if parts else range(len(wholes))
        self._turned = range(len(wholes), len(wholes) + len(turned))
        found, position = np.unique(np.concatenate(roles), return_inverse=True)
        # Small integers, so that a million images take half a gigabyte.
        self._value = position.reshape(len(roles), count).astype(np.int32)
        left, right = (np.zeros(len(found), dtype=bool) for _ in range(2))
        left[self._value[list(self._left)]] = True
        right[self._value[list(self._right)]] = True
        first, second, distance = neighbours(found, radius)
        useful = left[first] & right[second] | left[second] & right[first]
        first, second, distance = first[useful], second[useful], distance[useful]
        source = np.concatenate([first, second])
        order = np.argsort(source, kind="stable")
        self._target = np.concatenate([second, first])[order].astype(np.int32)
        self._distance: NDArray[np.uint8] = np.concatenate([distance, distance])[order]
        self._begin: NDArray[np.int64] = np.searchsorted(source[order], np.arange(len(found) + 1))
        # The images that have a value: sorted by value, with the role in which they have it.
        order = np.argsort(position, kind="stable")
        role, holder = np.divmod(order, max(1, count))
        self._holder_role, self._holder = role.astype(np.int8), holder.astype(np.int32)
        self._held: NDArray[np.int64] = np.searchsorted(position[order], np.arange(len(found) + 1))
        # Most images have no pair: no other image has one of their values or a close one.
        paired = np.zeros(len(found), dtype=bool)
        paired[source] = True
        if count:
            shared = self._holder != np.repeat(self._holder[self._held[:-1]], np.diff(self._held))
            paired[position[order][shared]] = True
        self.has_pairs: NDArray[np.bool_] = np.any(paired[self._value], axis=0)

    def of(self, image: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (index, distance, whether mirrored) of the candidates of an image, possibly with repetitions."""
        for role, value in enumerate(self._value[:, image].tolist()):
            span = slice(self._begin[value], self._begin[value + 1])
            close = [
                (value, 0),
                *zip(self._target[span].tolist(), self._distance[span].tolist(), strict=True),
            ]
            for other_value, distance in close:
                held = slice(self._held[other_value], self._held[other_value + 1])
                for other, other_role in zip(
                    self._holder[held].tolist(), self._holder_role[held].tolist(), strict=True
                ):
                    if (role in self._left and other_role in self._right) or (
                        role in self._right and other_role in self._left
                    ):
                        yield other, distance, role in self._turned or other_role in self._turned
