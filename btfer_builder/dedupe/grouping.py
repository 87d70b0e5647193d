"""Decide which of a group of duplicates is kept, without chains, and which groups are in conflict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.candidates import LookAlikes
from btfer_builder.images.hamming import neighbours
from btfer_builder.images.same_picture import decide, fine_distance
from btfer_builder.records import DedupeResult, DuplicateGroup, ImagePair, Kind

Hashed = TypeVar("Hashed", bound=HashedImage)

MatchKind = Literal["pixels", "near", "mirrored"]


class Link(NamedTuple):
    """What an image is alike to: its place, how closely (64-bit pHash) and how, and what else was measured."""

    place: int
    distance: int
    kind: MatchKind
    fine_distance: int | None = None
    likeness: float | None = None


Links = Callable[[int], Iterator[Link]]

#: Lays pairs of images over one another; those that could not be compared are left out.
Measure = Callable[[Sequence[ImagePair]], Mapping[ImagePair, float]]

_REASON: dict[MatchKind, str] = {
    "pixels": "same_pixels",
    "near": "near_duplicate",
    "mirrored": "mirrored_duplicate",
}

#: Reduced decoding moves a pHash by so many bits at most; images with the same pixels are no further apart.
REDUCED_BITS = 2


def _measure_nothing(_: Sequence[ImagePair]) -> Mapping[ImagePair, float]:
    return {}


def group_duplicates(
    images: Sequence[HashedImage], radius: int, mirrored: bool, measure: Measure = _measure_nothing
) -> list[DedupeResult]:
    """Keep one image of every group: most pixels, then licence known, then found earliest.

    Images are taken in that order. One that repeats no image kept so far is kept itself, and only images that are
    the same picture as a kept one are dropped for it: groups are stars, never chains. A group found under two
    emotions is a conflict.

    Parameters
    ----------
    images
        All hashed images.
    radius
        Largest Hamming distance of the 64-bit pHashes of near duplicates, in bits.
    mirrored
        Whether a mirrored copy is a duplicate, too.
    measure
        Asked for pairs that the hashes leave open, as long as there are any; pairs it does not return are kept.
    """
    results = [
        DedupeResult(image.image_id, "dropped", image.reason) for image in images if image.reason is not None
    ]
    ranked = best_first(images)
    links = _Links(ranked, radius, mirrored)
    while True:
        grouped = greedy_groups(ranked, links.of)
        if not links.undecided:
            return results + grouped
        asked = sorted(links.undecided)
        links.undecided.clear()
        links.likeness |= dict.fromkeys(asked, 0.0) | dict(measure(asked))


def best_first(images: Sequence[Hashed]) -> list[Hashed]:
    """Return the images that can be kept, in the order in which they are: by pixels, licence, and time."""
    return sorted((image for image in images if image.reason is None), key=_rank)


def _rank(image: HashedImage) -> tuple[int, bool, int]:
    return -image.width * image.height, not image.licensed, image.order


def greedy_groups(ranked: Sequence[HashedImage], links: Links) -> list[DedupeResult]:
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
        group: dict[int, Link] = {}
        for link in links(index):
            other = link.place
            if other not in taken and (other not in group or _closeness(link) < _closeness(group[other])):
                group[other] = link
        taken.update(group)
        emotions = keeper.emotions.union(*(ranked[other].emotions for other in group))
        conflict = len(emotions) > 1
        results.append(DedupeResult(keeper.image_id, "kept", conflict=conflict))
        results += [
            DedupeResult(
                ranked[other].image_id,
                "dropped",
                _REASON[link.kind],
                keeper.image_id,
                link.kind,
                link.distance,
                conflict,
                link.fine_distance,
                link.likeness,
            )
            for other, link in group.items()
        ]
    return results


def _closeness(link: Link) -> tuple[int, int]:
    """Order the ways in which two images are alike; at the same distance, plain is closer than mirrored."""
    return link.distance, ("pixels", "near", "mirrored").index(link.kind)


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


class _Links:
    """For each image, those with its pixels and those that are the same picture.

    Attributes
    ----------
    likeness
        How alike the pixels of pairs are, as far as they were compared.
    undecided
        Pairs that came up and were not.
    """

    def __init__(self, images: Sequence[HashedImage], radius: int, mirrored: bool) -> None:
        self._images = images
        self._radius = radius
        self._alike = LookAlikes(images, radius, mirrored)
        self._same: Mapping[str, list[int]] = defaultdict(list)
        for place, image in enumerate(images):
            if image.pixel_sha256:
                self._same[image.pixel_sha256].append(place)
        self.likeness: dict[ImagePair, float] = {}
        self.undecided: set[ImagePair] = set()

    def of(self, image: int) -> Iterator[Link]:
        """Yield everything an image is the same picture as."""
        own = self._images[image]
        copies = set(self._same.get(own.pixel_sha256, ())) - {image}
        for place in copies:
            yield Link(place, 0, "pixels", 0)
        for place, distance, mirrored in self._alike.of(image):
            if place in copies:
                continue
            other = self._images[place]
            fine = fine_distance(own, other, mirrored)
            first, second = sorted((own.image_id, other.image_id))
            pair = ImagePair(first, second, mirrored)
            likeness = self.likeness.get(pair)
            verdict = decide(distance, fine, likeness, radius=self._radius)
            if verdict == "undecided":
                self.undecided.add(pair)
            elif verdict == "same":
                yield Link(place, distance, "mirrored" if mirrored else "near", fine, likeness)
