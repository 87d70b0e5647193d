"""Inflate the pixels of a PNG with ISA-L where it is installed, in about half of zlib's time."""

import struct
from collections.abc import Sequence
from typing import Any

isal_zlib: Any
try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

#: Bytes in a stored block of a zlib stream, at most.
_STORED = 0xFFFF

#: The chunk that ends every PNG.
_END = b"\0\0\0\0IEND\xaeB`\x82"


def with_stored_pixels(header: bytes, parts: Sequence[bytes | memoryview], size: int) -> bytes | None:
    """Return a PNG whose pixels are stored instead of compressed, for a decoder that would inflate them slowly.

    Parameters
    ----------
    header
        The signature and the first chunk of the PNG.
    parts
        The contents of its chunks of pixels.
    size
        Bytes of the inflated pixels with the filter of each row; a stream of another size is not inflated further.

    Returns
    -------
    bytes or None
        None without ISA-L, or if the stream is damaged: zlib then says what is left of it.
    """
    if isal_zlib is None:
        return None
    inflate = isal_zlib.decompressobj()
    try:
        pixels = inflate.decompress(b"".join(parts), size + 1)
    except isal_zlib.error:
        return None
    if len(pixels) != size or not inflate.eof:
        return None
    view, stream = memoryview(pixels), [b"IDAT", b"\x78\x01"]
    for start in range(0, size, _STORED):
        block = view[start : start + _STORED]
        is_last = start + _STORED >= size
        stream += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]  # type: ignore[list-item]
    stream.append(struct.pack(">I", isal_zlib.adler32(pixels)))
    chunk = b"".join(stream)
    return b"".join(
        (header, struct.pack(">I", len(chunk) - 4), chunk, struct.pack(">I", isal_zlib.crc32(chunk)), _END)
    )
