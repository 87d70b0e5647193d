"""The second pass, on face crops: which show the same picture, by hashes first and laid over one another then."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.dedupe_faces import HashedFace
from btfer_builder.dedupe.grouping import Link, MatchKind, greedy_groups
from btfer_builder.images.alignment import Overlay, grey, overlay
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hamming import neighbours
from btfer_builder.images.same_picture import fine_distance
from btfer_builder.io.storage import Root
from btfer_builder.records import DedupeResult, FaceDedupe

#: Crops are compared when their hashes are this close: of 96 faces shifted by 5 of 256 pixels, or enlarged by 5 %,
#: 97 % are, and of 9510 pairs of different people none (the closest: 10 and 78 bits).
COARSE_BITS, FINE_BITS = 12, 76


@dataclass(frozen=True, slots=True)
class FacePair:
    """Two faces, by their places, that may show the same picture; the second one mirrored, perhaps."""

    first: int
    second: int
    mirrored: bool


def candidate_pairs(faces: Sequence[HashedFace], mirrored: bool) -> list[FacePair]:
    """Return all pairs of faces whose coarse and fine hashes are close, first < second, sorted.

    Parameters
    ----------
    faces
        Those that can be compared, best first.
    mirrored
        Whether a mirrored copy is a duplicate, too.
    """
    import numpy as np

    looks = [(int(face.phash, 16), place, False) for place, face in enumerate(faces)]
    if mirrored:
        looks += [(int(face.phash_mirrored, 16), place, True) for place, face in enumerate(faces)]
    by_value: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for value, place, flipped in looks:
        by_value[value].append((place, flipped))
    values = np.array(sorted(by_value), dtype=np.uint64)
    first, second, _ = neighbours(values, COARSE_BITS)
    close = [(value, value) for value in by_value]
    close += zip(values[first].tolist(), values[second].tolist(), strict=True)
    found: set[tuple[int, int, bool]] = set()
    for one, other in close:
        for place, flipped in by_value[one]:
            for other_place, other_flipped in by_value[other]:
                # Both mirrored is the pair itself once more.
                if place != other_place and not (flipped and other_flipped):
                    first_place, last_place = min(place, other_place), max(place, other_place)
                    found.add((first_place, last_place, flipped or other_flipped))
    pairs = (FacePair(*pair) for pair in sorted(found))
    return [
        pair
        for pair in pairs
        if (fine := fine_distance(faces[pair.first], faces[pair.second], pair.mirrored)) is not None
        and fine <= FINE_BITS
    ]


def compare_faces(items: Sequence[tuple[str, str, bool]], root: Root) -> list[Overlay | None]:
    """Lay a shard of pairs of crops over one another.

    Parameters
    ----------
    items
        (path, path of the other, whether that one is mirrored), relative to `root`.
    root
        The workspace.

    Returns
    -------
    list
        None where the two are different pictures, or one cannot be decoded any more.
    """
    results: list[Overlay | None] = []
    for one, other, mirrored in items:
        try:
            crops = decode_image(root / one), decode_image(root / other)
        except Undecodable:
            results.append(None)
            continue
        results.append(overlay(grey(crops[0]), grey(crops[1][:, ::-1] if mirrored else crops[1])))
    return results


def group_faces(
    faces: Sequence[HashedFace], compared: Mapping[FacePair, Overlay], radius: int, difference: float
) -> list[FaceDedupe]:
    """Keep one face of every group: most photo pixels in the crop, then licence known, then found earliest.

    Two crops are one picture when both measures of the overlay say so. Groups are stars, as those of images.

    Parameters
    ----------
    faces
        Those that were compared, best first.
    compared
        What laying them over one another gave.
    radius
        Largest Hamming distance of the overlaid crops' pHashes.
    difference
        Largest difference at any place, in standard deviations.
    """
    alike = {
        pair: result
        for pair, result in compared.items()
        if result.distance <= radius and result.difference <= difference
    }
    links: dict[int, list[Link]] = defaultdict(list)
    for pair, result in alike.items():
        kind: MatchKind = "mirrored" if pair.mirrored else "near"
        links[pair.first].append(Link(pair.second, result.distance, kind))
        links[pair.second].append(Link(pair.first, result.distance, kind))

    def of(place: int) -> Iterator[Link]:
        return iter(links.get(place, ()))

    places = {face.image_id: place for place, face in enumerate(faces)}
    return [_face_result(result, places, alike) for result in greedy_groups(faces, of)]


def _face_result(
    result: DedupeResult, places: Mapping[str, int], alike: Mapping[FacePair, Overlay]
) -> FaceDedupe:
    difference = None
    if result.duplicate_of is not None:
        pair = FacePair(places[result.duplicate_of], places[result.image_id], result.kind == "mirrored")
        difference = alike[pair].difference
    return FaceDedupe(
        result.image_id,
        result.state,
        result.reason,
        result.duplicate_of,
        result.kind,
        result.distance,
        difference,
        result.conflict,
    )
