"""The forms in which engines answer a search: what a request asks for, and a page of results as each writes it.

A result is a table with any of murl (the picture), purl (its page), t (its title), license (a code), version, creator,
attribution, sha1, tags.
"""

import html
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Results = Sequence[dict[str, Any]]


class Form(NamedTuple):
    """Where an engine is asked here, how its requests are read, and how its pages are written."""

    path: str
    size: int
    content_type: str
    asked: Callable[[dict[str, list[str]]], tuple[str, int]]
    page: Callable[[Results, int, int], bytes]


def results_page(results: Results, _first: int = 0, _total: int = 0) -> bytes:
    """Return a page in the form of Bing's."""
    items = []
    for result in results:
        told = html.escape(json.dumps(result))
        # Cards are in divisions of several classes.
        card = "imgpt" if len(items) % 2 else "richcard"
        items.append(f'<div class="{card}"><a class="iusc" m="{told}" href="#"></a></div>')
    return f"<html><body>{''.join(items)}</body></html>".encode()


def openverse_page(results: Results, first: int = 0, total: int = 0) -> bytes:
    found = [
        {
            "id": f"00000000-0000-0000-0000-{number:012}",
            "title": result.get("t"),
            "foreign_landing_url": result.get("purl"),
            "url": result.get("murl"),
            "creator": result.get("creator"),
            "creator_url": None,
            "license": result.get("license", "by"),
            "license_version": result.get("version", "2.0"),
            "license_url": result.get("license_url", "https://creativecommons.org/licenses/by/2.0/"),
            "tags": [
                {"name": tag, "accuracy": None} for tag in str(result.get("tags", "woman smile")).split(",")
            ],
            "provider": "flickr",
            "source": "flickr",
            "attribution": result.get("attribution"),
            "mature": False,
        }
        for number, result in enumerate(results, first)
    ]
    pages = -(-total // 20)
    return json.dumps(
        {
            "result_count": total,
            "page_count": pages,
            "page_size": 20,
            "page": first // 20 + 1,
            "results": found,
        }
    ).encode()


def wikimedia_page(results: Results, first: int = 0, total: int = 0) -> bytes:
    pages = []
    for index, result in enumerate(results, first + 1):
        metadata = {
            "LicenseShortName": result.get("license", "CC BY-SA 4.0"),
            "LicenseUrl": result.get("license_url", "https://creativecommons.org/licenses/by-sa/4.0"),
            "Artist": result.get("creator", '<a href="//x">Ana &amp; Bo</a>'),
            "ObjectName": result.get("t"),
            "Restrictions": result.get("restrictions"),
        }
        about = {
            "url": result.get("murl"),
            "width": result.get("width", 800),
            "thumburl": result.get("thumb", result.get("murl")),
            "descriptionurl": result.get("purl"),
            "sha1": result.get("sha1"),
            "extmetadata": {
                name: {"value": value, "source": "x"} for name, value in metadata.items() if value
            },
        }
        pages.append(
            {
                "pageid": 10_000 - index,
                "ns": 6,
                "title": f"File:{index}.jpg",
                "index": index,
                "imageinfo": [about],
            }
        )
    answer: dict[str, Any] = {"batchcomplete": True}
    if pages:
        answer["query"] = {"pages": sorted(pages, key=lambda page: page["pageid"])}
    if first + 50 < total:
        answer["continue"] = {"gsroffset": first + 50, "continue": "gsroffset||"}
    return json.dumps(answer).encode()


def flickr_page(results: Results, first: int = 0, total: int = 0) -> bytes:
    photos = [
        {
            "id": str(number),
            "owner": "12@N01",
            "ownername": result.get("creator", "Ana"),
            "title": result.get("t"),
            "license": result.get("license", "4"),
            "tags": result.get("tags", "woman smile"),
            "machine_tags": "",
            "url_k": result.get("murl"),
            "url_l": result.get("small", result.get("murl")),
        }
        for number, result in enumerate(results, first)
    ]
    about = {
        "page": first // 100 + 1,
        "pages": -(-total // 100),
        "perpage": 100,
        "total": total,
        "photo": photos,
    }
    return json.dumps({"photos": about, "stat": "ok"}).encode()


def google_page(results: Results, _first: int = 0, _total: int = 0) -> bytes:
    """Return a page whose script holds, for each result, a thumbnail, the picture with its sides, and its source."""
    entries = []
    for number, result in enumerate(results):
        about = {
            "2000": [None, "pages.example", "45KB"],
            "2003": [None, f"ref{number}", result.get("purl"), result.get("t"), None],
        }
        thumbnail = [f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{number}.jpg", 225, 225]
        entries.append(
            [
                1,
                [
                    0,
                    f"doc{number}",
                    thumbnail,
                    [result.get("murl"), 480, 640],
                    None,
                    0,
                    "rgb(1,2,3)",
                    None,
                    0,
                    about,
                ],
            ]
        )
    data = json.dumps(entries, separators=(",", ":")).replace("=", "\\u003d").replace("&", "\\u0026")
    script = f"AF_initDataCallback({{key: 'ds:1', data:{data}, sideChannel: {{}}}});" if results else "var x;"
    return f"<html><head><script nonce='x'>{script}</script></head><body></body></html>".encode()


def baidu_page(results: Results, first: int = 0, total: int = 0) -> bytes:
    """Return Baidu's JSON: addresses encoded, titles with markup, an empty entry at the end."""
    data = [
        {
            "objURL": baidu_code(str(result.get("murl"))),
            "hoverURL": "https://copies.example/large.jpg",
            "fromURL": baidu_code(str(result.get("purl"))),
            "fromPageTitle": f"<strong>{result.get('t')}</strong>",
        }
        for result in results
    ]
    return json.dumps({"queryEnc": "x", "listNum": total, "displayNum": total, "data": [*data, {}]}).encode()


def baidu_code(url: str) -> str:
    """Encode an address as Baidu does."""
    plain = "abcdefghijklmnopqrstuvw1234567890"
    coded = "wkv1ju2it3hs4g5rq6fp7eo8dn9cm0bla"
    table = dict(zip(plain, coded, strict=True))
    for sign, code in ((":", "_z2C$q"), (".", "_z&e3B"), ("/", "AzdH3F")):
        table[sign] = code
    return "".join(table.get(letter, letter) for letter in url)


def _by(
    query: str, first: str, *, size: int = 1, base: int = 0
) -> Callable[[dict[str, list[str]]], tuple[str, int]]:
    return lambda asked: (asked[query][0], (int(asked[first][0]) - base) * size)


FORMS = {
    "bing": Form("/images/async", 20, "text/html; charset=utf-8", _by("q", "first", base=1), results_page),
    "openverse": Form("/v1/images/", 20, "application/json", _by("q", "page", size=20, base=1), openverse_page),
    "wikimedia": Form(
        "/w/api.php", 50, "application/json",
        lambda asked: (asked["gsrsearch"][0].partition(" filetype:")[0], int(asked["gsroffset"][0])), wikimedia_page,
    ),
    "flickr": Form("/services/rest/", 100, "application/json", _by("text", "page", size=100, base=1), flickr_page),
    "google": Form("/search", 100, "text/html; charset=utf-8", _by("q", "start"), google_page),
    "baidu": Form("/search/acjson", 30, "application/json", _by("word", "pn"), baidu_page),
}  # fmt: skip
