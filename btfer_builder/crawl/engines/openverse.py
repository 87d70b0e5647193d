"""Openverse: some 800 million openly licensed pictures of Flickr, Wikimedia, museums, ... with all their terms."""

from collections.abc import Iterator
from urllib.parse import urlencode

from requests import Response

from btfer_builder.crawl.engines.base import Ask, PageFeeder, PageParser, SearchEngine
from btfer_builder.crawl.engines.json_utils import json_object, member, refusal, words
from btfer_builder.records import Candidate


class OpenverseFeeder(PageFeeder):
    """Pages of twenty, the most it gives without an account."""

    @staticmethod
    def page_url(base_url: str, ask: Ask, first: int) -> str:
        """Return the address of a page of `/v1/images/`, pages counted from 1."""
        size = OpenverseFeeder.page_size
        asked = {"q": ask.query[:200], "page": first // size + 1, "page_size": size}
        wanted = [code for code in ask.license if code != "unknown"]
        if wanted and "unknown" not in ask.license:
            asked["license"] = ",".join(wanted)
        return f"{base_url}?{urlencode(asked)}"


class OpenverseParser(PageParser):
    """Reads the API's JSON; `result_count: 0` is how it says that it has nothing."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page."""
        answer = json_object(response.content)
        member(answer, "result_count", int)
        self.last = member(answer, "page_count", int) <= answer.get("page", 0)
        for result in member(answer, "results", list):
            if isinstance(result, dict) and words(result.get("url")):
                version = words(result.get("license_version"))
                tags = result.get("tags")
                yield Candidate(
                    rank=0,
                    url=result["url"],
                    page_url=words(result.get("foreign_landing_url")),
                    title=words(result.get("title")),
                    license=f"{words(result.get('license'))} {version}".strip(),
                    license_url=words(result.get("license_url")),
                    creator=words(result.get("creator")),
                    attribution=words(result.get("attribution")),
                    # Its sources' own tags, Flickr's among them.
                    opt_out=refusal(_tag(tag) for tag in tags) if isinstance(tags, list) else "",
                )


def _tag(tag: object) -> str:
    return words(tag.get("name") if isinstance(tag, dict) else tag)


OPENVERSE = SearchEngine(
    "openverse",
    "https://api.openverse.org/v1/images/",
    OpenverseFeeder,
    OpenverseParser,
    pause=3.0,  # 20 requests a minute (and 200 a day) without an account
    token="OPENVERSE_TOKEN",  # noqa: S106 - the variable's name
    deepest=240,
    says_when_empty=True,
    states_license=True,
)
