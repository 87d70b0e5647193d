"""Group duplicates without chains, decide which image of a group is kept, and which groups are in conflict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.candidates import CandidateIndex
from btfer_builder.images.hamming import diameter, hash_array, neighbours
from btfer_builder.images.same_picture import decide, fine_distance
from btfer_builder.records import DedupeResult, DuplicateGroup, ImagePair, KeepRule, Kind

Hashed = TypeVar("Hashed", bound=HashedImage)

MatchKind = Literal["pixels", "near", "mirrored"]


class Link(NamedTuple):
    """A duplicate: the index of the image, the distance of the 64-bit pHashes, the kind, and further measures."""

    image: int
    distance: int
    kind: MatchKind
    fine_distance: int | None = None
    likeness: float | None = None


Links = Callable[[int], Iterator[Link]]

#: Returns the similarity of pairs of images; pairs that cannot be compared are left out, or have None.
Measure = Callable[[Sequence[ImagePair]], Mapping[ImagePair, float | None]]

_REASON: dict[MatchKind, str] = {
    "pixels": "same_pixels",
    "near": "near_duplicate",
    "mirrored": "mirrored_duplicate",
}

#: Decoding at reduced scale changes at most this many bits of a pHash, so images with equal pixels are this close.
REDUCED_BITS = 2


def _measure_nothing(_: Sequence[ImagePair]) -> Mapping[ImagePair, float | None]:
    return {}


def group_duplicates(
    images: Sequence[HashedImage],
    radius: int,
    mirrored: bool,
    measure: Measure = _measure_nothing,
    reviewed: Collection[str] = (),
    known: Mapping[ImagePair, float | None] = MappingProxyType({}),
) -> list[DedupeResult]:
    """Keep one image of every group: a reviewed one, then most pixels, then licence known, then found earliest.

    Images are processed in that order. An image that is a duplicate of no image kept so far is kept, and only images
    that are duplicates of a kept one are dropped: groups are stars, never chains. A group that was found under two
    emotions is a conflict.

    Parameters
    ----------
    images
        All hashed images.
    radius
        Largest Hamming distance of the 64-bit pHashes of near duplicates, in bits.
    mirrored
        Whether a mirrored copy is also a duplicate.
    measure
        Called for the pairs of a group and for those that the hashes do not decide, until there are none. For pairs
        without a similarity only the hashes count.
    reviewed
        Ids of kept images with reviewed or sampled faces: no better copy replaces them.
    known
        Similarities of pairs that were measured before: what they decide needs no second grouping.
    """
    results = [
        DedupeResult(image.image_id, "dropped", image.reason) for image in images if image.reason is not None
    ]
    ranked = best_first(images, reviewed)
    links = _Links(ranked, radius, mirrored, known)
    while True:
        grouped = greedy_groups(ranked, links.of)
        if not links.undecided:
            return results + grouped
        pairs = sorted(links.undecided)
        links.undecided.clear()
        links.likeness |= dict.fromkeys(pairs) | dict(measure(pairs))


def best_first(images: Sequence[Hashed], reviewed: Collection[str] = ()) -> list[Hashed]:
    """Return the images that can be kept, best first: reviewed ones, then by number of pixels, licence and time."""
    return sorted(
        (image for image in images if image.reason is None),
        key=lambda image: (image.image_id not in reviewed, _rank(image)),
    )


def _rank(image: HashedImage) -> tuple[int, bool, int]:
    return -image.width * image.height, not image.licensed, image.order


def greedy_groups(ranked: Sequence[HashedImage], links: Links) -> list[DedupeResult]:
    """Keep each image that is a duplicate of none kept before it, and drop its own duplicates.

    Parameters
    ----------
    ranked
        Images, best first.
    links
        Returns the duplicates of an image by its index in `ranked`; symmetric.
    """
    results = []
    taken: set[int] = set()
    for index, keeper in enumerate(ranked):
        if index in taken:
            continue
        taken.add(index)
        group: dict[int, Link] = {}
        for link in links(index):
            other = link.image
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
    """Return the key that orders links; at the same distance, plain is closer than mirrored."""
    return link.distance, ("pixels", "near", "mirrored").index(link.kind)


def describe_groups(
    kind: Kind,
    images: Sequence[HashedImage],
    results: Sequence[DedupeResult],
) -> list[DuplicateGroup]:
    """Return for each group its diameter and the rule by which its best image was kept.

    The diameter is the largest Hamming distance between any two members, mirrored copies turned like the kept image.
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
        rule: KeepRule = "earliest"
        if best > second:  # it is not the best, but no better copy replaces a reviewed item
            rule = "reviewed"
        elif best[0] != second[0]:
            rule = "pixels"
        elif best[1] != second[1]:
            rule = "license"
        groups.append(DuplicateGroup(kind, kept, len(dropped), diameter(hashes), rule))
    return groups


def unproven_copies(images: Sequence[HashedImage]) -> list[str]:
    """Return the images without a pixel hash that may have the same pixels as another: same size and close pHash."""
    by_hash: dict[str, list[HashedImage]] = defaultdict(list)
    for image in images:
        if image.reason is None:
            by_hash[image.phash].append(image)
    hashes = sorted(by_hash)
    first, second, _ = neighbours(hash_array(hashes), REDUCED_BITS)
    close: list[tuple[str, ...]] = [(value,) for value in hashes]
    close += [(hashes[i], hashes[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    unproven = set()
    for values in close:
        together = [image for value in values for image in by_hash[value]]
        if len(together) == 1:
            continue
        sizes = Counter((image.width, image.height) for image in together)
        unproven |= {
            image.image_id
            for image in together
            if not image.pixel_sha256 and sizes[image.width, image.height] > 1
        }
    return sorted(unproven)


class _Links:
    """The duplicates of each image: those with the same pixels, and those that are the same picture.

    Attributes
    ----------
    likeness
        Similarity of the pixels of the pairs that were compared; None if they cannot be.
    undecided
        Pairs that came up and still have to be compared. Until then, the hashes decide: so copies of one picture are
        compared with the kept one only.
    """

    def __init__(
        self,
        images: Sequence[HashedImage],
        radius: int,
        mirrored: bool,
        known: Mapping[ImagePair, float | None],
    ) -> None:
        self._images = images
        self._radius = radius
        self._candidates = CandidateIndex(images, radius, mirrored)
        self._same: Mapping[str, list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            if image.pixel_sha256:
                self._same[image.pixel_sha256].append(index)
        self.likeness = dict(known)
        self.undecided: set[ImagePair] = set()

    def of(self, image: int) -> Iterator[Link]:
        """Yield the duplicates of an image."""
        own = self._images[image]
        copies = set(self._same.get(own.pixel_sha256, ())) - {image}
        for index in copies:
            yield Link(index, 0, "pixels", 0)
        for index, distance, mirrored in self._candidates.of(image):
            if index in copies:
                continue
            other = self._images[index]
            fine = fine_distance(own, other, mirrored)
            first, second = sorted((own.image_id, other.image_id))
            pair = ImagePair(first, second, mirrored)
            likeness = self.likeness.get(pair)
            verdict = decide(distance, fine, likeness, radius=self._radius)
            if pair not in self.likeness:
                self.undecided.add(pair)
            if verdict == "same":
                yield Link(index, distance, "mirrored" if mirrored else "near", fine, likeness)
