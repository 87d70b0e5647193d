"""Licences: the many ways an engine may state one, brought to the few codes of `recipe.LicenseCode`."""

import re
from dataclasses import replace

from btfer_builder.records import Candidate

UNKNOWN = "unknown"
#: The six Creative Commons licences.
CC_CODES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
_CC_PAGE = re.compile(
    r"^https?://(?:www\.)?creativecommons\.org/(?:licen[cs]es/([a-z-]+)|publicdomain/(zero|mark))(?:/|$)",
    re.I,
)
#: Long words and the short ones that stand for them.
_WORDS = (
    (r"creative[\s-]*commons", "cc"),
    (r"attribution", "by"),
    (r"non[\s-]*commercial", "nc"),
    (r"share[\s-]*alike", "sa"),
    (r"no[\s-]*deriv(?:ative)?s?(?:[\s-]*works)?", "nd"),
    (r"\b(?:licen[cs]e|international|unported|generic|public licen[cs]e)\b", " "),
)
_CC0 = re.compile(r"\bcc[\s-]*(?:0|zero)\b")
#: Statements that nothing is protected. A single country's (PD-US) counts too: its page, in license_url, says more.
_PUBLIC_DOMAIN = re.compile(
    r"public[\s-]*domain|^pdm\b|^pd\b|^no (?:known copyright )?restrictions|^no known copyright|"
    r"^united states government work"
)
_CODE = re.compile(
    r"(cc[\s-]+)?(by(?:[\s-]+(?:nc|nd|sa)){0,2})(?:[\s-]+v?(\d(?:\.\d)?)(?:[\s-]+[a-z]{2,3})?)?"
)


def license_code(text: str, url: str = "") -> str:
    """Return the code of a licence as an engine names it.

    Parameters
    ----------
    text
        Its name or code: `by-sa`, `CC BY-SA 4.0`, `Creative Commons Attribution`, `Public domain`, ...
    url
        Its page; one of creativecommons.org counts for more than the text.

    Returns
    -------
    str
        `cc0`, `pdm`, `by`, `by-sa`, `by-nc`, `by-nd`, `by-nc-sa`, `by-nc-nd`; or `unknown` where nothing is stated
        or something else is: all rights reserved, a licence for software, ...
    """
    if page := _CC_PAGE.match(url.strip()):
        if page[2]:
            return {"zero": "cc0", "mark": "pdm"}[page[2].lower()]
        if code := _ordered(page[1].lower()):
            return code
    return _stated(text)[0]


def license_page(text: str) -> str:
    """Return the page of a Creative Commons licence that is stated with its version, else nothing."""
    code, version = _stated(text)
    if code == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{code}/{version}/" if version else ""


def with_code(candidate: Candidate) -> Candidate:
    """Return the candidate with the code of its licence, and the licence's page if it can be told."""
    url = candidate.license_url if candidate.license_url.startswith(("http://", "https://")) else ""
    return replace(
        candidate,
        license=license_code(candidate.license, url),
        license_url=url or license_page(candidate.license),
    )


def _stated(text: str) -> tuple[str, str]:
    """Return the code and the version that a text states, each perhaps unknown."""
    words = " ".join(text.lower().replace("_", " ").split())
    if _CC0.search(words):
        return "cc0", ""
    if _PUBLIC_DOMAIN.search(words):
        return "pdm", ""
    short = words
    for pattern, word in _WORDS:
        short = re.sub(pattern, word, short)
    found = _CODE.fullmatch(" ".join(short.split()))
    # "Attribution" alone is also the name of terms that are not of Creative Commons.
    if found and (found[1] or words.startswith("by")):
        return _ordered(found[2]) or UNKNOWN, (found[3] or "") if _ordered(found[2]) else ""
    return UNKNOWN, ""


def _ordered(parts: str) -> str:
    """Return a code with its parts in their order; nothing for a combination that does not exist."""
    given = set(re.split(r"[\s-]+", parts))
    code = "-".join(part for part in ("by", "nc", "nd", "sa") if part in given)
    return code if code in CC_CODES and given <= {"by", "nc", "nd", "sa"} else ""
