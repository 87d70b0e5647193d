"""Licences: the many ways an engine may state one, brought to the few codes of `recipe.LicenseCode`.

A licence is never guessed. A text counts only as a whole: one with any other word in it ("not public domain",
"CC BY, see page") states nothing that is understood, and so does one that contradicts its address.
"""

import re
from dataclasses import replace

from btfer_builder.records import Candidate

UNKNOWN = "unknown"
#: The six Creative Commons licences.
CC_CODES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
#: Texts that state nothing, so that an address beside them counts alone.
_NOTHING = ("", UNKNOWN)
_PORTS = (
    "igo|scotland|am|ar|at|au|az|be|bg|br|ca|ch|cl|cn|co|cr|cz|de|dk|ec|ee|eg|es|fi|fr|ge|gr|gt|hk|hr|hu|ie|il|in|it|"
    "jo|jp|kr|lu|mk|mt|mx|my|nl|no|nz|pe|ph|pl|pr|pt|ro|rs|se|sg|si|th|tw|ua|ug|uk|us|ve|vn|za"
)
_OLD_VERSION = r"(?:1\.0|2\.0|2\.1|2\.5|3\.0)"  # those with ports to the law of a country
_HOST = r"https?://(?:www\.)?creativecommons\.org"
_DOCUMENT = r"(?:/(?:deed|legalcode)(?:[.-][a-z_-]+)*)?/?(?:[?#][!-~]*)?"
_CC_PAGE = re.compile(
    rf"{_HOST}/(?:licen[cs]es/(?P<by>by(?:-(?:nc|nd|sa))*)(?:/(?:4\.0|{_OLD_VERSION}(?:/(?:{_PORTS}))?))?"
    rf"|publicdomain/(?P<cc0>zero)(?:/1\.0)?|(?:publicdomain/mark(?:/1\.0)?|licen[cs]es/publicdomain)){_DOCUMENT}",
    re.I | re.A,
)
#: Any page of Creative Commons that states some terms, be they understood or not.
_CC_TERMS = re.compile(rf"{_HOST}/(?:licen[cs]es|publicdomain)/[^/?#]", re.I)
#: Long words and the short ones that stand for them.
_WORDS = (
    (r"\bcreative commons\b", "cc"),
    (r"\battribution\b", "by"),
    (r"\bnon ?commercial\b", "nc"),
    (r"\bshare ?alike\b", "sa"),
    (r"\bno ?deriv(?:ative)?s?(?: works)?\b", "nd"),
)
#: The whole phrases for CC0 and for what nobody has rights to, in small letters and with spaces for hyphens.
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
    """Return the code of a licence as an engine names it.

    Parameters
    ----------
    text
        Its name, code or address at creativecommons.org: `by-sa`, `CC BY-SA 4.0`, `Public domain`, ...
    url
        Its page; other sites' pages say nothing about the code.

    Returns
    -------
    str
        `cc0`, `pdm`, `by`, `by-sa`, `by-nc`, `by-nd`, `by-nc-sa`, `by-nc-nd`; or `unknown` where nothing is stated,
        something else is (all rights reserved, a licence for software), or the two contradict.
    """
    if not _CC_TERMS.match(url.strip()):
        code, _, certain = _stated(text)
        return code if certain else UNKNOWN
    named = page_code(url)
    agrees = text.strip().lower() in _NOTHING or _stated(text)[0] == named
    return named if agrees else UNKNOWN


def page_code(url: str) -> str:
    """Return the code of the licence with this address at creativecommons.org, `unknown` for every other address."""
    page = _CC_PAGE.fullmatch(url.strip())
    if not page:
        return UNKNOWN
    if page["by"]:
        return _ordered(page["by"].lower().split("-"))
    return "cc0" if page["cc0"] else "pdm"


def license_page(text: str) -> str:
    """Return the page of a Creative Commons licence that is stated with its version, else nothing."""
    code, version, certain = _stated(text)
    if page_code(text) != UNKNOWN:
        return text.strip()
    if code == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{code}/{version}/" if version and certain else ""


def with_code(candidate: Candidate) -> Candidate:
    """Return the candidate with the code of its licence, and the licence's page if it can be told.

    A page of Creative Commons is kept only with the code it states: it can't be taken for the licence later.
    """
    code = license_code(candidate.license, candidate.license_url)
    url = candidate.license_url.strip()
    if not re.match("https?://", url, re.I) or (_CC_TERMS.match(url) and code == UNKNOWN):
        url = ""
    stated = license_page(candidate.license) if code != UNKNOWN else ""
    if page_code(url) == UNKNOWN and page_code(candidate.license) != UNKNOWN:
        url = stated
    return replace(candidate, license=code, license_url=url or stated)


def _stated(text: str) -> tuple[str, str, bool]:
    """Return the code and the version a text states, and whether it alone is enough.

    "Attribution 2.0" is not: it is also the name of terms that are not of Creative Commons.
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
    found = _BY.fullmatch(words)
    if not found:
        return UNKNOWN, "", False
    code = _ordered(found["code"].split())
    number = (found["version"] or "").replace(" ", "/")  # a port has a page of its own
    version = "" if found["more"] else f"{number}.0" if len(number) == 1 else number
    return code, version, code != UNKNOWN and bool(found["cc"] or text.strip()[:2].lower() == "by")


def _ordered(parts: list[str]) -> str:
    """Return a code with its parts in their order; `unknown` for a combination that does not exist."""
    code = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    return code if code in CC_CODES and len(set(parts)) == len(parts) else UNKNOWN
