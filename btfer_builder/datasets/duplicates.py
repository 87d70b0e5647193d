"""Find the pictures that a dataset contains more than once: in two splits (leakage) or with two emotions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.images.hamming import hamming_distance, neighbours_between
from btfer_builder.images.same_picture import decide
from btfer_builder.labels import SPLITS


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two copies of the same picture.

    Attributes
    ----------
    first, second
        Indexes in the list of pictures, first < second.
    kind
        `pixels`, `near` or `mirrored`.
    distance, fine_distance
        Hamming distances of the 64-bit and the 256-bit pHashes; 0 for the same pixels.
    """

    first: int
    second: int
    kind: str
    distance: int = 0
    fine_distance: int = 0


def find_duplicates(pictures: Sequence[ConvertedItem], radius: int, fine_radius: int) -> list[DuplicatePair]:
    """Return each pair of pictures whose two pHashes are within the radii, once and with its smallest distance.

    Copies with the same pixels are paired with the first of them only, and so are their near duplicates: ten thousand
    black pictures are ten thousand pairs, not fifty million.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        copies[picture.pixels].append(index)
    pairs = {
        (same[0], copy): DuplicatePair(same[0], copy, "pixels")
        for same in copies.values()
        for copy in same[1:]
    }
    # A copy in another split or with another emotion matters by itself: the first of each of these are paired, too.
    for same in copies.values():
        kinds: dict[tuple[str, str | None], int] = {}
        for index in same:
            kinds.setdefault((pictures[index].item.split, pictures[index].item.emotion), index)
        for first, second in combinations(sorted(kinds.values()), 2):
            pairs[first, second] = DuplicatePair(first, second, "pixels")
    unique = [same[0] for same in copies.values()]
    plain = [pictures[index].phash for index in unique]
    for kind, coarse, fine in (
        ("near", "phash", "phash_256"),
        ("mirrored", "phash_mirrored", "phash_256_mirrored"),
    ):
        hashes = [getattr(pictures[index], coarse) for index in unique]
        for left, right, distance in neighbours_between(hashes, plain, radius).tolist():
            if left == right:
                continue
            first, second = sorted((unique[left], unique[right]))
            fine_distance = hamming_distance(
                getattr(pictures[unique[left]], fine), pictures[unique[right]].phash_256
            )
            known = pairs.get((first, second))
            if decide(distance, fine_distance, radius=radius, same_bits=fine_radius) == "same" and (
                known is None or (distance, fine_distance) < (known.distance, known.fine_distance)
            ):
                pairs[first, second] = DuplicatePair(first, second, kind, distance, fine_distance)
    return [pairs[key] for key in sorted(pairs)]


def find_leakage(
    pictures: Sequence[ConvertedItem], duplicates: Sequence[DuplicatePair]
) -> dict[str, list[int]]:
    """Return the pictures that have a duplicate in another split, for each pair of splits.

    The keys are `train-val`, `train-test` and `val-test`. The indexes are those of pictures in the first split, which
    is the one that is trained or selected on.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    matches: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        splits[picture.pixels].add(picture.item.split)
        matches[picture.pixels].add(picture.pixels)
    for pair in duplicates:
        first, second = pictures[pair.first].pixels, pictures[pair.second].pixels
        matches[first].add(second)
        matches[second].add(first)
    reached = {own: set().union(*(splits[pixels] for pixels in others)) for own, others in matches.items()}
    return {
        f"{first}-{second}": [
            index
            for index, picture in enumerate(pictures)
            if picture.item.split == first and second in reached[picture.pixels]
        ]
        for first, second in combinations(SPLITS, 2)
    }
