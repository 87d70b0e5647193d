"""Decide which image of a group of duplicates is kept, without chains, and which groups are in conflict."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.neighbours import neighbours
from btfer_builder.records import DedupeResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REASON = {"pixels": "same_pixels", "near": "near_duplicate", "mirrored": "mirrored_duplicate"}


def group_duplicates(images: Sequence[HashedImage], radius: int, mirrored: bool) -> list[DedupeResult]:
    """Keep one image of every group: most pixels, then licence known, then found earliest.

    Images are taken in that order. One that repeats no image kept so far is kept itself, and only images within
    the radius of a kept one are dropped for it: groups are stars, never chains, and no two images of a group are
    further apart than twice the radius. A group found under two emotions is a conflict.

    Parameters
    ----------
    images
        All hashed images.
    radius
        Largest Hamming distance of near duplicates, in bits.
    mirrored
        Whether a mirrored copy is a duplicate, too.
    """
    results = [
        DedupeResult(image.image_id, "dropped", image.reason) for image in images if image.reason is not None
    ]
    ranked = sorted(
        (image for image in images if image.reason is None),
        key=lambda image: (-image.width * image.height, not image.licensed, image.order),
    )
    look_alikes = _LookAlikes(ranked, radius, mirrored)
    taken: set[int] = set()
    for index, keeper in enumerate(ranked):
        if index in taken:
            continue
        taken.add(index)
        group: dict[int, tuple[int, str]] = {}
        for other, distance, kind in look_alikes.of(index):
            if other not in taken and (
                other not in group or _closeness(distance, kind) < _closeness(*group[other])
            ):
                group[other] = (distance, kind)
        taken.update(group)
        emotions = keeper.emotions.union(*(ranked[other].emotions for other in group))
        conflict = len(emotions) > 1
        results.append(DedupeResult(keeper.image_id, "kept", conflict=conflict))
        for other, (distance, kind) in group.items():
            copy = ranked[other]
            how = (0, "pixels") if copy.pixel_sha256 == keeper.pixel_sha256 else (distance, kind)
            results.append(
                DedupeResult(
                    copy.image_id, "dropped", _REASON[how[1]], keeper.image_id, how[1], how[0], conflict
                )
            )
    return results


def _closeness(distance: int, kind: str) -> tuple[int, bool]:
    """Order the ways in which two images are alike; at the same distance, plain is closer than mirrored."""
    return distance, kind == "mirrored"


class _LookAlikes:
    """For each image, the images within the radius of it, plain or mirrored, through the pairs of hash values."""

    def __init__(self, images: Sequence[HashedImage], radius: int, mirrored: bool) -> None:
        import numpy as np

        plain = [int(image.phash, 16) for image in images]
        flipped = [int(image.phash_mirrored, 16) for image in images] if mirrored else []
        # One copy of each value is compared, however many images share it.
        values, position = np.unique(np.array(plain + flipped, dtype=np.uint64), return_inverse=True)
        self._value = position[: len(images)]
        self._images: dict[tuple[int, str], list[int]] = defaultdict(list)
        for image, value in enumerate(position):
            key = (int(value), "near") if image < len(images) else (int(value), "mirrored")
            self._images[key].append(image % max(1, len(images)))
        first, second, distance = neighbours(values, radius)
        source = np.concatenate([first, second])
        order = np.argsort(source, kind="stable")
        self._target: NDArray[np.int64] = np.concatenate([second, first])[order]
        self._distance: NDArray[np.uint8] = np.concatenate([distance, distance])[order]
        self._begin: NDArray[np.int64] = np.searchsorted(source[order], np.arange(len(values) + 1))

    def of(self, image: int) -> Iterator[tuple[int, int, str]]:
        """Yield (other image, distance, kind) of everything within the radius of an image."""
        value = int(self._value[image])
        span = slice(self._begin[value], self._begin[value + 1])
        close = [(value, 0), *zip(self._target[span].tolist(), self._distance[span].tolist(), strict=True)]
        for other_value, distance in close:
            for kind in ("near", "mirrored"):
                for other in self._images.get((other_value, kind), ()):
                    if other != image:
                        yield other, distance, kind
