"""Find metadata in image files."""

import io
import struct
import warnings

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks with the pixels and how to display them.
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"pHYs"}
_NAMES = {b"eXIf": "EXIF", b"tIME": "a time", b"iCCP": "a colour profile"}


def image_metadata(content: bytes) -> list[str]:
    """Return what an image file contains besides its pixels: EXIF, GPS, IPTC, XMP, text, a time, hidden bytes.

    Other formats than PNG are reported: all images of a release are PNG files.
    """
    return _png(content) if content.startswith(_SIGNATURE) else ["not a PNG", *_other(content)]


def _png(content: bytes) -> list[str]:
    findings = []
    offset = len(_SIGNATURE)
    while offset + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[offset : offset + 8])
        body = content[offset + 8 : offset + 8 + length]
        offset += 12 + length
        if kind not in _PIXELS:
            findings.append(_chunk(kind, body))
        if kind == b"eXIf" and _has_gps(content):
            findings.append("GPS")
        if kind == b"IEND":
            return findings + (["bytes after the end of the image"] if offset < len(content) else [])
    return [*findings, "a broken image"]


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
