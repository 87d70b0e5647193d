"""Non-maximum suppression like that of the `mtcnn` package: keep the best of overlapping boxes."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]

#: Boxes that are compared with their neighbours at a time, which bounds the memory.
CHUNK = 512


def suppress(boxes: Boxes, threshold: float, *, of_smaller: bool = False) -> Boxes:
    """Drop every box that overlaps a better one, even one that is dropped itself (mtcnn is not greedy).

    Parameters
    ----------
    boxes
        float64, shape (n, 4 or more): x1, y1, x2, y2, best first; further columns are kept.
    threshold
        Largest overlap: intersection over union, or over the area of the smaller box.
    of_smaller
        Whether to divide by the area of the smaller box.

    Returns
    -------
    ndarray of float64
        The kept rows, in order.
    """
    if len(boxes) < 2:
        return boxes
    if len(boxes) <= CHUNK:
        rank = np.arange(len(boxes))
        return boxes[~_covered(boxes, rank, boxes, rank, threshold=threshold, of_smaller=of_smaller)]
    # Sorted by left edge, only boxes from one width of the widest box before a chunk to its right end can overlap it.
    rank = np.argsort(boxes[:, 0])
    placed = boxes[rank]
    widest = max(0.0, float((placed[:, 2] - placed[:, 0]).max()))
    dropped = np.zeros(len(boxes), bool)
    for start in range(0, len(boxes), CHUNK):
        chunk = placed[start : start + CHUNK]
        left = np.searchsorted(placed[:, 0], chunk[0, 0] - widest)
        right = np.searchsorted(placed[:, 0], chunk[:, 2].max(), side="right")
        dropped[rank[start : start + CHUNK]] = _covered(
            chunk,
            rank[start : start + CHUNK],
            placed[left:right],
            rank[left:right],
            threshold=threshold,
            of_smaller=of_smaller,
        )
    return boxes[~dropped]


def _covered(
    boxes: Boxes,
    rank: NDArray[np.intp],
    others: Boxes,
    others_rank: NDArray[np.intp],
    *,
    threshold: float,
    of_smaller: bool,
) -> NDArray[np.bool_]:
    """Return the mask of the boxes that overlap a better one by more than the threshold."""
    x1, y1, x2, y2 = boxes[:, :4].T[:, :, None]
    other_x1, other_y1, other_x2, other_y2 = others[:, :4].T
    area, other_area = (x2 - x1) * (y2 - y1), (other_x2 - other_x1) * (other_y2 - other_y1)
    wide = np.maximum(0, np.minimum(x2, other_x2) - np.maximum(x1, other_x1))
    high = np.maximum(0, np.minimum(y2, other_y2) - np.maximum(y1, other_y1))
    shared = wide * high
    whole = np.minimum(area, other_area) if of_smaller else area + other_area - shared
    with np.errstate(divide="ignore", invalid="ignore"):  # boxes without area overlap no others
        too_much = shared / whole > threshold
    covered: NDArray[np.bool_] = (too_much & (others_rank < rank[:, None])).any(axis=1)
    return covered
