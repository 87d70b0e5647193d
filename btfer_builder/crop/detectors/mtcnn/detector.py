"""MTCNN (Zhang et al. 2016) with the results of the `mtcnn` package, several times faster and without TensorFlow.

The steps and their peculiarities are those of mtcnn 1.0.0, so that boxes, landmarks and scores agree. Its faults are
not reproduced: a larger smallest face size loses no faces, and photos do not affect each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from btfer_builder.crop.detectors.mtcnn import networks
from btfer_builder.crop.detectors.mtcnn.nms import suppress
from btfer_builder.crop.detectors.mtcnn.pyramid import CELL, SMALLEST, levels, levels_to_skip, shrink
from btfer_builder.io.device import Device, onnx_device

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Float = NDArray[np.float32]
Boxes = NDArray[np.float64]  # (n, 5): x1, y1, x2, y2, score

STRIDE = 2
PNET_THRESHOLD, RNET_THRESHOLD, ONET_THRESHOLD = 0.6, 0.7, 0.8

#: PNet's output is computed in tiles of about this many columns and cells, which fit into the processor's cache.
TILE_COLUMNS, TILE_CELLS = 150, 6000
#: Grey values by which the pixels of one colour differ after averaging, at most.
ROUNDING = 0.01

#: Crops that RNet and ONet process at a time, for the same reason.
CHUNK = 24


@dataclass(frozen=True)
class Networks:
    """The three networks of the detector."""

    pnet: "InferenceSession"
    rnet: "InferenceSession"
    onet: "InferenceSession"


def load_networks(device: Device = "auto") -> Networks:
    """Load the three networks, once a process and device."""
    return _load_networks(onnx_device(device))


@cache
def _load_networks(device: Device) -> Networks:
    return Networks(networks.pnet(device), networks.rnet(device), networks.onet(device))


def find_faces(
    photo: NDArray[np.uint8],
    min_face_size: float = SMALLEST,
    enough: Callable[[Boxes, Boxes], bool] | None = None,
    device: Device = "auto",
) -> tuple[Boxes, Boxes]:
    """Find the faces of a photo.

    Parameters
    ----------
    photo
        RGB, uint8, shape (height, width, 3).
    min_face_size
        Size of face to begin with, in pixels: levels of the pyramid with smaller windows are skipped.
    enough
        Return whether these boxes and landmarks are enough; if not, the skipped levels are searched, too, and the
        result is that of all levels. None: they are.
    device
        Where the networks are computed, as in `io.device.onnx_device`.

    Returns
    -------
    boxes
        float64, shape (n, 5): x1, y1, x2, y2 in photo pixels, within the photo, and the score (0–1).
    landmarks
        float64, shape (n, 10): x of left eye, right eye, nose, left and right corner of the mouth, then their y.
    """
    nets = load_networks(device)
    pixels = photo.astype(np.float32)
    sizes = levels(*photo.shape[:2])
    skipped = levels_to_skip(sizes, min_face_size)
    proposed = _propose(nets.pnet, pixels, sizes[skipped:])
    found = decide(nets, pixels, proposed)
    if skipped and enough and not enough(*found):
        found = decide(nets, pixels, _propose(nets.pnet, pixels, sizes[:skipped]) + proposed)
    return found


def _propose(pnet: "InferenceSession", photo: Float, sizes: Sequence[tuple[float, int, int]]) -> list[Boxes]:
    """Return the boxes that PNet proposes on each of some levels, in pixels of the photo."""
    proposed = []
    for (scale, *_), level in zip(sizes, shrink(photo, [size[1:] for size in sizes]), strict=True):
        boxes = _windows(pnet, level)
        boxes[:, :4] /= scale
        proposed.append(suppress(boxes, 0.5))
    return proposed


def decide(nets: Networks, photo: Float, proposed: Sequence[Boxes]) -> tuple[Boxes, Boxes]:
    """Return boxes and landmarks of the faces among the boxes proposed on all levels."""
    boxes = merged(proposed)
    if len(boxes):
        boxes = _refine(nets.rnet, photo, boxes)
    if not len(boxes):
        return np.empty((0, 5)), np.empty((0, 10))
    return _finish(nets.onet, photo, boxes)


def merged(proposed: Sequence[Boxes]) -> Boxes:
    """Return the best of the boxes proposed on all levels, as squares."""
    return _square(suppress(_sorted(np.concatenate([np.empty((0, 5)), *proposed])), 0.7))


def _windows(pnet: "InferenceSession", level: Float) -> Boxes:
    """Return the windows of a level that may contain a face, in pixels of the level, best first."""
    rows, columns = cell_counts(*level.shape[:2])
    first_row, rows = _with_contrast(level, rows)
    first_column, columns = _with_contrast(level.swapaxes(0, 1), columns)
    if first_row >= rows or first_column >= columns:
        return np.empty((0, 5))
    cells = [
        likely_cells(pnet, level[pixels_of(top, bottom), pixels_of(left, right)], top, left)
        for top, bottom, left, right in tiles(first_row, rows, first_column, columns)
    ]
    return boxes_of(np.concatenate(cells))


def cell_counts(height: int, width: int) -> tuple[int, int]:
    """Return how many rows and columns of cells PNet has for a level.

    If a side is odd, there is one more window than fits: PNet's pooling pads the last one.
    """
    return (height - CELL + 1) // STRIDE + 1, (width - CELL + 1) // STRIDE + 1


def tiles(top: int, bottom: int, left: int, right: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut rows [top, bottom) and columns [left, right) of PNet's cells into tiles of the same kind."""
    across = right - left
    width = -(-across // -(-across // max(TILE_COLUMNS, TILE_CELLS // (bottom - top))))
    height = TILE_CELLS // width
    for row in range(top, bottom, height):
        for column in range(left, right, width):
            yield row, min(bottom, row + height), column, min(right, column + width)


def likely_cells(pnet: "InferenceSession", tile: Float, top: int, left: int) -> NDArray[np.float64]:
    """Return PNet's cells with a score above 0.5 in a tile that begins at a cell: x, y, offsets and logits (n, 8)."""
    (heads,) = pnet.run(None, {"image": np.ascontiguousarray(tile.transpose(2, 0, 1))[None]})
    heads = heads[0]
    y, x = np.nonzero(heads[5] > heads[4])  # score > 0.5, which is rare
    return np.column_stack([x + left, y + top, heads[:, y, x].T])


def boxes_of(cells: NDArray[np.float64]) -> Boxes:
    """Return the boxes of the cells that may show a face, in pixels of the level, best first."""
    cells = cells[np.lexsort(cells[:, :2].T)]  # in row order, which decides between equal scores
    score = _scores(cells[:, 6:].astype(np.float32))
    likely = score > PNET_THRESHOLD
    corner = cells[likely, :2] * STRIDE
    # The windows of mtcnn start at +1 and are 11 pixels wide.
    window = np.concatenate([corner + 1, corner + CELL], axis=1)
    return _sorted(np.column_stack([window + cells[likely, 2:6] * (CELL - 1), score[likely]]))


def _with_contrast(level: Float, count: int) -> tuple[int, int]:
    """Return the first of `count` rows of windows that is not wholly in an edge of one colour, and one past the last.

    PNet's score of a window of one colour is below 0.01, whatever the colour.
    """
    before, after = _edge(level), _edge(level[::-1])
    if before == len(level):
        return 0, 0
    first = max(0, before - CELL + STRIDE) // STRIDE
    return first, min(count, -(-(len(level) - after) // STRIDE))


def _edge(level: Float) -> int:
    """Return how many lines have the same one colour, counted from the first line."""
    colour = level[0, 0]
    for number, line in enumerate(level):
        if np.abs(line - colour).max() > ROUNDING:
            return number
    return len(level)


def pixels_of(first: int, end: int) -> slice:
    """Return the pixels covered by PNet's cells in [first, end); an odd level ends a pixel earlier."""
    return slice(first * STRIDE, (end - 1) * STRIDE + CELL)


def _refine(rnet: "InferenceSession", photo: Float, boxes: Boxes) -> Boxes:
    boxes = scored(rnet, photo, boxes)
    boxes = boxes[boxes[:, 4] > RNET_THRESHOLD]
    return _square(suppress(_sorted(boxes), 0.7))


def scored(rnet: "InferenceSession", photo: Float, boxes: Boxes) -> Boxes:
    """Return the boxes as RNet shifts and scores them."""
    heads = _run(rnet, photo, boxes, 24)
    return _shifted(boxes, heads[:, :4], _scores(heads[:, 4:]))


def _finish(onet: "InferenceSession", photo: Float, boxes: Boxes) -> tuple[Boxes, Boxes]:
    heads = _run(onet, photo, boxes, 48)
    offsets, points = heads[:, :4], heads[:, 4:14]
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    x = size[:, :1] * points[:, :5] + boxes[:, :1] - 1
    y = size[:, 1:] * points[:, 5:] + boxes[:, 1:2] - 1
    faces = np.concatenate([_shifted(boxes, offsets, _scores(heads[:, 14:])), x, y], axis=1)
    faces = faces[faces[:, 4] > ONET_THRESHOLD]
    faces = suppress(_sorted(faces), 0.7, of_smaller=True)
    height, width = photo.shape[:2]
    faces[:, :4] = np.clip(faces[:, :4], 0, [width - 1, height - 1] * 2)
    return faces[:, :5], faces[:, 5:]


def _run(session: "InferenceSession", photo: Float, boxes: Boxes, size: int) -> Float:
    """Return the outputs of a network for boxes of the photo, resized to `size` × `size`."""
    parts = [
        session.run(None, {"image": _crops(photo, boxes[i : i + CHUNK], size)})[0]
        for i in range(0, len(boxes), CHUNK)
    ]
    return np.concatenate(parts)


def _crops(photo: Float, boxes: Boxes, size: int) -> Float:
    """Crop boxes and resize them bilinearly, like TensorFlow's `crop_and_resize`: float32 (n, 3, size, size).

    Pixels outside the photo are MEAN, which the networks see as 0.
    """
    height, width = photo.shape[:2]
    steps = np.arange(size) / (size - 1)
    # mtcnn converts box corners to fractions of the photo, then to fractions of the range of its pixel centres.
    x = (boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps) * ((width - 1) / width)
    y = (boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps) * ((height - 1) / height)
    x[(x < 0) | (x > width - 1)] = -9
    y[(y < 0) | (y > height - 1)] = -9
    shape = (len(boxes), size, size)
    maps = np.empty((2, *shape), np.float32)
    maps[0], maps[1] = x[:, None, :], y[:, :, None]
    crops = cv2.remap(
        photo, maps[0].reshape(-1, size), maps[1].reshape(-1, size), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(networks.MEAN,) * 3,
    )  # fmt: skip
    return np.ascontiguousarray(crops.reshape(*shape, 3).transpose(0, 3, 1, 2))


def _scores(logits: Float) -> Float:
    """Return the softmax of the second of two logits, shape (n, 2), in float32 like mtcnn.

    mtcnn sorts boxes by these scores; in float64 ties would be broken and the order would differ.
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Float = powers[:, 1] / powers.sum(axis=1)
    return scores


def _shifted(boxes: Boxes, offsets: Float, scores: Float) -> Boxes:
    """Shift box corners by offsets in units of the box size, and set new scores."""
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    return np.column_stack([boxes[:, :4] + offsets * np.tile(size, 2), scores])


def _square(boxes: Boxes) -> Boxes:
    """Widen boxes to squares around their centres."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + size * 0.5 - side * 0.5
    return np.column_stack([corner, corner + side, boxes[:, 4]])


def _sorted(boxes: Boxes) -> Boxes:
    return boxes[np.argsort(boxes[:, 4])[::-1]]
