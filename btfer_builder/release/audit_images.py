"""Find what a PNG of a release contains besides its pixels: only the structures that `release` writes are accepted."""

import io
import struct
import warnings
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks of every image.
_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}
#: 100 pixels an inch, the resolution that the figures state.
_RESOLUTION = struct.pack(">IIB", 3937, 3937, 1)
_NAMES = {b"eXIf": "EXIF", b"tIME": "a time", b"iCCP": "a colour profile"}
#: Channels by the colour types that `release` writes: grey, RGB, RGBA.
_CHANNELS = {0: 1, 2: 3, 6: 4}
#: More pixels than any face or figure has.
_MAX_PIXELS = 1 << 28


def image_metadata(content: bytes) -> list[str]:
    """Return what an image file contains besides its pixels: EXIF, GPS, IPTC, XMP, text, a time, hidden bytes.

    Everything is a finding that is not a header, compressed pixels, the resolution of our figures or the end: other
    formats than PNG, other chunks, wrong checksums, bytes behind the compressed pixels or behind the image.
    """
    return _png(content) if content.startswith(_SIGNATURE) else ["not a PNG", *_other(content)]


def _png(content: bytes) -> list[str]:
    findings: list[str] = []
    pixels, header, ended = [], b"", False
    offset = len(_SIGNATURE)
    while offset + 12 <= len(content) and not ended:
        length, kind = struct.unpack(">I4s", content[offset : offset + 8])
        body, end = content[offset + 8 : offset + 8 + length], offset + 12 + length
        if end > len(content):
            break
        if zlib.crc32(kind + body) != int.from_bytes(content[end - 4 : end]):
            findings.append(f"a wrong checksum of {kind!r}")
        if kind == b"pHYs" and body != _RESOLUTION:
            findings.append("another resolution than that of a figure")
        elif kind not in _CHUNKS | {b"pHYs"}:
            findings.append(_chunk(kind, body))
        if kind == b"eXIf" and _has_gps(content):
            findings.append("GPS")
        if kind == b"IHDR":
            findings += ["a second header"] if header else []
            header = header or body
        if kind == b"IDAT":
            pixels.append(body)
        ended, offset = kind == b"IEND", end
        if ended and body:
            findings.append("bytes in the end of the image")
    if not ended:
        return [*findings, "a broken image"]
    if offset < len(content):
        findings.append("bytes after the end of the image")
    return findings + _pixels(header, b"".join(pixels))


def _pixels(header: bytes, compressed: bytes) -> list[str]:
    """Return what is wrong with the header and the stream of the pixels."""
    if len(header) != 13:
        return ["a broken image"]
    width, height, depth, color, *methods = struct.unpack(">IIBBBBB", header)
    if depth != 8 or color not in _CHANNELS or any(methods) or not 0 < width * height <= _MAX_PIXELS:
        return ["a kind of PNG that is not written here"]
    row = 1 + width * _CHANNELS[color]
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(compressed, row * height + 1)
        rows += stream.decompress(stream.unconsumed_tail, 1)  # the checksum may be left
    except zlib.error:
        return ["a broken image"]
    findings = ["bytes behind the compressed pixels"] if stream.unused_data or stream.unconsumed_tail else []
    if len(rows) > row * height:
        findings.append("bytes behind the last row of pixels")
    elif len(rows) < row * height or not stream.eof:
        findings.append("a broken image")
    if max(rows[::row], default=0) > 4:  # the filter of each row
        findings.append("an unknown filter of a row")
    return findings


def _chunk(kind: bytes, body: bytes) -> str:
    keyword = body.partition(b"\0")[0][:40].decode("latin-1")
    if kind in {b"tEXt", b"zTXt", b"iTXt"}:
        for mark, name in (("xmp", "XMP"), ("iptc", "IPTC"), ("exif", "EXIF")):
            if mark in keyword.lower():
                return name
        return f"text ({keyword})"
    return _NAMES.get(kind, f"a chunk {kind!r}")


def _other(content: bytes) -> list[str]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                findings = ["EXIF"] if len(image.getexif()) else []
                findings += ["GPS"] if image.getexif().get_ifd(0x8825) else []
                keys = {
                    "xmp": "XMP",
                    "photoshop": "IPTC",
                    "icc_profile": "a colour profile",
                    "comment": "a comment",
                }
                return findings + [name for key, name in keys.items() if image.info.get(key)]
    except Exception:  # a broken file raises anything; it is reported as not a PNG
        return []


def _has_gps(content: bytes) -> bool:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return bool(image.getexif().get_ifd(0x8825))
    except Exception:  # broken; it is reported as EXIF
        return False
