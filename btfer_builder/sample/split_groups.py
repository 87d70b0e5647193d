"""Group photos that must be in one split: the same creator or near duplicates, also in chains."""

from collections.abc import Iterable, Mapping, Sequence

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.candidates import LookAlikes
from btfer_builder.images.same_picture import decide, fine_distance
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
    links = [(("image", image), ("creator", creator)) for image, creator in creators.items() if creator]
    # Images with the same hashes are one node, so that many copies are compared once.
    first_of: dict[tuple[str, ...], HashedImage] = {}
    of_image: dict[str, str] = {}
    for image in images:
        if image.reason is None:
            hashes = (
                image.phash,
                image.phash_mirrored,
                image.phash_256,
                image.phash_256_mirrored,
                image.parts,
            )
            of_image[image.image_id] = first_of.setdefault(hashes, image).image_id
    links += [(("image", image), ("image", first)) for image, first in of_image.items()]
    distinct = list(first_of.values())
    alike = LookAlikes(distinct, radius, mirrored)
    for index, image in enumerate(distinct):
        for match_index, distance, turned in alike.of(index):
            match = distinct[match_index]
            fine = fine_distance(image, match, turned)
            if decide(distance, fine, radius=radius) == "same":
                links.append((("image", image.image_id), ("image", match.image_id)))
    links += [
        (("image", pair.image_id), ("image", pair.item_id))
        for pair, likeness in likenesses.items()
        if (mirrored or not pair.mirrored)
        and pair.image_id in of_image
        and pair.item_id in of_image
        and decide(0, None, likeness) == "same"  # it was a candidate
    ]
    nodes = {("image", image) for image in creators} | {node for link in links for node in link}
    groups = _components(sorted(nodes), links)
    smallest: dict[int, str] = {}
    for node, group in groups.items():
        if node[0] == "image":
            smallest[group] = min(smallest.get(group, node[1]), node[1])
    return {node[1]: smallest[group] for node, group in groups.items() if node[0] == "image"}


Node = tuple[str, str]


def _components(nodes: Sequence[Node], links: Iterable[tuple[Node, Node]]) -> dict[Node, int]:
    """Return the index of the connected component of each node."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = {node: number for number, node in enumerate(nodes)}
    ends = np.array([(index[first], index[second]) for first, second in links], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes)))
    _, label = connected_components(graph, directed=False)
    return dict(zip(nodes, label.tolist(), strict=True))
