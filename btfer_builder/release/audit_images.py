"""Metadata in picture files: what a PNG holds besides its pixels, and what any other format says."""

import io
import struct
import warnings

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks a picture cannot do without, and those that only say how its pixels are meant.
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"pHYs"}
_NAMES = {b"eXIf": "EXIF", b"tIME": "a time", b"iCCP": "a colour profile"}


def picture_metadata(content: bytes) -> list[str]:
    """Return what a picture file holds besides its pixels: EXIF, GPS, IPTC, XMP, text, a time, hidden bytes.

    Anything but PNG is reported as such: a release has no other pictures.
    """
    return _png(content) if content.startswith(_SIGNATURE) else ["no PNG", *_other(content)]


def _png(content: bytes) -> list[str]:
    found = []
    place = len(_SIGNATURE)
    while place + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        body = content[place + 8 : place + 8 + length]
        place += 12 + length
        if kind not in _PIXELS:
            found.append(_chunk(kind, body))
        if kind == b"eXIf" and _has_gps(content):
            found.append("GPS")
        if kind == b"IEND":
            return found + (["bytes behind the end of the picture"] if place < len(content) else [])
    return [*found, "a broken picture"]


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
            with Image.open(io.BytesIO(content)) as picture:
                found = ["EXIF"] if len(picture.getexif()) else []
                found += ["GPS"] if picture.getexif().get_ifd(0x8825) else []
                keys = {
                    "xmp": "XMP",
                    "photoshop": "IPTC",
                    "icc_profile": "a colour profile",
                    "comment": "a comment",
                }
                return found + [name for key, name in keys.items() if picture.info.get(key)]
    except Exception:  # whatever a broken file makes a decoder raise: it is reported as no PNG already
        return []


def _has_gps(content: bytes) -> bool:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            return bool(picture.getexif().get_ifd(0x8825))
    except Exception:  # broken: it is reported as EXIF already
        return False
