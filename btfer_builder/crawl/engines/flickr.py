"""Flickr's API: photos with licence and owner; photos tagged `no_cv` are opted out."""

import os
from collections.abc import Iterator
from urllib.parse import urlencode

from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import PageFeeder, PageParser, SearchEngine, SearchRequest
from btfer_builder.crawl.engines.json_utils import json_object, opt_out_reason, require_member, text_of
from btfer_builder.records import Candidate

#: Sizes in order of preference: the original may be hidden, and faces need no more than 2048 pixels. Flickr refuses
#: those above 1024 pixels of many photos: then `_SMALLER` are fetched.
_SIZES = ("url_k", "url_h", "url_l", "url_c", "url_z", "url_o", "url_m")
_SMALLER = ("url_l", "url_c", "url_z")
#: Licences by their numbers in flickr.photos.licenses.getInfo. 7 and 8 ("no known copyright restrictions", US
#: government work) state the public domain; 0 is all rights reserved.
LICENSES = {
    "1": "by-nc-sa 2.0", "2": "by-nc 2.0", "3": "by-nc-nd 2.0", "4": "by 2.0", "5": "by-sa 2.0", "6": "by-nd 2.0",
    "7": "no known copyright restrictions", "8": "United States government work", "9": "cc0", "10": "pdm",
    "11": "by 4.0", "12": "by-sa 4.0", "13": "by-nd 4.0", "14": "by-nc 4.0", "15": "by-nc-sa 4.0",
    "16": "by-nc-nd 4.0",
}  # fmt: skip
_CODES = {
    number: {"7": "pdm", "8": "pdm"}.get(number, name.partition(" ")[0]) for number, name in LICENSES.items()
}


class FlickrFeeder(PageFeeder):
    """Feed pages of a hundred results."""

    page_size = 100

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page of flickr.photos.search, pages counted from 1."""
        size = FlickrFeeder.page_size
        parameters = {
            "method": "flickr.photos.search",
            "api_key": os.environ.get("FLICKR_API_KEY", ""),
            "format": "json",
            "nojsoncallback": 1,
            "text": request.query,
            "sort": "relevance",
            "media": "photos",
            "content_types": 0,
            "safe_search": 1,
            "per_page": size,
            "page": first // size + 1,
            "extras": ",".join(["license", "owner_name", "tags", "machine_tags", *_SIZES]),
        }
        if request.license and "unknown" not in request.license:
            parameters["license"] = ",".join(
                number for number, code in _CODES.items() if code in request.license
            )
        return f"{base_url}?{urlencode(parameters)}"


class FlickrParser(PageParser):
    """Parse the API's JSON; `stat` is `ok` or an error."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the photos of a page that have at least one size."""
        answer = json_object(response.content)
        if answer.get("stat") != "ok":
            raise ValueError(f"the API says {str(answer.get('message') or answer)[:300]}")
        photos = require_member(answer, "photos", dict)
        self.last = require_member(photos, "pages", int) <= photos.get("page", 0)
        for photo in require_member(photos, "photo", list):
            url = next((text_of(photo.get(size)) for size in _SIZES if photo.get(size)), "")
            if not url:
                continue
            smaller = next((text_of(photo.get(size)) for size in _SMALLER if photo.get(size)), "")
            owner, number = text_of(photo.get("owner")), text_of(photo.get("id"))
            name, title = text_of(photo.get("ownername")), text_of(photo.get("title"))
            terms = LICENSES.get(str(photo.get("license")), "")
            tags = f"{text_of(photo.get('tags'))} {text_of(photo.get('machine_tags'))}".split()
            yield Candidate(
                rank=0,
                url=url,
                page_url=f"https://www.flickr.com/photos/{owner}/{number}" if owner and number else "",
                title=title,
                license=terms,
                creator=name or owner,
                attribution=", ".join(filter(None, [title, name, terms.upper(), "via Flickr"]))
                if terms
                else "",
                opt_out=opt_out_reason(tags),
                fallback_url=smaller if smaller != url else "",
            )


FLICKR = SearchEngine(
    "flickr",
    "https://api.flickr.com/services/rest/",
    FlickrFeeder,
    FlickrParser,
    limits=Limits(1.0),  # 3,600 requests an hour for one key
    reports_empty=True,
    states_license=True,
    key="FLICKR_API_KEY",
)
