"""Which photos belong together: the same creator, or near duplicates of each other, in chains too."""

from collections.abc import Iterable, Mapping, Sequence

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.neighbours import neighbours


def group_photos(
    creators: Mapping[str, str], images: Sequence[HashedImage], radius: int, mirrored: bool
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
    radius, mirrored
        What counts as a near duplicate, as in the recipe of dedupe.

    Returns
    -------
    dict
        The smallest image id of its group, by image id.
    """
    import numpy as np

    links = [(("image", image), ("creator", creator)) for image, creator in creators.items() if creator]
    hashed = [image for image in images if image.reason is None]
    for image in hashed:
        links.append((("image", image.image_id), ("hash", image.phash)))
        if mirrored:
            links.append((("image", image.image_id), ("hash", image.phash_mirrored)))
    values = np.unique(
        np.array([int(node[1], 16) for _, node in links if node[0] == "hash"], dtype=np.uint64)
    )
    if len(values):
        first, second, _ = neighbours(values, radius)
        links += [
            (("hash", f"{int(values[one]):016x}"), ("hash", f"{int(values[other]):016x}"))
            for one, other in zip(first, second, strict=True)
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
