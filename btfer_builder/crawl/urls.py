"""Canonical URLs: a picture that two engines find is fetched once, from the address as it was found."""

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna
import yarl

#: What a request line may contain unescaped in a path and in a query: what browsers leave as it is.
_IN_PATH = "!$%&'()*+,/:;=@[\\]|~"
_IN_QUERY = "!$%&'()*+,/:;=?@[\\]^`{|}~"
_PORTS = {"http": 80, "https": 443}
#: Query parameters for tracking, which do not affect the content.
TRACKING = frozenset(
    [
        "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "li_fat_id",
        "igshid", "igsh", "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "vero_id", "oly_anon_id",
        "oly_enc_id", "srsltid", "ref_src", "ref_url", "wickedid", "rb_clickid", "s_cid", "ml_subscriber",
        "ml_subscriber_hash",
    ]
)  # fmt: skip
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def canonical_url(url: str) -> str:
    """Return the canonical form of an http or https URL; any other text is returned unchanged.

    Scheme and host are lower case, international hosts in their ASCII form, without default port, fragment and
    tracking parameters; percent escapes are upper case and only where needed. Everything that may affect the content
    stays, including the order of the parameters.

    Parameters
    ----------
    url
        A URL from an engine. Canonical URLs are returned unchanged.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _bracketed(ascii_host(parts.hostname or ""))
    except ValueError:
        return url
    if parts.scheme not in _PORTS or not host or re.search(r"[\x00-\x1f\x7f\\]", url):
        return url
    user = parts.netloc.rpartition("@")[0]
    netloc = (f"{user}@" if user else "") + host
    if port is not None and port != _PORTS[parts.scheme]:
        netloc += f":{port}"
    query = "&".join(pair for pair in parts.query.split("&") if not _is_tracking(pair.partition("=")[0]))
    return urlunsplit((parts.scheme, netloc, _escaped(parts.path) or "/", _escaped(query), ""))


def host_of(url: str) -> str:
    """Return host and port of a URL; empty for text that is none, which the fetcher reports."""
    try:
        return urlsplit(url).netloc
    except ValueError:  # "http://["
        return ""


def request_url(url: str) -> yarl.URL:
    """Return an http or https URL as it is sent: with the host in ASCII, and escaped only where it must be.

    Existing escapes stay as they are: a signature may be over them. The fragment is not sent.

    Raises
    ------
    ValueError
        If it is not a valid URL.
    """
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port is None else f":{parts.port}"
    netloc = f"{user}{at}{_bracketed(ascii_host(parts.hostname or ''))}{port}"
    path, query = quote(parts.path, safe=_IN_PATH) or "/", quote(parts.query, safe=_IN_QUERY)
    return yarl.URL(urlunsplit((parts.scheme, netloc, path, query, "")), encoded=True)


def redirect_url(url: str, location: str) -> str:
    """Return the target of a redirect from a URL.

    Parameters
    ----------
    url
        The URL that redirects.
    location
        The header, in which bytes that are not UTF-8 are surrogates; they are escaped.
    """
    raw = re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", location)
    return urljoin(url, raw)


def ascii_host(host: str) -> str:
    """Return a host name in ASCII, by UTS 46 without its transitional rules: straße.de is not strasse.de.

    Raises
    ------
    ValueError
        If it is no name, or has a character that no name may have.
    """
    if host.isascii():
        return host.lower()
    labels = idna.uts46_remap(host, std3_rules=False, transitional=False).split(".")
    if not all(labels[:-1]):  # all of a label is ignored by the mapping
        raise ValueError(f"not a valid host name: {host}")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_tracking(name: str) -> bool:
    return name.lower() in TRACKING or name.lower().startswith("utm_")


def _escaped(text: str) -> str:
    """Escape spaces and non-ASCII letters, and normalize existing escapes."""

    def normalized(escape: re.Match[str]) -> str:
        letter = chr(int(escape[1], 16))
        return letter if _UNRESERVED.match(letter) else escape[0].upper()

    try:
        escaped = quote(text, safe="%/:?#[]@!$&'()*+,;=~|^`{}\"<>")
    except UnicodeEncodeError:  # a lone surrogate
        return text
    return _ESCAPE.sub(normalized, escaped)
