"""Map the licences that engines state to the codes of `config.LicenseCode`.

A licence is never guessed. A text is matched as a whole: one with any other word ("not public domain", "CC BY, see
page") or one that contradicts its address is unknown.
"""

import re
from dataclasses import replace

from btfer_builder.records import Candidate

UNKNOWN = "unknown"
#: The six Creative Commons licences.
CC_CODES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
#: Texts that state nothing, so that only the address counts.
_NOTHING = ("", UNKNOWN)
_PORTS = (
    "igo|scotland|am|ar|at|au|az|be|bg|br|ca|ch|cl|cn|co|cr|cz|de|dk|ec|ee|eg|es|fi|fr|ge|gr|gt|hk|hr|hu|ie|il|in|it|"
    "jo|jp|kr|lu|mk|mt|mx|my|nl|no|nz|pe|ph|pl|pr|pt|ro|rs|se|sg|si|th|tw|ua|ug|uk|us|ve|vn|za"
)
_OLD_VERSION = r"(?:1\.0|2\.0|2\.1|2\.5|3\.0)"  # versions that were ported to national laws
_HOST = r"(?:(?:https?:)?//)?(?:www\.)?creativecommons\.org"
_DOCUMENT = r"(?:/(?:deed|legalcode)(?:[.-][a-z_-]+)*)?/?(?:[?#][!-~]*)?"
_CC_PAGE = re.compile(
    rf"{_HOST}/(?:licen[cs]es/(?P<by>by(?:-(?:nc|nd|sa))*)(?:/(?:4\.0|{_OLD_VERSION}(?:/(?:{_PORTS}))?))?"
    rf"|publicdomain/(?P<cc0>zero)(?:/1\.0)?|(?:publicdomain/mark(?:/1\.0)?|licen[cs]es/publicdomain)){_DOCUMENT}",
    re.I | re.A,
)
#: Any address that states terms, known or not: one that contains a page of Creative Commons, or a rights statement.
_TERMS = re.compile(
    r".*(?:creativecommons\.org\b[^/]*/(?:licen[cs]es|publicdomain)/[^/?#]|rightsstatements\.org\b[^/]*/[^/?#])",
    re.I,
)
#: Words of licence names and their abbreviations.
_WORDS = (
    (r"\bcreative commons\b", "cc"),
    (r"\battribution\b", "by"),
    (r"\bnon ?commercial\b", "nc"),
    (r"\bshare ?alike\b", "sa"),
    (r"\bno ?deriv(?:ative)?s?(?: works)?\b", "nd"),
)
#: Phrases for CC0 and the public domain, in lower case and with spaces for hyphens.
_FREE = {
    "cc0": re.compile(
        r"cc ?(?:0|zero)(?: v?1\.0)?(?: universal)?(?: public domain dedication)?(?: licen[cs]e)?"
    ),
    "pdm": re.compile(
        r"(?:pdm|(?:cc )?public ?domain mark)(?: 1\.0)?|pd|public ?domain|no known copyright(?: restrictions)?|"
        r"no (?:known )?restrictions|united states government work"
    ),
}
_BY = re.compile(
    rf"(?P<cc>cc )?(?P<code>by(?: (?:nc|nd|sa))*)(?: licen[cs]e)?"
    rf"(?: v?(?P<version>{_OLD_VERSION}(?: (?:{_PORTS}))?|4\.0|[1-4])(?P<more>(?:(?:, ?| ){_OLD_VERSION})*))?"
    rf"(?: (?:international|unported|generic))?(?: (?:public )?licen[cs]e)?"
)


def license_code(text: str, url: str = "") -> str:
    """Return the code of a licence that an engine states.

    Parameters
    ----------
    text
        Name, code or creativecommons.org address of the licence: `by-sa`, `CC BY-SA 4.0`, `Public domain`, ...
    url
        Page of the licence; other pages than those of Creative Commons and rightsstatements.org do not affect the code.

    Returns
    -------
    str
        `cc0`, `pdm`, `by`, `by-sa`, `by-nc`, `by-nd`, `by-nc-sa`, `by-nc-nd`; or `unknown` if there is no
        statement, another licence (all rights reserved, a software licence), or a contradiction.
    """
    if not _TERMS.match(url.strip()):
        code, _, certain = _stated(text)
        return code if certain else UNKNOWN
    named = page_code(url)
    agrees = text.strip().lower() in _NOTHING or _stated(text)[0] == named
    return named if agrees else UNKNOWN


def page_code(url: str) -> str:
    """Return the code of the licence at a creativecommons.org address; `unknown` for any other address."""
    page = _CC_PAGE.fullmatch(url.strip())
    if not page:
        return UNKNOWN
    if page["by"]:
        return _ordered(page["by"].lower().split("-"))
    return "cc0" if page["cc0"] else "pdm"


def license_page(text: str) -> str:
    """Return the page of a Creative Commons licence that is stated with its version, else an empty text."""
    code, version, certain = _stated(text)
    if page_code(text) != UNKNOWN:
        return _absolute(text)
    if code == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{code}/{version}/" if version and certain else ""


def _absolute(page: str) -> str:
    """Return an address of Creative Commons with its scheme."""
    page = page.strip()
    return page if re.match("https?://", page, re.I) else f"https://{page.lstrip('/')}"


def with_code(candidate: Candidate) -> Candidate:
    """Return the candidate with the code and the page of its licence, as far as they are known.

    A page of Creative Commons is kept only if it agrees with the code, so that it is not mistaken for the licence.
    """
    code = license_code(candidate.license, candidate.license_url)
    url = candidate.license_url.strip()
    if page_code(url) != UNKNOWN:
        url = _absolute(url)
    if not re.match("https?://", url, re.I) or (_TERMS.match(url) and code == UNKNOWN):
        url = ""
    stated = license_page(candidate.license) if code != UNKNOWN else ""
    if page_code(url) == UNKNOWN and page_code(candidate.license) != UNKNOWN:
        url = stated
    return replace(candidate, license=code, license_url=url or stated)


def _stated(text: str) -> tuple[str, str, bool]:
    """Return the code and the version that a text states, and whether it is sufficient without an address.

    "Attribution 2.0" is not sufficient: terms other than Creative Commons have that name, too.
    """
    if (code := page_code(text)) != UNKNOWN:
        return code, "", True
    words = " ".join(text.lower().replace("_", "-").split())
    if named := re.fullmatch(r"([^()]+) \(([^()]+)\)", words):  # the long name, then the short one
        (code, version, first), (other, _, second) = _stated(named[1]), _stated(named[2])
        return (code, version, first or second) if code == other else (UNKNOWN, "", False)
    words = re.sub(r"(?<=\w)-(?=\w)", " ", words)
    for pattern, word in _WORDS:
        words = re.sub(pattern, word, words)
    for code, phrase in _FREE.items():
        if phrase.fullmatch(words):
            return code, "", True
    match = _BY.fullmatch(words)
    if not match:
        return UNKNOWN, "", False
    code = _ordered(match["code"].split())
    number = (match["version"] or "").replace(" ", "/")  # ported licences have their own page
    version = "" if match["more"] else f"{number}.0" if len(number) == 1 else number
    return code, version, code != UNKNOWN and bool(match["cc"] or text.strip()[:2].lower() == "by")


def _ordered(parts: list[str]) -> str:
    """Return a code with its parts in canonical order; `unknown` for a combination that does not exist."""
    code = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    return code if code in CC_CODES and len(set(parts)) == len(parts) else UNKNOWN
