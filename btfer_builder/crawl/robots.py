"""What a host permits: its robots.txt, fetched once, and the headers of its responses."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDictProxy
from protego import Protego

from btfer_builder.crawl.failures import status_reason, to_fetch_error
from btfer_builder.crawl.response_body import read_start
from btfer_builder.crawl.urls import request_url

#: Our name in robots.txt files and X-Robots-Tag headers.
PRODUCT = "btfer-builder"
#: RFC 9309 requires at least 500 KiB.
ROBOTS_BYTES = 512 * 1024
ROBOTS_SECONDS = 10.0
NO_INDEX = {"noai", "noimageai", "noindex", "noimageindex", "none"}
#: Directives of X-Robots-Tag with a value after a colon; any other word before a colon is the name of a robot.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}

#: Reason why a file must not be fetched, and a detail.
Refusal = tuple[str, str]


def header_refusal(headers: CIMultiDictProxy[str]) -> Refusal | None:
    """Return why the headers of a response forbid the use of its body, or None.

    Parameters
    ----------
    headers
        Headers of the response: `X-Robots-Tag` (noai, noimageai, noindex, noimageindex, none; for all robots or for
        our name) and `tdm-reservation: 1` (TDM Reservation Protocol of the W3C community group).

    Returns
    -------
    (str, str) or None
        Reason (`noai` or `tdm_reserved`) and header.
    """
    for value in headers.getall("X-Robots-Tag", ()):
        agent = ""
        for part in value.lower().split(","):
            name, colon, rest = part.strip().partition(":")
            if colon and name.strip() not in _VALUED:
                agent, directive = name.strip(), rest.strip()
            else:
                directive = part.strip()
            if agent in {"", "*", PRODUCT} and directive in NO_INDEX:
                return "noai", f"X-Robots-Tag: {value[:200]}"
    if headers.get("tdm-reservation", "").strip() == "1":
        return "tdm_reserved", f"tdm-reservation: 1, {headers.get('tdm-policy', 'no policy')[:200]}"
    return None


class Robots:
    """The robots.txt files of all hosts, each fetched once.

    Parameters
    ----------
    session
        HTTP session; it refuses private addresses, also after redirects.
    on_delay
        Called with the host and the seconds when a file has a `Crawl-delay`.
    """

    def __init__(
        self, session: aiohttp.ClientSession, on_delay: Callable[[str, float], None] | None = None
    ) -> None:
        self.session = session
        self.on_delay = on_delay or (lambda _host, _seconds: None)
        self._files: dict[str, asyncio.Task[Protego | Refusal]] = {}

    async def refusal(self, url: str) -> Refusal | None:
        """Return why robots.txt forbids an address, or None.

        As in RFC 9309, a file that is not available (5xx, 429) forbids everything for this crawl, and a file that does
        not exist (any other 4xx) allows everything.
        """
        origin = str(request_url(url).origin())
        if origin not in self._files:
            self._files[origin] = asyncio.create_task(self._fetch(origin))
        rules = await asyncio.shield(self._files[origin])  # other files wait for it, too
        if not isinstance(rules, Protego):
            return rules
        return None if rules.can_fetch(url, PRODUCT) else ("robots", f"{origin}/robots.txt")

    async def close(self) -> None:
        """Cancel pending requests."""
        for task in self._files.values():
            task.cancel()
        await asyncio.gather(*self._files.values(), return_exceptions=True)

    async def _fetch(self, origin: str) -> Protego | Refusal:
        url = f"{origin}/robots.txt"
        try:
            async with (
                asyncio.timeout(ROBOTS_SECONDS),
                self.session.get(url, headers={"Accept": "text/plain"}, max_redirects=5) as response,
            ):
                if response.status == 429 or response.status >= 500:
                    return status_reason(response.status), f"{url}: HTTP {response.status}"
                content = await read_start(response, ROBOTS_BYTES) if response.status in {200, 203} else b""
                response.close()
            text = content.decode("utf-8", "replace").removeprefix("\ufeff")
            rules = await asyncio.to_thread(Protego.parse, text)
        except aiohttp.TooManyRedirects:
            rules = Protego.parse("")  # RFC 9309: treated as missing
        except Exception as error:
            failure = to_fetch_error(error)
            if failure.reason == "bad_url" and isinstance(error, aiohttp.RedirectClientError):
                failure.reason = "unreachable"  # the redirect is wrong, not the requested address
            return failure.reason, f"{url}: {failure.detail}"[:500]
        if delay := rules.crawl_delay(PRODUCT):
            self.on_delay(urlsplit(url).netloc, delay)
        return rules
