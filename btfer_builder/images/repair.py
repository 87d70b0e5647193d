"""Read image files whose defects no browser minds: odd chunks in a PNG or tags in an AVIF, a JPEG without its end."""

import io
import re
import zlib
from typing import IO

#: What a PNG is decoded from; all other chunks, such as texts and colour profiles, are skipped.
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf"})

#: An entry of an AVIF (box `infe`, version 2 or 3) that names its EXIF block.
_EXIF_ENTRY = re.compile(rb"(infe(?:\x02\0\0\0..|\x03\0\0\0....)\0\0)Exif", re.DOTALL)

#: Largest part of the rows of a JPEG that may be missing; below 16 pixels, any part.
_MISSING = 0.05

_END_OF_JPEG = b"\xff\xd9"
#: Bits that no JPEG ends with: decoded after a JPEG that was cut off, they show where it was.
_FILLER = b"\x55\xaa\x31\x9b" * 64


def readable(file: IO[bytes]) -> IO[bytes]:
    """Return an image file in a form that Pillow decodes, at its start: the file itself if it is intact.

    Of a PNG, chunks that are not needed are left out if there are any, since Pillow refuses large texts and wrong
    checksums in them. A JPEG that lacks only its last bytes gets its end. The EXIF block of an AVIF is hidden: Pillow
    writes the orientation, which is elsewhere, into it, and fails on odd tags.
    """
    start = file.read(12)
    mended = None
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        mended = _bare_png(file)
    elif start[:3] == b"\xff\xd8\xff":
        mended = _ended_jpeg(file)
    elif start[4:12] in {b"ftypavif", b"ftypavis"}:
        content, hidden = _EXIF_ENTRY.subn(rb"\1none", start + file.read())
        mended = content if hidden else None
    file.seek(0)
    return file if mended is None else io.BytesIO(mended)


def _bare_png(file: IO[bytes]) -> bytes | None:
    """Return a PNG with only the chunks that are needed; None if it has no others."""
    size = file.seek(0, io.SEEK_END)
    at, wanted, others, end = 8, [], False, b"\0\0\0\0IEND\xaeB`\x82"
    while at + 12 <= size:
        file.seek(at)
        header = file.read(8)
        length = 12 + int.from_bytes(header[:4])
        kind = header[4:]
        if kind == b"IEND":
            break
        if at + length > size and kind in _NEEDED:  # cut off: it is for Pillow to say whether enough is there
            length, end = size - at, b""
        # Of the chunks that are needed, a wrong checksum is an error only in those without which there is no picture.
        if kind in _NEEDED and (kind[0] < ord("a") or _is_intact(file, kind, length - 12)):
            wanted.append((at, length))
        else:
            others = True
        at += length
    if not others:
        return None
    parts = [b"\x89PNG\r\n\x1a\n"]
    for begin, length in wanted:
        file.seek(begin)
        parts.append(file.read(length))
    return b"".join((*parts, end))


def _is_intact(file: IO[bytes], kind: bytes, length: int) -> bool:
    content = file.read(max(0, length))
    return zlib.crc32(content, zlib.crc32(kind)) == int.from_bytes(file.read(4))


def _ended_jpeg(file: IO[bytes]) -> bytes | None:
    """Return a JPEG with the end that it lacks; None if it has one, or more than the end is missing."""
    file.seek(-2, io.SEEK_END)
    if file.read(2) == _END_OF_JPEG:
        return None
    file.seek(0)
    content = file.read().rstrip(b"\xff")  # half of the end
    scan = content.rfind(b"\xff\xda")
    if scan < 0 or content.find(_END_OF_JPEG, scan) >= 0:  # no picture, or an end with something behind it
        return None
    ended = content + _END_OF_JPEG
    return ended if _is_nearly_whole(content, ended) else None


def _is_nearly_whole(content: bytes, ended: bytes) -> bool:
    """Return whether hardly a row of a cut-off JPEG is missing; of a progressive one, no more than its last scan."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(ended), formats=("JPEG",)) as image:
            if image.info.get("progressive"):
                return _reaches_last_scan(content)
            height = image.height
            pictures = []
            for file in (ended, content + _FILLER + _END_OF_JPEG):
                with Image.open(io.BytesIO(file), formats=("JPEG",)) as copy:
                    copy.draft("L", (max(1, copy.width // 8), max(1, copy.height // 8)))
                    pictures.append(np.asarray(copy.convert("L")))
    except Exception:  # what Pillow raises on broken files is not limited to some types
        return False
    different = np.flatnonzero((pictures[0] != pictures[1]).any(axis=1))
    if not len(different):
        return True
    missing = (1 - different[0] / len(pictures[0])) * height
    return bool(missing <= max(16, _MISSING * height))


def _reaches_last_scan(content: bytes) -> bool:
    """Return whether a progressive JPEG has begun the scans that give all of its coefficients their last bit."""
    at, components = content.find(b"\xff\xda"), 1
    last: set[int] = set()
    while at >= 0:
        count = content[at + 4] if at + 4 < len(content) else 0
        names = content[at + 5 : at + 5 + 2 * count : 2]
        first_last = content[at + 5 + 2 * count : at + 8 + 2 * count]
        if len(first_last) == 3:
            components = max(components, count)
            if first_last[1] == 63 and not first_last[2] & 15:
                last.update(names)
        at = content.find(b"\xff\xda", at + 2)
    return len(last) >= components
