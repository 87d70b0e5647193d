"""Wikimedia Commons' API: files with their licences and other rights (`extmetadata`), at a standard thumbnail size."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import (
    PageFeeder,
    PageParser,
    SearchEngine,
    SearchError,
    SearchRequest,
)
from btfer_builder.crawl.engines.json_utils import json_object, plain_text, require_member, text_of
from btfer_builder.records import Candidate

_METADATA = (
    "LicenseShortName",
    "LicenseUrl",
    "Artist",
    "Attribution",
    "Credit",
    "ObjectName",
    "Restrictions",
)
#: Width of the thumbnails that are fetched in place of larger originals: one of the steps that Wikimedia stores.
THUMBNAIL = 1280
#: An answer may come in so many parts.
MAX_PARTS = 20


class WikimediaFeeder(PageFeeder):
    """Feed pages of fifty results, the maximum with metadata."""

    page_size = 50

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page of a search for bitmap files.

        The search of Commons can be restricted to unrestricted files or to those that require attribution only; any
        other choice of licences is applied to the results.
        """
        terms = [request.query, "filetype:bitmap"]
        if request.license and set(request.license) <= {"cc0", "pdm"}:
            terms.append("haslicense:unrestricted")
        elif set(request.license) == {"by"}:
            terms.append("haslicense:attribution")
        parameters = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "generator": "search",
            "gsrsearch": " ".join(terms),
            "gsrnamespace": 6,
            "gsrlimit": WikimediaFeeder.page_size,
            "gsroffset": first,
            "prop": "imageinfo",
            "iiprop": "url|size|sha1|extmetadata",
            "iiurlwidth": THUMBNAIL,
            "iiextmetadatafilter": "|".join(_METADATA),
        }
        return f"{base_url}?{urlencode(parameters)}"


class WikimediaParser(PageParser):
    """Parse the API's JSON; a response without `query` means no results."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in the order of the search; the API orders them by page number."""
        answer = _answer(response)
        pages = _merged({}, answer)
        for _ in range(MAX_PARTS):
            if "batchcomplete" in answer or not isinstance(answer.get("continue"), dict):
                break
            # Properties of some files are missing: the same search, from there on.
            rest = {name: value for name, value in answer["continue"].items() if isinstance(value, str | int)}
            answer = _answer(self.session.get(f"{response.url}&{urlencode(rest)}", timeout=15))
            pages = _merged(pages, answer)
        self.last = "continue" not in answer
        if not pages:
            require_member(answer, "batchcomplete", bool)
        for page in sorted(filter(_is_file, pages.values()), key=lambda page: page["index"]):
            info = page["imageinfo"][0]
            large = isinstance(info.get("width"), int) and info["width"] > THUMBNAIL
            thumbnail = text_of(info.get("thumburl")) if large else ""
            values = {name: _value(info.get("extmetadata"), name) for name in _METADATA}
            rights = filter(None, (word.strip() for word in values["Restrictions"].lower().split("|")))
            title = text_of(page.get("title")).removeprefix("File:")
            yield Candidate(
                rank=0,
                url=thumbnail or info["url"],
                page_url=text_of(info.get("descriptionurl")),
                title=values["ObjectName"] or title,
                license=values["LicenseShortName"],
                license_url=values["LicenseUrl"],
                creator=values["Artist"],
                attribution=values["Attribution"]
                or ", ".join(
                    filter(
                        None, [title, values["Artist"], values["LicenseShortName"], "via Wikimedia Commons"]
                    )
                ),
                sha1="" if thumbnail else text_of(info.get("sha1")),
                restrictions="|".join(rights),
            )


def _answer(response: Response) -> dict[str, Any]:
    if response.status_code != 200:
        raise SearchError(f"HTTP {response.status_code} from {response.url}")
    answer = json_object(response.content)
    if "error" in answer:
        raise ValueError(f"the API says {str(answer['error'])[:300]}")
    return answer


def _merged(pages: dict[object, dict[str, Any]], answer: dict[str, Any]) -> dict[object, dict[str, Any]]:
    """Return the files of earlier parts with those, and the properties, of another part."""
    if "query" not in answer:
        return pages
    found = require_member(require_member(answer, "query", dict), "pages", list)
    merged = dict(pages)
    for number, page in enumerate(found):
        if isinstance(page, dict):
            key = page.get("pageid") if isinstance(page.get("pageid"), int) else f"{len(pages)}.{number}"
            merged[key] = {**merged.get(key, {}), **page}
    return merged


def _is_file(page: object) -> bool:
    if not (isinstance(page, dict) and isinstance(page.get("index"), int)):
        return False
    info = page.get("imageinfo")
    return (
        isinstance(info, list)
        and bool(info)
        and isinstance(info[0], dict)
        and bool(text_of(info[0].get("url")))
    )


def _value(metadata: object, name: str) -> str:
    entry = metadata.get(name) if isinstance(metadata, dict) else None
    return plain_text(entry.get("value")) if isinstance(entry, dict) else ""


WIKIMEDIA = SearchEngine(
    "wikimedia",
    "https://commons.wikimedia.org/w/api.php",
    WikimediaFeeder,
    WikimediaParser,
    limits=Limits(1.0),
    serial=True,
    needs_contact=True,
    all_words=True,
    reports_empty=True,
    states_license=True,
)
