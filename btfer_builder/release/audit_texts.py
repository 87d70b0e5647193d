"""Find what may identify somebody in a text: addresses, telephone numbers, paths, pictures, invisible characters."""

import re
import unicodedata
from collections.abc import Collection, Iterator

from btfer_builder.crawl.ssrf_guard import is_public_url

_URL = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,20})://[^\s\"'<>|\\)\]]*")
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_SCHEME = re.compile(r"\b(?:mailto|tel|sms|javascript|data):\S", re.IGNORECASE)
_IP = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])|\blocalhost\b", re.IGNORECASE)
_LOCAL = re.compile(r"file:///|(?<![\w.:/])/(?:home|Users|root|tmp|mnt|var|Volumes)/\w|[A-Z]:\\\\?Users")
#: Numbers with a country code, and national ones: in groups of three or four digits, or with a leading zero.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){6,12}"
    r"|(?:\(0?\d{1,4}\)|0\d{1,4}|\d{3})[ .-]\d{3,4}[ .-]\d{3,4}"
    r"|0[1-9]\d{7,10}"
    r")(?![\w.]*\w)"
)
#: Beginnings of pictures in base64 (PNG, JPEG, GIF, WebP), and long runs of base64 or hexadecimal digits.
_PICTURE = re.compile(r"iVBORw0KGgo|/9j/[24]|R0lGOD[dl]|UklGR[\w+/]{4,}V0VCU")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{60,}={0,2}")
_HASH = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16,64}(?![0-9A-Za-z])")
_LINES = re.compile(r"(?:-+|_+|/+)=*")


def text_findings(text: str, contact: Collection[str] = ()) -> Iterator[str]:
    """Yield what a text file of a release should not contain.

    Parameters
    ----------
    text
        The text, with any number of lines.
    contact
        E-mail addresses that the release names on purpose.
    """
    if match := _LOCAL.search(text):
        yield f"a local path ({match[0]})"
    for match in _URL.finditer(text):
        if match[1].lower() not in {"http", "https"}:
            yield f"an address of another kind than http ({match[1]})"
        elif not is_public_url(match[0].rstrip(".,;:*`")):
            yield f"a private address, or one with a password ({match[1]}://…)"
    rest = _URL.sub(" ", text)
    if match := _SCHEME.search(rest):
        yield f"an address ({match[0][:-1]}…)"
    if any(match[0] not in contact for match in _EMAIL.finditer(rest)):
        yield "an e-mail address"
    if _IP.search(rest):
        yield "an address of a computer"
    if _PHONE.search(rest):
        yield "a telephone number"
    runs = _RUN.findall(_HASH.sub(" ", rest))
    if _PICTURE.search(rest) or not all(map(_LINES.fullmatch, runs)):
        yield "bytes written as text, such as a picture in base64"
    hidden = {char for char in text if not char.isprintable() and char not in "\n\r\t"}
    if any(unicodedata.category(char) != "Zs" for char in hidden):
        yield "invisible characters"


def without_contacts(text: str) -> str:
    """Return a text, such as a creator's name, without e-mail addresses, telephone numbers and web addresses."""
    for pattern in (_URL, _EMAIL, _PHONE):
        text = pattern.sub(" ", text)
    return " ".join(text.split()).strip(" <>()[],;")
