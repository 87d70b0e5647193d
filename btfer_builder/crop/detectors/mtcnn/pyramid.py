"""The image pyramid: copies of a photo in decreasing sizes, for a detector with a fixed window."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float = NDArray[np.float32]

SCALE_FACTOR = 0.709

#: Side of the detector's window.
CELL = 12

#: Side of the window of the largest level, in pixels of the photo.
SMALLEST = 20

#: Rows of the photo that are averaged at a time, so that they stay in the processor's cache for all levels.
BAND = 64


def levels(height: int, width: int) -> list[tuple[float, int, int]]:
    """Return the levels of the image pyramid, largest first: scale, height, width.

    Levels smaller than the window are left out.

    Parameters
    ----------
    height, width
        Size of the photo in pixels.
    """
    count = round(-((np.log(min(height, width) / CELL) / np.log(SCALE_FACTOR)) + 1))
    scales = CELL / SMALLEST * SCALE_FACTOR ** np.arange(max(count, 0))
    sizes = [(float(scale), int(height * scale), int(width * scale)) for scale in scales]
    return [size for size in sizes if min(size[1:]) >= CELL]


def levels_to_skip(sizes: Sequence[tuple[float, int, int]], smallest: float) -> int:
    """Return how many levels come before the one with the largest window that is not above `smallest` pixels.

    The others are those of the whole pyramid. One that begins at `smallest` itself has other levels, and moves boxes;
    mtcnn 1.0.0 also ignores that size when it counts them, and loses faces.
    """
    return max(0, sum(scale * smallest >= CELL for scale, *_ in sizes) - 1)


def shrink(photo: Float, sizes: Sequence[tuple[int, int]]) -> list[Float]:
    """Reduce a photo to several sizes by area averaging, like `cv2.INTER_AREA` but in a third of the time.

    OpenCV resizes along the rows first, which costs as much for small levels as for large ones. Here the rows are
    averaged first, for all sizes at once by a product with a sparse matrix, and OpenCV resizes the result.

    Parameters
    ----------
    photo
        float32, shape (rows, columns, 3).
    sizes
        Height and width of each result, no larger than the photo.

    Returns
    -------
    list of ndarray of float32, shape (height, width, 3)
    """
    if not sizes:
        return []
    rows, columns = photo.shape[:2]
    lines = photo.reshape(rows, -1)
    shrunk = [np.empty((height, width, 3), np.float32) for height, width in sizes]
    done = [0] * len(sizes)
    averages = _averages(rows, tuple(height for height, _ in sizes))
    for begin, end in pairwise(np.flatnonzero(np.diff(averages.band, prepend=-1, append=-1)).tolist()):
        top, matrix = averages.matrix(begin, end)
        averaged = (matrix @ lines[top : top + matrix.shape[1]]).reshape(end - begin, columns, 3)
        row = 0
        for level, count in enumerate(np.bincount(averages.level[begin:end], minlength=len(sizes)).tolist()):
            if count:
                target = shrunk[level][done[level] : done[level] + count]
                size = (target.shape[1], count)
                cv2.resize(averaged[row : row + count], size, dst=target, interpolation=cv2.INTER_AREA)
                done[level] += count
                row += count
    return shrunk


def shrink_part(photo: Float, size: tuple[int, int], rows: slice, columns: slice) -> Float:
    """Return a part of what `shrink` returns for one size, [rows, columns], without computing the rest."""
    top, down = _averages(photo.shape[0], size[:1]).matrix(rows.start, min(rows.stop, size[0]))
    left, across = _averages(photo.shape[1], size[1:]).matrix(columns.start, min(columns.stop, size[1]))
    covered = photo[top : top + down.shape[1], left : left + across.shape[1]]
    averaged = (down @ covered.reshape(len(covered), -1)).reshape(down.shape[0], -1, 3).swapaxes(0, 1)
    part: Float = (across @ averaged.reshape(len(averaged), -1)).reshape(across.shape[0], -1, 3)
    return part.swapaxes(0, 1)


@dataclass(frozen=True, slots=True)
class _Averages:
    """The rows of all results, each an average of adjacent lines of the photo."""

    band: NDArray[
        np.int64
    ]  # of the photo in which a row's last line lies; they are sorted by it, then by level
    level: NDArray[np.int64]
    start: NDArray[np.int32]  # where the lines of each row begin in the two below; one more for the end
    line: NDArray[np.int32]
    share: Float

    def matrix(self, begin: int, end: int) -> "tuple[int, csr_array]":
        """Return the first line that rows [begin, end) average, and the matrix that averages the lines from there."""
        from scipy.sparse import csr_array

        entries = slice(self.start[begin], self.start[end])
        used, start = self.line[entries], self.start[begin : end + 1] - self.start[begin]
        top = int(used.min())
        shape = (end - begin, int(used.max()) + 1 - top)
        return top, csr_array((self.share[entries], used - top, start), shape=shape)


@lru_cache(maxsize=64)  # of the levels of a photo
def _averages(lines: int, heights: tuple[int, ...]) -> _Averages:
    """Return the lines of the photo that each row averages: row i covers [i, i + 1) · lines / height."""
    level = np.repeat(np.arange(len(heights)), heights)
    row = np.concatenate([np.arange(height) for height in heights])
    step = lines / np.array(heights, dtype=np.float64)[level]
    low, high = row * step, np.minimum((row + 1) * step, lines)
    first = (low + 1e-6).astype(np.int32)  # ignore lines that are covered by less
    last = np.maximum(np.ceil(high - 1e-6).astype(np.int32), first + 1)
    band = (last - 1) // BAND
    order = np.lexsort([row, level, band])
    counts = (last - first)[order]
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    line = (np.repeat(first[order] - start[:-1], counts) + np.arange(start[-1])).astype(np.int32)
    covered = np.minimum(line + 1, np.repeat(high[order], counts)) - np.maximum(
        line, np.repeat(low[order], counts)
    )
    share = (covered / np.repeat(step[order], counts)).astype(np.float32)
    return _Averages(band[order].astype(np.int64), level[order], start, line, share)
