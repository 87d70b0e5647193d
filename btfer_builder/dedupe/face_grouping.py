"""Group the face crops that show the same picture: hashes name candidates, aligned pixels decide."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.dedupe_faces import HashedFace
from btfer_builder.dedupe.grouping import Link, MatchKind, greedy_groups
from btfer_builder.images.alignment import Overlay, grey, overlay
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hamming import neighbours_between
from btfer_builder.images.same_picture import fine_distance
from btfer_builder.io.storage import Root
from btfer_builder.records import DedupeResult, FaceDedupe

#: Crops are compared if their hashes are this close: of 96 faces shifted by 5 of 256 pixels, or enlarged by 5 %,
#: 97 % are, and of 9510 pairs of different people none (the closest: 10 and 78 bits).
COARSE_BITS, FINE_BITS = 12, 76


@dataclass(frozen=True, slots=True)
class FacePair:
    """Two faces, by their indices, that may show the same picture, or one the mirror image of the other."""

    first: int
    second: int
    mirrored: bool


def candidate_pairs(faces: Sequence[HashedFace], mirrored: bool) -> list[FacePair]:
    """Return all pairs of faces whose coarse and fine hashes are close, first < second, sorted.

    Parameters
    ----------
    faces
        Hashed faces, best first.
    mirrored
        Whether a mirrored copy is also a duplicate.
    """
    plain = [face.phash for face in faces]
    others = plain + [face.phash_mirrored for face in faces] if mirrored else plain
    found: set[tuple[int, int, bool]] = set()
    for index, other, _ in neighbours_between(plain, others, COARSE_BITS).tolist():
        turned, other_index = divmod(other, len(faces))
        if index != other_index:
            found.add((min(index, other_index), max(index, other_index), bool(turned)))
    pairs = (FacePair(*pair) for pair in sorted(found))
    return [
        pair
        for pair in pairs
        if (fine := fine_distance(faces[pair.first], faces[pair.second], pair.mirrored)) is not None
        and fine <= FINE_BITS
    ]


def compare_faces(items: Sequence[tuple[str, str, bool]], root: Root) -> list[Overlay | None]:
    """Align the two crops of each pair of a shard and compare them.

    Parameters
    ----------
    items
        (path, path of the other crop, whether the other is mirrored), relative to `root`.
    root
        The workspace.

    Returns
    -------
    list
        None if the two cannot be aligned, or one can no longer be decoded.
    """
    results: list[Overlay | None] = []
    for path, other_path, mirrored in items:
        try:
            crops = decode_image(root / path), decode_image(root / other_path)
        except Undecodable:
            results.append(None)
            continue
        results.append(overlay(grey(crops[0]), grey(crops[1][:, ::-1] if mirrored else crops[1])))
    return results


def group_faces(
    faces: Sequence[HashedFace], compared: Mapping[FacePair, Overlay], radius: int, difference: float
) -> list[FaceDedupe]:
    """Keep one face of every group: most photo pixels in the crop, then licence known, then found earliest.

    Two crops show the same picture if both measures of the comparison are small enough. Groups are stars, like those
    of images (`grouping.greedy_groups`).

    Parameters
    ----------
    faces
        The faces that were compared, best first.
    compared
        The result for each pair.
    radius
        Largest Hamming distance of the aligned crops' pHashes.
    difference
        Largest local difference, in standard deviations.
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

    def links_of(index: int) -> Iterator[Link]:
        return iter(links.get(index, ()))

    indices = {face.image_id: index for index, face in enumerate(faces)}
    return [_face_result(result, indices, alike) for result in greedy_groups(faces, links_of)]


def _face_result(
    result: DedupeResult, indices: Mapping[str, int], alike: Mapping[FacePair, Overlay]
) -> FaceDedupe:
    difference = None
    if result.duplicate_of is not None:
        pair = FacePair(indices[result.duplicate_of], indices[result.image_id], result.kind == "mirrored")
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
