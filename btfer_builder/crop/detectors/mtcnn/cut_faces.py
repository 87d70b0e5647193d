"""Find the faces that the edge of a photo cuts: search a photo with a border whose inside was searched before.

PNet looks at the windows that reach over the edge and, roughly, at all large ones; RNet looks at the best of them. Only
around those that RNet does not clearly refuse are all windows searched, which are those of a search of the whole. A
photo that shows nobody costs a fraction of that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from btfer_builder.crop.detectors.mtcnn.detector import (
    STRIDE,
    Boxes,
    Float,
    Networks,
    boxes_of,
    cell_counts,
    decide,
    find_faces,
    likely_cells,
    load_networks,
    merged,
    pixels_of,
    scored,
    tiles,
)
from btfer_builder.crop.detectors.mtcnn.nms import suppress
from btfer_builder.crop.detectors.mtcnn.pyramid import CELL, levels, levels_to_skip, shrink, shrink_part
from btfer_builder.crop.geometry import Box
from btfer_builder.io.device import Device

#: RNet's score above which is searched around a box; a face needs 0.7.
LIKELY = 0.4
#: The windows around a box: their middle is at most so many sides away, and they are at most so many times as large or
#: as small.
AWAY, LARGER = 1.0, 2.2
#: Pictures with fewer pixels are searched whole, which costs no more.
SMALL_PICTURE = 400_000
#: Cells inside the edge that are searched with those that reach over it: what touches the edge is seen by either.
BESIDE = 1
#: Cells inside the edge that cost less than to leave them out.
SPARED = 1500
#: Levels below this scale are made whole, which costs less than a part that covers much of the photo; at first of the
#: photo reduced so many times, which is enough to see where to search.
COARSE, REDUCED = 0.16, 4

Level = tuple[float, int, int]  # scale, height and width
Cells = tuple[int, int, int, int]  # rows [top, bottom) and columns [left, right) of PNet's cells


def find_cut_faces(
    searched: Box,
    uncertain: Sequence[Box],
    photo: NDArray[np.uint8],
    min_face_size: float,
    enough: Callable[[Boxes, Boxes], bool],
    device: Device = "auto",
) -> tuple[Boxes, Boxes]:
    """Find the faces that reach over the edge of a part of a photo.

    Parameters
    ----------
    searched
        The part that was searched.
    uncertain
        Boxes of faces that were found there without certainty, around which is searched again.
    photo
        RGB, uint8, shape (height, width, 3).
    min_face_size, enough, device
        As in `detector.find_faces`.

    Returns
    -------
    boxes, landmarks
        As `detector.find_faces`.
    """
    height, width = photo.shape[:2]
    if height * width < SMALL_PICTURE:
        return find_faces(photo, min_face_size, enough, device)
    search = _Search(load_networks(device), photo.astype(np.float32), _reduced(photo), searched)
    sizes = levels(height, width)
    skipped = levels_to_skip(sizes, min_face_size)
    near = [[box.x, box.y, box.x + box.width, box.y + box.height] for box in uncertain]
    near += search.at_edge(sizes[skipped:])
    found = search.around(near, sizes[skipped:])
    if skipped and not enough(*found):
        near += search.at_edge(sizes[:skipped])
        found = search.around(near, sizes)
    return found


def _reduced(photo: NDArray[np.uint8]) -> Float:
    height, width = (side // REDUCED for side in photo.shape[:2])
    whole = photo[: height * REDUCED, : width * REDUCED]
    reduced: Float = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return reduced


@dataclass(frozen=True)
class _Search:
    """The search of one photo."""

    nets: Networks
    photo: Float
    reduced: Float
    searched: Box
    #: What PNet proposed in parts of a level.
    proposed: dict[tuple[Level, tuple[Cells, ...]], Boxes] = field(default_factory=dict)

    def at_edge(self, sizes: Sequence[Level]) -> list[list[float]]:
        """Return the boxes at the edge of the searched part, and large ones, that RNet does not clearly refuse."""
        boxes = merged([self._at_edge(level) for level in sizes])
        if len(boxes):
            boxes = scored(self.nets.rnet, self.photo, boxes)
        likely: list[list[float]] = boxes[boxes[:, 4] > LIKELY, :4].tolist()
        return likely

    def _at_edge(self, level: Level) -> Boxes:
        """Return the boxes that PNet proposes at the edge on a level, or roughly those everywhere on a coarse one."""
        scale, height, width = level
        if scale >= COARSE:
            return self._proposed(level, _at_edge(self.photo.shape[:2], level, self.searched, SPARED))
        parts = _at_edge(self.photo.shape[:2], level, self.searched, math.inf)
        rough = cv2.resize(self.reduced, (width, height), interpolation=cv2.INTER_AREA)
        return self._proposed(level, parts, rough)

    def around(self, boxes: Sequence[Sequence[float]], sizes: Sequence[Level]) -> tuple[Boxes, Boxes]:
        """Return the faces that all windows around some boxes show."""
        places = [(level, cells) for level in sizes if (cells := tuple(_around(boxes, level)))]
        new = [place for place in places if place not in self.proposed]
        coarse = [level for level, _ in new if level[0] < COARSE]
        whole = dict(zip(coarse, shrink(self.photo, [level[1:] for level in coarse]), strict=True))
        for level, cells in new:
            self.proposed[level, cells] = self._proposed(level, cells, whole.get(level))
        return decide(self.nets, self.photo, [self.proposed[place] for place in places])

    def _proposed(self, level: Level, parts: Sequence[Cells], pixels: Float | None = None) -> Boxes:
        """Return the boxes that PNet proposes in parts of a level, in pixels of the photo.

        `pixels` are those of the whole level; None: only those of the parts are made.
        """
        found = [np.empty((0, 8))]
        for top, bottom, left, right in (tile for part in parts for tile in tiles(*part)):
            rows, columns = pixels_of(top, bottom), pixels_of(left, right)
            tile = (
                shrink_part(self.photo, level[1:], rows, columns) if pixels is None else pixels[rows, columns]
            )
            found.append(likely_cells(self.nets.pnet, tile, top, left))
        boxes = boxes_of(np.concatenate(found))
        boxes[:, :4] /= level[0]
        return suppress(boxes, 0.5)


def _at_edge(shape: tuple[int, ...], level: Level, searched: Box, spared: float) -> list[Cells]:
    """Return the cells of a level whose windows reach over the edge of the searched part, and up to `spared` inside."""
    rows, columns = cell_counts(*level[1:])
    down, across = level[1] / shape[0], level[2] / shape[1]
    top, first_row, end_row, bottom = _reach(searched.y * down, searched.height * down, rows)
    left, first_column, end_column, right = _reach(searched.x * across, searched.width * across, columns)
    if max(0, end_row - first_row) * max(0, end_column - first_column) <= spared:
        return [(top, bottom, left, right)]
    parts = [
        (top, first_row, left, right),
        (end_row, bottom, left, right),
        (first_row, end_row, left, first_column),
        (first_row, end_row, end_column, right),
    ]
    return [part for part in parts if part[0] < part[1] and part[2] < part[3]]


def _reach(start: float, length: float, count: int) -> tuple[int, int, int, int]:
    """Return which of `count` windows reach into a stretch of pixels, and which are inside it: a, b, c and d.

    Windows a to d reach into it, and of these b to c are inside and not beside its ends, each without the last.
    """
    end = start + length
    return (
        max(0, math.floor((start - CELL) / STRIDE) + 1),
        math.ceil(start / STRIDE) + BESIDE,
        math.floor((end - CELL) / STRIDE) + 1 - BESIDE,
        min(count, math.ceil(end / STRIDE)),
    )


def _around(boxes: Sequence[Sequence[float]], level: Level) -> list[Cells]:
    """Return the cells of a level whose windows are near boxes of a similar size, in parts that do not overlap."""
    rows, columns = cell_counts(*level[1:])
    parts: list[Cells] = []
    for box in boxes:
        x1, y1, x2, y2 = (side * level[0] for side in box)
        side = max(x2 - x1, y2 - y1)
        if CELL / LARGER <= side <= CELL * LARGER:
            away = AWAY * max(side, CELL)
            top, bottom = _near((y1 + y2) / 2, away, rows)
            left, right = _near((x1 + x2) / 2, away, columns)
            if top < bottom and left < right:
                parts = _joined(parts, (top, bottom, left, right))
    return parts


def _joined(parts: Sequence[Cells], part: Cells) -> list[Cells]:
    """Add a part to others, as one with those that overlap it."""
    for other in parts:
        if part[0] < other[1] and other[0] < part[1] and part[2] < other[3] and other[2] < part[3]:
            both = zip(part, other, strict=True)
            top, bottom, left, right = (
                ends(pair) for ends, pair in zip((min, max, min, max), both, strict=True)
            )
            return _joined([each for each in parts if each is not other], (top, bottom, left, right))
    return [*parts, part]


def _near(middle: float, away: float, count: int) -> tuple[int, int]:
    """Return the first of `count` windows whose middle is at most so many pixels away, and the one past the last."""
    middle -= CELL / 2
    return max(0, math.ceil((middle - away) / STRIDE)), min(count, math.floor((middle + away) / STRIDE) + 1)
