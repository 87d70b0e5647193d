"""Pairs of images that may be the same picture: a 64-bit pHash of one, or of a part of it, is close to the other's."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from btfer_builder.images.hamming import neighbours
from btfer_builder.images.same_picture import PARTS, Looks, values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


#: Parts that are searched at the same time: more cost memory, fewer cost time.
_TOGETHER = 3


class LookAlikes:
    """For each image, those with a pHash within the radius, through the pairs of hash values.

    The whole of one is compared with the whole of another and with each of its parts, in both directions. One copy
    of each value is compared, however many images share it, and images are looked up when they are asked for: a
    thousand copies of one picture cost nothing.

    Parameters
    ----------
    looks
        What the images look like.
    radius
        Largest Hamming distance, in bits.
    mirrored
        Whether the mirror image of one of the two may be the other.
    """

    def __init__(self, looks: Sequence[Looks], radius: int, mirrored: bool) -> None:
        import numpy as np

        known = values(looks)
        wholes = [*known.whole.T]
        turned = [*known.mirrored.T] if mirrored else []
        self._banks = [_Bank(wholes, turned, [], radius)]
        self._banks += [
            _Bank(wholes, turned, [*known.parts[:, start : start + _TOGETHER].T], radius)
            for start in range(0, len(PARTS), _TOGETHER)
        ]
        self._some: NDArray[np.bool_] = np.any([bank.some for bank in self._banks], axis=0)

    def of(self, image: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (other image, distance, whether mirrored) of every image this one may be, each way once."""
        if not self._some[image]:
            return
        found: dict[tuple[int, bool], int] = {}
        for bank in self._banks:
            if bank.some[image]:
                for other, distance, mirrored in bank.of(image):
                    if other != image:
                        found[other, mirrored] = min(distance, found.get((other, mirrored), distance))
        for (other, mirrored), distance in found.items():
            yield other, distance, mirrored


class _Bank:
    """The pairs of wholes with wholes, or of wholes with some parts."""

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
        # A pair is a role of the one with a role of the other: any whole, turned or not, with a whole or a part.
        self._left = range(len(wholes) + len(turned))
        self._right = range(len(self._left), len(roles)) if parts else range(len(wholes))
        self._turned = range(len(wholes), len(wholes) + len(turned))
        found, position = np.unique(np.concatenate(roles), return_inverse=True)
        # Small integers: of a million images all this takes half a gigabyte.
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
        # Who has a value: images in the order of their values, role by role.
        order = np.argsort(position, kind="stable")
        role, holder = np.divmod(order, max(1, count))
        self._holder_role, self._holder = role.astype(np.int8), holder.astype(np.int32)
        self._held: NDArray[np.int64] = np.searchsorted(position[order], np.arange(len(found) + 1))
        # Most images have no pair: none has a value of theirs, or one near it.
        paired = np.zeros(len(found), dtype=bool)
        paired[source] = True
        if count:
            shared = self._holder != np.repeat(self._holder[self._held[:-1]], np.diff(self._held))
            paired[position[order][shared]] = True
        self.some: NDArray[np.bool_] = np.any(paired[self._value], axis=0)

    def of(self, image: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (other image, distance, whether mirrored), the same one more than once perhaps."""
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
