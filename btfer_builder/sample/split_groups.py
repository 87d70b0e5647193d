"""Group photos that must be in one split: the same creator or near duplicates, also in chains."""

from collections.abc import Mapping, Sequence

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.candidates import CandidateIndex
from btfer_builder.images.same_picture import connected_groups, decide, fine_distance
from btfer_builder.records import ImagePair


def group_photos(
    creators: Mapping[str, str],
    images: Sequence[HashedImage],
    likenesses: Mapping[ImagePair, float],
    radius: int,
    mirrored: bool,
) -> dict[str, str]:
    """Return the group of each photo; near duplicates of near duplicates are in one group.

    Dedupe does not follow chains, so that it does not drop too much. Splits must: two photos that are both near
    duplicates of a third must not be in the training and the test set.

    Parameters
    ----------
    creators
        The creator of each photo by image id; an empty one is unknown.
    images
        All hashed images, including dropped ones.
    likenesses
        Likeness of the pairs that dedupe compared by their pixels.
    radius, mirrored
        The definition of a near duplicate, as in the recipe of dedupe.

    Returns
    -------
    dict
        The smallest image id of the group, by image id.
    """
    ids = sorted({*creators, *(image.image_id for image in images if image.reason is None)})
    index = {image_id: position for position, image_id in enumerate(ids)}
    links: list[tuple[int, int]] = []
    first_of: dict[str, int] = {}
    for image_id, creator in creators.items():
        if creator:
            links.append((index[image_id], first_of.setdefault(creator, index[image_id])))
    # Images with equal hashes are compared once, however many copies there are.
    distinct: dict[tuple[str, ...], HashedImage] = {}
    hashed = set()
    for image in images:
        if image.reason is None:
            hashes = (
                image.phash, image.phash_mirrored, image.phash_256, image.phash_256_mirrored, image.parts
            )  # fmt: skip
            links.append((index[image.image_id], index[distinct.setdefault(hashes, image).image_id]))
            hashed.add(image.image_id)
    compared = list(distinct.values())
    candidates = CandidateIndex(compared, radius, mirrored)
    for position, image in enumerate(compared):
        for other_position, distance, turned in candidates.of(position):
            other = compared[other_position]
            if decide(distance, fine_distance(image, other, turned), radius=radius) == "same":
                links.append((index[image.image_id], index[other.image_id]))
    links += [
        (index[pair.image_id], index[pair.item_id])
        for pair, likeness in likenesses.items()
        if (mirrored or not pair.mirrored)
        and {pair.image_id, pair.item_id} <= hashed
        and decide(0, None, likeness) == "same"  # only candidates were compared
    ]
    groups = connected_groups(len(ids), links)
    return {image_id: ids[group] for image_id, group in zip(ids, groups, strict=True)}
