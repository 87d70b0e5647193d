"""Inflate the pixels of a PNG with ISA-L where it is installed, in about half of zlib's time, and undo its filters."""

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

isal_zlib: Any
try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

#: Checksum of a chunk; that of ISA-L takes a tenth of the time.
crc32 = zlib.crc32 if isal_zlib is None else isal_zlib.crc32

#: Bytes in a stored block of a zlib stream, at most.
_STORED = 0xFFFF

#: The chunk that ends every PNG.
_END = b"\0\0\0\0IEND\xaeB`\x82"

#: Numbers of the filters of a row: differences to the pixel on the left, and to the row above.
SUB, UP = 1, 2

#: Images with more pixels are left to OpenCV, because sums of whole images take several times their memory.
_LARGE = 2**22

#: Stretches of rows in an image, in which sums run down side by side: one call for a row of each.
_STRETCHES = 16


def inflate(parts: Sequence[bytes | memoryview], size: int) -> list[bytes] | None:
    """Return `size` bytes that the chunks of a PNG's pixels hold, in blocks.

    Returns
    -------
    list of bytes or None
        None without ISA-L, or if the stream has another size or is damaged: zlib then says what is left of it.
    """
    if isal_zlib is None:
        return None
    stream, blocks, left = b"".join(parts), [], size
    inflater = isal_zlib.decompressobj()
    try:
        while left >= 0 and (block := inflater.decompress(stream, _STORED)):
            blocks.append(block)
            left -= len(block)
            stream = inflater.unconsumed_tail
    except isal_zlib.error:
        return None
    return blocks if inflater.eof and left == 0 else None


def without_filters(blocks: Sequence[bytes], height: int, width: int) -> "NDArray[np.uint8] | None":
    """Undo the filters of an 8-bit RGB image's rows, as far as they are those that `encode.png` writes.

    Parameters
    ----------
    blocks
        The rows, each after the number of its filter.
    height, width
        Size of the image in pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or None
        RGB; None if a row has another filter, or the image is large.
    """
    import numpy as np

    if height * width > _LARGE:
        return None
    black = bytes(1 + 3 * width)  # the row above the first one
    rows = np.frombuffer(bytearray().join([black, *blocks]), np.uint8).reshape(1 + height, -1)
    filters, pixels = rows[1:, 0], rows[:, 1:]
    if filters.max() > UP:
        return None
    across = np.flatnonzero(filters == SUB) + 1
    pixels[across] = _sums_across(pixels[across])
    sums = _sums_down(pixels)
    # A row is the sum of the rows from the last one that says nothing of the row above.
    first = np.maximum.accumulate(np.where(filters == UP, 0, np.arange(height)))
    return (sums[1:] - sums.take(first, axis=0)).reshape(height, width, 3)


def _sums_across(rows: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return for each pixel of each row the sum of those on its left and its own, modulo 256."""
    import numpy as np

    size, step = rows.shape[1], 3
    gap = 3 << (size // 3 - 1).bit_length()  # of black pixels, so that no sum reaches into the row before
    sums = np.zeros((len(rows), gap + size), np.uint8)
    other = np.zeros_like(sums)
    sums[:, gap:] = rows
    before, after = sums.reshape(-1), other.reshape(-1)
    while step < size:  # sums of 1, 2, 4, … pixels
        np.add(before[step:], before[:-step], out=after[step:])
        before, after, step = after, before, 2 * step
    return before.reshape(sums.shape)[:, gap:]


def _sums_down(rows: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Return for each row the sum of those above it and its own, modulo 256."""
    import numpy as np

    order, place = _stretches(len(rows))
    sums = rows[order].reshape(-1, _STRETCHES, rows.shape[1])
    for above, line in pairwise(list(sums)):
        np.add(above, line, out=line)
    whole = sums[-1].copy()
    for above, line in pairwise(list(whole)):
        np.add(above, line, out=line)
    sums[:, 1:] += whole[:-1]
    return sums.reshape(-1, rows.shape[1]).take(place, axis=0)


@lru_cache
def _stretches(height: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return the rows, first those that begin a stretch, then those below them, …; and the place of each row there."""
    import numpy as np

    length = -(-height // _STRETCHES)
    rows = np.arange(length * _STRETCHES)
    order = rows.reshape(_STRETCHES, length).T.reshape(-1)
    return np.minimum(order, height - 1), np.argsort(order)[:height]


def with_stored_pixels(header: bytes, blocks: Sequence[bytes]) -> bytes:
    """Return a PNG whose pixels are stored instead of compressed, for a decoder that would inflate them slowly.

    Parameters
    ----------
    header
        The signature and the first chunk of the PNG.
    blocks
        What `inflate` returned.
    """
    checksum, stream = 1, [b"IDAT", b"\x78\x01"]
    for block in blocks:
        checksum = isal_zlib.adler32(block, checksum)
        stream += [struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF), block]
    stream.append(struct.pack(">I", checksum))
    length, checksum = sum(map(len, stream)) - 4, 0
    for part in stream:
        checksum = isal_zlib.crc32(part, checksum)
    return b"".join((header, struct.pack(">I", length), *stream, struct.pack(">I", checksum), _END))
