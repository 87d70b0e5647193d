"""Openverse's API: some 800 million openly licensed pictures of Flickr, Wikimedia, museums, ..."""

from collections.abc import Iterator
from urllib.parse import urlencode

from requests import Response

from btfer_builder.crawl.engine_access import Account, Limits
from btfer_builder.crawl.engines.base import PageFeeder, PageParser, SearchEngine, SearchRequest
from btfer_builder.crawl.engines.json_utils import json_object, opt_out_reason, require_member, text_of
from btfer_builder.records import Candidate


class OpenverseFeeder(PageFeeder):
    """Feed pages of twenty results, the maximum without an account."""

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page of `/v1/images/`, pages counted from 1."""
        size = OpenverseFeeder.page_size
        parameters = {"q": request.query[:200], "page": first // size + 1, "page_size": size}
        codes = [code for code in request.license if code != "unknown"]
        if codes and "unknown" not in request.license:
            parameters["license"] = ",".join(codes)
        return f"{base_url}?{urlencode(parameters)}"


class OpenverseParser(PageParser):
    """Parse the API's JSON; `result_count: 0` means no results."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page."""
        answer = json_object(response.content)
        require_member(answer, "result_count", int)
        self.last = require_member(answer, "page_count", int) <= answer.get("page", 0)
        for result in require_member(answer, "results", list):
            if isinstance(result, dict) and text_of(result.get("url")):
                version = text_of(result.get("license_version"))
                tags = result.get("tags")
                yield Candidate(
                    rank=0,
                    url=result["url"],
                    page_url=text_of(result.get("foreign_landing_url")),
                    title=text_of(result.get("title")),
                    license=f"{text_of(result.get('license'))} {version}".strip(),
                    license_url=text_of(result.get("license_url")),
                    creator=text_of(result.get("creator")),
                    attribution=text_of(result.get("attribution")),
                    # Tags of the sources, for example Flickr's.
                    opt_out=opt_out_reason(_tag(tag) for tag in tags) if isinstance(tags, list) else "",
                )


def _tag(tag: object) -> str:
    return text_of(tag.get("name") if isinstance(tag, dict) else tag)


OPENVERSE = SearchEngine(
    "openverse",
    "https://api.openverse.org/v1/images/",
    OpenverseFeeder,
    OpenverseParser,
    limits=Limits(3.0, 200),  # 20 a minute and 200 a day without an account; 100 and 10,000 with one
    account=Account(
        token="OPENVERSE_TOKEN",  # noqa: S106 - the variable's name
        client_id="OPENVERSE_CLIENT_ID",
        client_secret="OPENVERSE_CLIENT_SECRET",  # noqa: S106 - the variable's name
        token_url="https://api.openverse.org/v1/auth_tokens/token/",  # noqa: S106 - an address
        header="x-ov-client-application-name",
        limits=Limits(0.63, 10_000),
    ),
    all_words=True,
    max_results=240,
    reports_empty=True,
    states_license=True,
)
