"""Decide which of a group of duplicates is kept, without chains, and which groups are in conflict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.neighbours import neighbours
from btfer_builder.records import DedupeResult, DuplicateGroup, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

Hashed = TypeVar("Hashed", bound=HashedImage)

Alike = Literal["pixels", "near", "mirrored"]

#: What an image is alike to: its place, the Hamming distance, and how.
Links = Callable[[int], Iterator[tuple[int, int, Alike]]]

_REASON: dict[Alike, str] = {
    "pixels": "same_pixels",
    "near": "near_duplicate",
    "mirrored": "mirrored_duplicate",
}

#: Reduced decoding moves a pHash by so many bits at most; images with the same pixels are no further apart.
REDUCED_BITS = 2


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
    ranked = best_first(images)
    return results + stars(ranked, _LookAlikes(ranked, radius, mirrored).of)


def best_first(images: Sequence[Hashed]) -> list[Hashed]:
    """Return the images that can be kept, in the order in which they are: by pixels, licence, and time."""
    return sorted((image for image in images if image.reason is None), key=_rank)


def _rank(image: HashedImage) -> tuple[int, bool, int]:
    return -image.width * image.height, not image.licensed, image.order


def stars(ranked: Sequence[HashedImage], links: Links) -> list[DedupeResult]:
    """Keep each image that repeats none kept before it, and drop those it is linked to for it.

    Parameters
    ----------
    ranked
        Best first.
    links
        What an image, by its place in `ranked`, is alike to; both ways.
    """
    results = []
    taken: set[int] = set()
    for index, keeper in enumerate(ranked):
        if index in taken:
            continue
        taken.add(index)
        group: dict[int, tuple[int, Alike]] = {}
        for other, distance, kind in links(index):
            if other not in taken and (
                other not in group or _closeness(distance, kind) < _closeness(*group[other])
            ):
                group[other] = (distance, kind)
        taken.update(group)
        emotions = keeper.emotions.union(*(ranked[other].emotions for other in group))
        conflict = len(emotions) > 1
        results.append(DedupeResult(keeper.image_id, "kept", conflict=conflict))
        results += [
            DedupeResult(
                ranked[other].image_id,
                "dropped",
                _REASON[kind],
                keeper.image_id,
                kind,
                distance,
                conflict,
            )
            for other, (distance, kind) in group.items()
        ]
    return results


def _closeness(distance: int, kind: Alike) -> tuple[int, int]:
    """Order the ways in which two images are alike; at the same distance, plain is closer than mirrored."""
    return distance, ("pixels", "near", "mirrored").index(kind)


def describe_groups(
    kind: Kind, images: Sequence[HashedImage], results: Sequence[DedupeResult]
) -> list[DuplicateGroup]:
    """Return of each group how far its members are apart and why its best one was kept.

    The diameter is the largest Hamming distance of any two members, each turned as the kept one is.
    """
    known = {image.image_id: image for image in images}
    members: dict[str, list[DedupeResult]] = defaultdict(list)
    for result in results:
        if result.duplicate_of is not None:
            members[result.duplicate_of].append(result)
    groups = []
    for kept, dropped in members.items():
        keeper = known[kept]
        hashes = {keeper.phash}
        for result in dropped:
            image = known[result.image_id]
            if result.kind != "pixels":
                hashes.add(image.phash_mirrored if result.kind == "mirrored" else image.phash)
        second = min(_rank(known[result.image_id]) for result in dropped)
        best = _rank(keeper)
        rule: Literal["pixels", "license", "earliest"] = "earliest"
        if best[0] != second[0]:
            rule = "pixels"
        elif best[1] != second[1]:
            rule = "license"
        groups.append(DuplicateGroup(kind, kept, len(dropped), _diameter(hashes), rule))
    return groups


def _diameter(hashes: set[str]) -> int:
    import numpy as np

    values = np.array([int(value, 16) for value in hashes], dtype=np.uint64)
    return max(int(np.bitwise_count(values ^ value).max()) for value in values)


def unproven_copies(images: Sequence[HashedImage]) -> list[str]:
    """Return the images without a pixel hash that may have the very pixels of another: as large, and alike."""
    import numpy as np

    by_look: dict[str, list[HashedImage]] = defaultdict(list)
    for image in images:
        if image.reason is None:
            by_look[image.phash].append(image)
    looks = np.array(sorted(int(look, 16) for look in by_look), dtype=np.uint64)
    first, second, _ = neighbours(looks, REDUCED_BITS)
    alike: list[tuple[str, ...]] = [(look,) for look in by_look]
    alike += [
        (f"{int(one):016x}", f"{int(other):016x}") for one, other in zip(looks[first], looks[second], strict=True)
    ]  # fmt: skip
    suspects = set()
    for some_looks in alike:
        together = [image for look in some_looks for image in by_look[look]]
        sizes = Counter((image.width, image.height) for image in together)
        suspects |= {
            image.image_id
            for image in together
            if not image.pixel_sha256 and sizes[image.width, image.height] > 1
        }
    return sorted(suspects)


class _LookAlikes:
    """For each image, those with its pixels or within the radius of it, through the pairs of hash values."""

    def __init__(self, images: Sequence[HashedImage], radius: int, mirrored: bool) -> None:
        import numpy as np

        plain = [int(image.phash, 16) for image in images]
        flipped = [int(image.phash_mirrored, 16) for image in images] if mirrored else []
        # One copy of each value is compared, however many images share it.
        values, position = np.unique(np.array(plain + flipped, dtype=np.uint64), return_inverse=True)
        self._value = position[: len(images)]
        self._images: Mapping[tuple[int, Alike], list[int]] = defaultdict(list)
        for image, value in enumerate(position):
            key: tuple[int, Alike] = (int(value), "near" if image < len(images) else "mirrored")
            self._images[key].append(image % max(1, len(images)))
        self._pixels = [image.pixel_sha256 for image in images]
        self._same: Mapping[str, list[int]] = defaultdict(list)
        for place, digest in enumerate(self._pixels):
            if digest:
                self._same[digest].append(place)
        first, second, distance = neighbours(values, radius)
        source = np.concatenate([first, second])
        order = np.argsort(source, kind="stable")
        self._target: NDArray[np.int64] = np.concatenate([second, first])[order]
        self._distance: NDArray[np.uint8] = np.concatenate([distance, distance])[order]
        self._begin: NDArray[np.int64] = np.searchsorted(source[order], np.arange(len(values) + 1))

    def of(self, image: int) -> Iterator[tuple[int, int, Alike]]:
        """Yield (other image, distance, how) of everything an image is alike to."""
        for other in self._same.get(self._pixels[image], ()):
            if other != image:
                yield other, 0, "pixels"
        value = int(self._value[image])
        span = slice(self._begin[value], self._begin[value + 1])
        close = [(value, 0), *zip(self._target[span].tolist(), self._distance[span].tolist(), strict=True)]
        kinds: tuple[Alike, ...] = ("near", "mirrored")
        for other_value, distance in close:
            for kind in kinds:
                for other in self._images.get((other_value, kind), ()):
                    if other != image:
                        yield other, distance, kind
