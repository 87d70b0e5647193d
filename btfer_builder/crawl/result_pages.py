"""Ask an engine for a result page: at its pace, again when it is busy, within bounds, and never a private host."""

import io
import math
import re
import threading
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from icrawler.utils import ProxyPool, Session, Signal

from btfer_builder.crawl.rate_limit import RateLimiter, backoff, retry_after
from btfer_builder.crawl.ssrf_guard import resolves_publicly

#: How often an engine is asked for a page that does not come, or comes with 429 or an error of the engine's own.
PAGE_TRIES = 3
#: Largest result page, in bytes; Bing's have some hundred thousand.
PAGE_BYTES = 20_000_000
_SECRETS = re.compile(r"(?i)\b(api_key=|bearer )[^&\s'\")]+")


def without_keys(text: str) -> str:
    """Return a text, an error's say, in which no key or token can be read."""
    return _SECRETS.sub(r"\1…", text)


class PageSession(Session):  # type: ignore[misc]  # icrawler is untyped
    """Keeps the connection to one engine and ends a search when a page does not come; icrawler would go on.

    Parameters
    ----------
    headers
        Of every request.
    pace
        Shared by all sessions that ask the engine.
    stop
        Set by the caller to give up.
    max_wait
        Seconds the engine may ask to wait.
    gentle
        Whether the engine is somebody else's, to be spared; on loopback tries follow each other at once.
    """

    def __init__(
        self,
        headers: dict[str, str],
        pace: RateLimiter,
        stop: threading.Event,
        *,
        max_wait: float = 120.0,
        gentle: bool = True,
    ) -> None:
        super().__init__(ProxyPool())
        self.trust_env = False  # no passwords out of ~/.netrc, no detours
        self.max_redirects = 5
        self.headers.update(headers)
        self.pace = pace
        self.stop = stop
        self.max_wait = max_wait
        self.gentle = gentle
        self.stuck = False  # a thread still sits in a read of it
        self.asked_at = math.inf  # when the request under way was sent
        self.asked_pause: float | None = None  # what the last answer asked for
        self.failure: Exception | None = None
        self.signal = Signal()
        self.base_url = ""

    def begin(self, signal: Signal, base_url: str) -> None:
        """Begin a search: nothing of the last one stays but the connection."""
        self.signal, self.base_url = signal, base_url
        self.failure, self.asked_pause = None, None
        self.cookies.clear()

    def get(self, url: str, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - icrawler's own
        """Return the answer, whatever its status; an exception is kept in `failure` and ends the search."""
        for attempt in range(PAGE_TRIES):
            self.pace.wait(self.stop)
            if self._given_up():
                break
            try:
                self.asked_at = time.monotonic()
                response = self._whole(super().get(url, stream=True, **kwargs))
            except Exception as error:
                self.failure, pause = error, None
            else:
                self.failure = None
                self.asked_pause = pause = retry_after(response.headers.get("Retry-After"))
                busy = response.status_code == 429 or response.status_code >= 500
                if not busy or attempt == PAGE_TRIES - 1 or (pause or 0) > self.max_wait:
                    return response
            finally:
                self.asked_at = math.inf
            self.pace.pause(backoff(attempt, loopback=not self.gentle) if pause is None else pause)
        self.signal.set(reach_max_num=True)
        raise ConnectionError(url) from self.failure

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer redirects to, unless that is a private address which is not the engine itself."""
        target: str | None = super().get_redirect_target(resp)
        if target:
            host = urlsplit(urljoin(resp.url, target)).hostname or ""
            if host != urlsplit(self.base_url).hostname and not resolves_publicly(host):
                raise requests.exceptions.InvalidURL(f"redirected to {host}, which has no public address")
        return target

    def _given_up(self) -> bool:
        return self.stop.is_set() or bool(self.signal.get("reach_max_num"))

    def _whole(self, response: requests.Response) -> requests.Response:
        """Read the body up to a limit and hand the response on as if it were fresh."""
        body = io.BytesIO()
        with response:
            for chunk in response.raw.stream(1 << 16, decode_content=True):
                body.write(chunk)
                if body.tell() > PAGE_BYTES:
                    raise ValueError(f"{response.url} is larger than {PAGE_BYTES} bytes")
                if self._given_up():
                    raise TimeoutError(f"{response.url} came too late")
        body.seek(0)
        response.raw = body
        return response
