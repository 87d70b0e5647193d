"""Request result pages of an engine: rate-limited, with retries, bounded in size, and never from private hosts."""

import io
import math
import re
import threading
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from icrawler.utils import ProxyPool, Session, Signal

from btfer_builder.crawl.engine_access import BudgetSpentError, EngineAccess, TokenError
from btfer_builder.crawl.rate_limit import backoff, retry_after
from btfer_builder.crawl.ssrf_guard import resolves_publicly

#: Tries of a page without an answer, or with 429 or a server error.
PAGE_TRIES = 3
#: Largest result page in bytes; Bing's have some hundred thousand.
PAGE_BYTES = 20_000_000
_SECRETS = re.compile(r"(?i)\b(api_key=|client_secret=|bearer )[^&\s'\")]+")


def without_keys(text: str) -> str:
    """Return a text, such as an error message, with keys and tokens masked."""
    return _SECRETS.sub(r"\1…", text)


class PageSession(Session):  # type: ignore[misc]  # icrawler is untyped
    """Connection to one engine. It ends a search when a page fails, where icrawler would continue.

    Parameters
    ----------
    headers
        Headers of every request.
    access
        Limits and credentials, shared by all sessions of the engine.
    stop
        Set by the caller to stop.
    max_wait
        Longest pause in seconds that the engine may ask for.
    gentle
        Whether to wait between tries; not needed on loopback.
    referer
        Whether to send the `Referer` of icrawler: web pages may expect it, APIs have no use for it.
    """

    def __init__(
        self,
        headers: dict[str, str],
        access: EngineAccess,
        stop: threading.Event,
        *,
        max_wait: float = 120.0,
        gentle: bool = True,
        referer: bool = False,
    ) -> None:
        super().__init__(ProxyPool())
        self.trust_env = False  # no passwords of ~/.netrc, no proxies
        self.max_redirects = 5
        self.headers.update(headers)
        self.access = access
        self.auth = access.credentials
        self.stop = stop
        self.max_wait = max_wait
        self.gentle = gentle
        self.referer = referer
        self.stuck = False  # a thread still waits for a read
        self.sent_at = math.inf  # time of the request in progress
        self.requested_pause: float | None = None  # of the last response
        self.failure: Exception | None = None
        self.signal = Signal()
        self.base_url = ""

    def begin(self, signal: Signal, base_url: str) -> None:
        """Begin a search; only the connection remains from the last one."""
        self.signal, self.base_url = signal, base_url
        self.failure, self.requested_pause = None, None
        self.cookies.clear()

    def get(self, url: str, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - icrawler's own
        """Return the response with any status; an exception is stored in `failure` and ends the search."""
        if not self.referer:
            kwargs.pop("headers", None)
        for attempt in range(PAGE_TRIES):
            self.access.limiter.wait(self.stop)
            if self._stopped():
                break
            try:
                self.access.take()
                self.sent_at = time.monotonic()
                response = self._read(super().get(url, stream=True, **kwargs))
            except (BudgetSpentError, TokenError) as error:
                self.failure = error
                break
            except Exception as error:
                self.failure, pause = error, None
            else:
                self.failure = None
                self.requested_pause = pause = retry_after(response.headers.get("Retry-After"))
                if response.status_code == 401 and not attempt and self.auth and self.auth.expire():
                    continue  # once more, with a new token
                if response.status_code == 200:
                    self.access.learn(response.headers)
                busy = response.status_code == 429 or response.status_code >= 500
                if not busy or attempt == PAGE_TRIES - 1 or (pause or 0) > self.max_wait:
                    return response
            finally:
                self.sent_at = math.inf
            self.access.limiter.pause(backoff(attempt, loopback=not self.gentle) if pause is None else pause)
        self.signal.set(reach_max_num=True)
        raise ConnectionError(url) from self.failure

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the target of a redirect; a private address other than the engine itself is an error."""
        target: str | None = super().get_redirect_target(resp)
        if target:
            host = urlsplit(urljoin(resp.url, target)).hostname or ""
            if host != urlsplit(self.base_url).hostname and not resolves_publicly(host):
                raise requests.exceptions.InvalidURL(f"redirected to {host}, which has no public address")
        return target

    def _stopped(self) -> bool:
        return self.stop.is_set() or bool(self.signal.get("reach_max_num"))

    def _read(self, response: requests.Response) -> requests.Response:
        """Read the body up to a limit, and return the response with it."""
        body = io.BytesIO()
        with response:
            for chunk in response.raw.stream(1 << 16, decode_content=True):
                body.write(chunk)
                if body.tell() > PAGE_BYTES:
                    raise ValueError(f"{response.url} is larger than {PAGE_BYTES} bytes")
                if self._stopped():
                    raise TimeoutError(f"{response.url} came too late")
        body.seek(0)
        response.raw = body
        return response
