"""Wikimedia Commons through its API: the original files, their terms out of `extmetadata`, and their SHA-1."""

from collections.abc import Iterator
from urllib.parse import urlencode

from requests import Response

from btfer_builder.crawl.engines.base import Ask, PageFeeder, PageParser, SearchEngine
from btfer_builder.crawl.engines.json_utils import json_object, member, plain, words
from btfer_builder.records import Candidate

_METADATA = ("LicenseShortName", "LicenseUrl", "Artist", "Attribution", "Credit", "ObjectName")


class WikimediaFeeder(PageFeeder):
    """Pages of fifty, the most it gives with metadata."""

    page_size = 50

    @staticmethod
    def page_url(base_url: str, ask: Ask, first: int) -> str:
        """Return the address of a page of a search among bitmap files.

        Commons can be asked for files without any condition and for those that only want their author named; for
        other choices of licences the values that come back decide.
        """
        words = [ask.query, "filetype:bitmap"]
        if ask.license and set(ask.license) <= {"cc0", "pdm"}:
            words.append("haslicense:unrestricted")
        elif set(ask.license) == {"by"}:
            words.append("haslicense:attribution")
        asked = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "generator": "search",
            "gsrsearch": " ".join(words),
            "gsrnamespace": 6,
            "gsrlimit": WikimediaFeeder.page_size,
            "gsroffset": first,
            "prop": "imageinfo",
            "iiprop": "url|sha1|extmetadata",
            "iiextmetadatafilter": "|".join(_METADATA),
        }
        return f"{base_url}?{urlencode(asked)}"


class WikimediaParser(PageParser):
    """Reads the API's JSON; an answer without `query` is how it says that it has nothing."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in the order of the search: they come in the order of their numbers."""
        answer = json_object(response.content)
        if "error" in answer:
            raise ValueError(f"the API says {str(answer['error'])[:300]}")
        self.last = "continue" not in answer
        if "query" not in answer:
            member(answer, "batchcomplete", bool)
            return
        pages = member(member(answer, "query", dict), "pages", list)
        for page in sorted(filter(_is_file, pages), key=lambda page: page["index"]):
            about = page["imageinfo"][0]
            said = about.get("extmetadata")
            told = {name: _value(said, name) for name in _METADATA}
            title = words(page.get("title")).removeprefix("File:")
            yield Candidate(
                rank=0,
                url=about["url"],
                page_url=words(about.get("descriptionurl")),
                title=told["ObjectName"] or title,
                license=told["LicenseShortName"],
                license_url=told["LicenseUrl"],
                creator=told["Artist"],
                attribution=told["Attribution"]
                or ", ".join(
                    filter(None, [title, told["Artist"], told["LicenseShortName"], "via Wikimedia Commons"])
                ),
                sha1=words(about.get("sha1")),
            )


def _is_file(page: object) -> bool:
    if not (isinstance(page, dict) and isinstance(page.get("index"), int)):
        return False
    about = page.get("imageinfo")
    return (
        isinstance(about, list)
        and bool(about)
        and isinstance(about[0], dict)
        and bool(words(about[0].get("url")))
    )


def _value(metadata: object, name: str) -> str:
    entry = metadata.get(name) if isinstance(metadata, dict) else None
    return plain(entry.get("value")) if isinstance(entry, dict) else ""


WIKIMEDIA = SearchEngine(
    "wikimedia",
    "https://commons.wikimedia.org/w/api.php",
    WikimediaFeeder,
    WikimediaParser,
    pause=1.0,
    says_when_empty=True,
    states_license=True,
)
