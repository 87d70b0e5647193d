"""What a host allows: its robots.txt, asked for once, and the headers that come before a file."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDictProxy
from protego import Protego

from btfer_builder.crawl.failures import failed
from btfer_builder.crawl.temp_file import beginning

#: The name robots.txt files and X-Robots-Tag headers may call us by.
PRODUCT = "btfer-builder"
#: RFC 9309 asks for at least 500 KiB to be read.
ROBOTS_BYTES = 512 * 1024
ROBOTS_SECONDS = 10.0
NO_INDEX = {"noai", "noimageai", "noindex", "noimageindex", "none"}
#: Directives of X-Robots-Tag that have a value after a colon; any other word before a colon is a robot's name.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}

#: Why a file must not be asked for, and more words on it.
Refusal = tuple[str, str]


def header_refusal(headers: CIMultiDictProxy[str]) -> Refusal | None:
    """Return why the headers of an answer forbid to use its body, if they do.

    Parameters
    ----------
    headers
        Of the answer; `X-Robots-Tag` (noai, noimageai, noindex, noimageindex, none; for all robots or for us by
        name) and `tdm-reservation: 1` (the W3C community group's TDM Reservation Protocol).

    Returns
    -------
    (str, str) or None
        The reason (`noai` or `tdm_reserved`), and the header.
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
    """The robots.txt of every host met, each fetched once.

    Parameters
    ----------
    session
        Asks; it refuses private addresses by itself, at every redirect.
    on_delay
        Told the host and the seconds when a file asks for a delay between two requests.
    """

    def __init__(
        self, session: aiohttp.ClientSession, on_delay: Callable[[str, float], None] | None = None
    ) -> None:
        self.session = session
        self.on_delay = on_delay or (lambda _host, _seconds: None)
        self._files: dict[str, asyncio.Task[Protego | Refusal]] = {}

    async def refusal(self, url: str) -> Refusal | None:
        """Return why robots.txt forbids an address, if it does.

        One that the host cannot give (500 and above, 429) forbids everything, as RFC 9309 asks, for this crawl; one
        that is not there (any other 4xx) allows everything.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if origin not in self._files:
            self._files[origin] = asyncio.create_task(self._fetch(origin))
        rules = await asyncio.shield(self._files[origin])  # others wait for it, too
        if not isinstance(rules, Protego):
            return rules
        return None if rules.can_fetch(url, PRODUCT) else ("robots", f"{origin}/robots.txt")

    async def close(self) -> None:
        """Give up what is still on the way."""
        for task in self._files.values():
            task.cancel()
        await asyncio.gather(*self._files.values(), return_exceptions=True)

    async def _fetch(self, origin: str) -> Protego | Refusal:
        url = f"{origin}/robots.txt"
        try:
            async with (
                asyncio.timeout(ROBOTS_SECONDS),
                self.session.get(url, headers={"Accept": "text/plain"}, max_redirects=5) as answer,
            ):
                if answer.status == 429:
                    return "busy", f"{url}: HTTP 429"
                if answer.status >= 500:
                    return "busy" if answer.status == 503 else "server_error", f"{url}: HTTP {answer.status}"
                content = await beginning(answer, ROBOTS_BYTES) if answer.status == 200 else b""
                answer.close()
            text = content.decode("utf-8", "replace").removeprefix("\ufeff")
            rules = await asyncio.to_thread(Protego.parse, text)
        except aiohttp.TooManyRedirects:
            rules = Protego.parse("")  # RFC 9309: as if it were not there
        except Exception as error:
            failure = failed(error)
            if failure.reason == "bad_url" and isinstance(error, aiohttp.RedirectClientError):
                failure.reason = "unreachable"  # its mistake is none in the address that is asked for
            return failure.reason, f"{url}: {failure.detail}"[:500]
        if delay := rules.crawl_delay(PRODUCT):
            self.on_delay(urlsplit(url).netloc, delay)
        return rules
