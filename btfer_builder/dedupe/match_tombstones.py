"""Match images against tombstones: what was taken down must not come back, and no other image may be lost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.catalog.fingerprints import ImageFingerprint
from btfer_builder.dedupe.candidates import CandidateIndex
from btfer_builder.images.same_picture import decide, find_candidates, fine_distance, hash_matrix
from btfer_builder.records import DedupeResult

#: So many tombstones are each compared with all images, which is faster than to search the pairs of close hashes.
FEW = 32

#: The kind of a kept image that a reviewer has to compare with what was taken down.
HELD = "taken_down"


def mark_taken_down(
    images: Sequence[HashedImage], tombstones: Sequence[ImageFingerprint], radius: int, mirrored: bool
) -> tuple[list[HashedImage], dict[str, tuple[int, int | None]]]:
    """Give images that are the same picture as a tombstone the reason `taken_down`.

    A tombstone has no pixels, and one of version 0.1.0 has no 256-bit pHash. Where its hashes do not decide, a
    reviewer does. Those of the parts of a picture, which have no parts themselves, recognise cropped copies; where they
    do not decide, nothing follows.

    Parameters
    ----------
    images
        All hashed images.
    tombstones
        The hashes of what was taken down.
    radius, mirrored
        Largest distance of near duplicates, and whether mirrored copies count.

    Returns
    -------
    images
        All images, the matching ones with their reason.
    held
        The distances (64 and 256 bits) of the images that a reviewer has to decide on, by image id.
    """
    hashed = [image for image in images if image.reason is None]
    taken_down: set[str] = set()
    held: dict[str, tuple[int, int | None]] = {}
    for tombstone, image, distance, turned in _candidates(hashed, tombstones, radius, mirrored):
        fine = fine_distance(tombstone, image, turned)
        if decide(distance, fine, radius=radius) == "same":
            taken_down.add(image.image_id)
        elif tombstone.parts or not tombstone.phash_256:
            held[image.image_id] = min(
                held.get(image.image_id, (distance, fine)), (distance, fine), key=_order
            )
    marked = [
        replace(image, reason="taken_down") if image.image_id in taken_down else image for image in images
    ]
    return marked, {image_id: distances for image_id, distances in held.items() if image_id not in taken_down}


def _candidates(
    images: Sequence[HashedImage], tombstones: Sequence[ImageFingerprint], radius: int, mirrored: bool
) -> Iterator[tuple[ImageFingerprint, HashedImage, int, bool]]:
    """Yield the tombstones and images that may be the same picture, their distance, and whether one is mirrored."""
    if len(tombstones) <= FEW and images:
        known = hash_matrix(images)
        for tombstone in tombstones:
            for index, distance, turned in find_candidates(tombstone, known, radius, mirrored):
                yield tombstone, images[index], distance, turned
    elif images:
        found = CandidateIndex([*tombstones, *images], radius, mirrored)
        for place, tombstone in enumerate(tombstones):
            for index, distance, turned in found.of(place):
                if index >= len(tombstones):
                    yield tombstone, images[index - len(tombstones)], distance, turned


def hold_for_review(
    results: Sequence[DedupeResult], held: Mapping[str, tuple[int, int | None]]
) -> list[DedupeResult]:
    """Put images that only a reviewer can decide on in conflict: they stay out of the sample until labelled.

    A kept image is also held if one of the duplicates dropped for it is.
    """
    keepers = {result.image_id: result.duplicate_of or result.image_id for result in results}
    closest: dict[str, tuple[int, int | None]] = {}
    for image_id, distances in held.items():
        keeper = keepers[image_id]
        closest[keeper] = min(closest.get(keeper, distances), distances, key=_order)
    return [
        replace(
            result,
            kind=HELD,
            conflict=True,
            distance=closest[result.image_id][0],
            fine_distance=closest[result.image_id][1],
        )
        if result.image_id in closest
        else result
        for result in results
    ]


def _order(distances: tuple[int, int | None]) -> tuple[int, int]:
    distance, fine = distances
    return distance, -1 if fine is None else fine
