"""Which photos belong together: the same creator, or near duplicates of each other, in chains too."""

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
    """Name the group of every photo; what is alike over any number of steps is one group.

    Dedupe makes stars, so that nothing is dropped over a chain. Splits need the opposite: two kept photos that
    are both near a third must not be trained on and tested with.

    Parameters
    ----------
    creators
        The creator of each photo, by image id; an empty one joins nothing.
    images
        All hashed images, dropped ones too.
    likenesses
        What dedupe has found of pairs that the hashes leave open; pairs it did not compare join nothing.
    radius, mirrored
        What counts as a near duplicate, as in the recipe of dedupe.

    Returns
    -------
    dict
        The smallest image id of its group, by image id.
    """
    links = [(("image", image), ("creator", creator)) for image, creator in creators.items() if creator]
    # Images that look the very same are one node: a thousand copies of one picture are compared once.
    looks: dict[tuple[str, ...], HashedImage] = {}
    of_image: dict[str, str] = {}
    for image in images:
        if image.reason is None:
            look = (image.phash, image.phash_mirrored, image.phash_256, image.phash_256_mirrored, image.parts)
            of_image[image.image_id] = looks.setdefault(look, image).image_id
    links += [(("image", image), ("image", first)) for image, first in of_image.items()]
    distinct = list(looks.values())
    alike = LookAlikes(distinct, radius, mirrored)
    for place, one in enumerate(distinct):
        for other_place, distance, turned in alike.of(place):
            other = distinct[other_place]
            fine = fine_distance(one, other, turned)
            if decide(distance, fine, radius=radius) == "same":
                links.append((("image", one.image_id), ("image", other.image_id)))
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
    """Return the number of the connected component of every node."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place = {node: index for index, node in enumerate(nodes)}
    ends = np.array([(place[one], place[other]) for one, other in links], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes)))
    _, label = connected_components(graph, directed=False)
    return dict(zip(nodes, label.tolist(), strict=True))
