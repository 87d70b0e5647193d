"""Inflate the pixels of a PNG with ISA-L where it is installed, in about half of zlib's time."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

isal_zlib: Any
try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

#: Bytes in a stored block of a zlib stream, at most.
_STORED = 0xFFFF

#: The chunk that ends every PNG.
_END = b"\0\0\0\0IEND\xaeB`\x82"

#: Numbers of the filters of a row: differences to the pixel on the left, and to the row above.
SUB, UP = 1, 2


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
        RGB; None if a row has another filter.
    """
    import numpy as np

    rows = np.empty((height, 1 + 3 * width), np.uint8)
    flat, start = rows.reshape(-1), 0
    for block in blocks:
        flat[start : start + len(block)] = np.frombuffer(block, np.uint8)
        start += len(block)
    filters = rows[:, 0].copy()
    if filters.max() > UP:
        return None
    pixels = rows[:, 1:].copy()
    across = np.flatnonzero(filters == SUB)
    sums, step = pixels[across], 3
    while step < 3 * width:  # sums of 1, 2, 4, … pixels
        sums[:, step:] += sums[:, :-step]
        step *= 2
    pixels[across] = sums
    lines = list(pixels)
    for row in np.flatnonzero(filters == UP).tolist():
        if row:
            np.add(lines[row], lines[row - 1], out=lines[row])
    return pixels.reshape(height, width, 3)


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
