"""Pictures that stand in a labelled set more than once: in two splits (leakage) or under two emotions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from btfer_builder.datasets.convert import Converted
from btfer_builder.images.hamming import hamming_distance, neighbours_between
from btfer_builder.images.same_picture import decide


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two pictures that are the same, as places in the list.

    Attributes
    ----------
    first, second
        Places, first < second.
    kind
        `pixels`, `near` or `mirrored`.
    distance, fine_distance
        Bits in which the pHashes of 64 and of 256 bits differ; 0 for the same pixels.
    """

    first: int
    second: int
    kind: str
    distance: int = 0
    fine_distance: int = 0


def find_twins(pictures: Sequence[Converted], radius: int, fine_radius: int) -> list[DuplicatePair]:
    """Return every pair of pictures of which both pHashes are within the radius, each pair once and the closest.

    Of many copies of the same pixels each is paired with the first only, and so are all near duplicates of them:
    ten thousand black pictures are ten thousand pairs, not fifty million.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for place, picture in enumerate(pictures):
        copies[picture.pixels].append(place)
    found = {
        (same[0], other): DuplicatePair(same[0], other, "pixels")
        for same in copies.values()
        for other in same[1:]
    }
    # A copy under another split or emotion than the first matters by itself: pair the first of each of these.
    for same in copies.values():
        kinds: dict[tuple[str, str | None], int] = {}
        for place in same:
            kinds.setdefault((pictures[place].item.split, pictures[place].item.emotion), place)
        for one, other in combinations(sorted(kinds.values()), 2):
            found[one, other] = DuplicatePair(one, other, "pixels")
    firsts = [same[0] for same in copies.values()]
    plain = [pictures[place].phash for place in firsts]
    for kind, coarse, fine in (("near", "phash", "fine"), ("mirrored", "phash_mirrored", "fine_mirrored")):
        ours = [getattr(pictures[place], coarse) for place in firsts]
        for one, other, distance in neighbours_between(ours, plain, radius).tolist():
            if one == other:
                continue
            first, second = sorted((firsts[one], firsts[other]))
            finely = hamming_distance(getattr(pictures[firsts[one]], fine), pictures[firsts[other]].fine)
            known = found.get((first, second))
            if decide(distance, finely, radius=radius, same_bits=fine_radius) == "same" and (
                known is None or (distance, finely) < (known.distance, known.fine_distance)
            ):
                found[first, second] = DuplicatePair(first, second, kind, distance, finely)
    return [found[pair] for pair in sorted(found)]


def leaked(pictures: Sequence[Converted], twins: Sequence[DuplicatePair]) -> dict[str, list[int]]:
    """Return which pictures have a twin in another split, pair by pair of splits.

    The names are `train-val`, `train-test` and `val-test`; the places are those of the first of both splits, so of
    what would be taken out of what is trained (or selected) on.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    alike: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        splits[picture.pixels].add(picture.item.split)
        alike[picture.pixels].add(picture.pixels)
    for pair in twins:
        first, second = pictures[pair.first].pixels, pictures[pair.second].pixels
        alike[first].add(second)
        alike[second].add(first)
    reached = {own: set().union(*(splits[other] for other in others)) for own, others in alike.items()}
    return {
        f"{learned}-{tested}": [
            place
            for place, picture in enumerate(pictures)
            if picture.item.split == learned and tested in reached[picture.pixels]
        ]
        for learned, tested in (("train", "val"), ("train", "test"), ("val", "test"))
    }
