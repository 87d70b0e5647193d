"""Fetch one file within limits of time and size, check that it is an image, and name it by its SHA-256."""

import asyncio
import hashlib
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from btfer_builder import __version__
from btfer_builder.catalog.catalog import now
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.failures import FetchError, status_reason, storable, to_fetch_error
from btfer_builder.crawl.rate_limit import retry_after, user_agent
from btfer_builder.crawl.response_body import (
    decompressed,
    is_known_encoding,
    read_local,
    read_start,
    whole_range,
)
from btfer_builder.crawl.robots import Robots, header_refusal
from btfer_builder.crawl.ssrf_guard import GuardedResolver, guarded_sockets
from btfer_builder.crawl.temp_file import TempFile, cannot_write, images_folder
from btfer_builder.crawl.urls import redirect_url, request_url
from btfer_builder.images.decode import Undecodable, open_image
from btfer_builder.images.formats import FORMATS, START
from btfer_builder.io.storage import Root
from btfer_builder.records import Fetch, Image

MAX_REDIRECTS = 5
#: Statuses whose body is the file: OK, and OK from a proxy that may have changed it.
ANSWERS = {200, 203}
#: Bytes of a body that are buffered.
READ_BUFFER = 1 << 18
#: Bytes of a web page that are read.
PAGE_BYTES = 2_000_000
#: Host names, underscores included, and IPv6 addresses.
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?|[0-9a-f]*:[0-9a-f:.]*(?:%[a-z0-9]+)?", re.I)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Longest header line in bytes.
HEADER_LINE = 1 << 15


class Fetched(NamedTuple):
    """Outcome of a URL.

    Parameters
    ----------
    fate
        Outcome as it is stored.
    image
        The image, if there is one.
    pause
        Seconds that the host asks to wait, if any.
    answered
        Whether the host answered at all, if only with something malformed.
    file
        The temporary file of the image: the caller places it (see `temp_file.place`) or discards it.
    """

    fate: Fetch
    image: Image | None
    pause: float | None = None
    answered: bool = True
    file: TempFile | None = None


class Page(NamedTuple):
    """Text of a web page, or the reason why it could not be read."""

    text: str
    reason: str = ""


@dataclass(frozen=True)
class Fetcher:
    """Fetch files into temporary files in `root/data/images`; create it with `open_fetcher`, and close it."""

    root: Root
    recipe: CrawlRecipe
    session: aiohttp.ClientSession
    robots: Robots

    async def fetch(self, url: str, language: str = "", *, local: bool = False, sha1: str = "") -> Fetched:
        """Fetch a URL and return its outcome, and the image if there is one. A bad URL or host raises no error.

        Parameters
        ----------
        url
            An http or https URL; with `local`, a file: URL given by the user.
        language
            Language of the query, sent as `Accept-Language`.
        local
            Whether local files may be read.
        sha1
            SHA-1 of the file according to the engine, 40 hex digits; another file is dropped.

        Raises
        ------
        BtferError
            If the disk is full or cannot be written.
        """
        answer = Fetch(url, fetched_at=now())
        temp_file, size, image = TempFile(images_folder(self.root)), 0, None
        try:
            digest, check = hashlib.sha256(), hashlib.sha1(usedforsecurity=False) if sha1 else None
            async with (
                asyncio.timeout(self.recipe.timeout),
                aclosing(self._chunks(url, language, local)) as chunks,
            ):
                async for latest, chunk in chunks:
                    answer = latest
                    size += len(chunk)
                    if size > self.recipe.max_bytes:
                        raise FetchError("too_big", f"more than {self.recipe.max_bytes} bytes")
                    digest.update(chunk)
                    if check:
                        check.update(chunk)
                    temp_file.write(chunk)
            if check and check.hexdigest() != sha1.lower():
                raise FetchError("other_file", f"its SHA-1 is {check.hexdigest()}, not {sha1}")
            file_format = self._format(temp_file, answer.detail)
            image_id = digest.hexdigest()
            path = f"data/images/{image_id[:2]}/{image_id}.{FORMATS[file_format]}"
            outcome = replace(answer, image_id=image_id, bytes=size, detail="")
            image = Image(image_id, path, file_format, size)
            return Fetched(outcome, image, file=temp_file)
        except FetchError as error:
            outcome = replace(answer, reason=error.reason, detail=error.detail, bytes=size)
            silent = error.reason in {"unreachable", "timeout"} and answer.http_status is None
            return Fetched(outcome, None, error.pause, answered=error.malformed or not silent)
        except TimeoutError:
            outcome = replace(answer, reason="timeout", detail=f"after {self.recipe.timeout:g} s", bytes=size)
            return Fetched(outcome, None, answered=answer.http_status is not None)
        except OSError as error:  # of the disk: errors of the network were mapped to reasons before
            raise cannot_write(self.root, error) from None
        finally:
            if not image:
                temp_file.discard()

    async def _chunks(
        self, url: str, language: str, local: bool
    ) -> AsyncGenerator[tuple[Fetch, bytes], None]:
        """Yield (outcome so far, chunk of the body), at least once."""
        outcome = Fetch(url, fetched_at=now())
        if local:
            for chunk in read_local(url):
                yield outcome, chunk
            return
        headers = {"Accept-Language": language} if language else {}
        target = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                await self._check(target)
                async with self.session.get(
                    request_url(target), headers=headers, allow_redirects=False
                ) as response:
                    status, kind = response.status, storable(response.headers.get("content-type", "")[:200])
                    outcome = replace(outcome, http_status=status, content_type=kind)
                    yield outcome, b""
                    if status in {301, 302, 303, 307, 308} and "location" in response.headers:
                        target = redirect_url(target, response.headers["location"])
                        response.close()
                        continue
                    if status not in ANSWERS and not whole_range(response):
                        response.close()
                        pause = retry_after(response.headers.get("Retry-After")) if status >= 429 else None
                        raise FetchError(status_reason(status), f"HTTP {status}", pause)
                    if refusal := header_refusal(response.headers):
                        response.close()  # without reading the body
                        raise FetchError(*refusal)
                    async for chunk in decompressed(response):
                        yield outcome, chunk
                    if not is_known_encoding(response):
                        # Read as it came: if that is no image, the encoding is why.
                        encoding = storable(response.headers["content-encoding"][:200])
                        outcome = replace(outcome, detail=f"Content-Encoding: {encoding}")
                        yield outcome, b""
                    return
        except Exception as error:
            raise to_fetch_error(error) from None
        raise FetchError("too_many_redirects", f"more than {MAX_REDIRECTS}")

    @staticmethod
    def _format(temp_file: TempFile, encoding: str) -> str:
        """Return the format of a file; one in an unknown encoding that is no image is an unsupported format."""
        try:
            return sniff(temp_file)
        except FetchError as error:
            if encoding and error.reason == "not_an_image":
                raise FetchError("unsupported_format", encoding) from None
            raise

    async def page(self, url: str) -> Page:
        """Return the text of a web page, up to `PAGE_BYTES`. A bad URL or host raises no error."""
        try:
            async with asyncio.timeout(self.recipe.timeout):
                await self._check(url)
                async with self.session.get(
                    request_url(url), headers={"Accept": "text/html"}, max_redirects=MAX_REDIRECTS
                ) as response:
                    if response.status not in ANSWERS:
                        response.close()
                        raise FetchError(status_reason(response.status))
                    return Page((await read_start(response, PAGE_BYTES)).decode("utf-8", "replace"))
        except Exception as error:
            return Page("", to_fetch_error(error).reason)

    async def _check(self, url: str) -> None:
        """Raise `FetchError` if an address cannot or must not be requested."""
        check_url(url)
        if refusal := await self.robots.refusal(url):
            raise FetchError(*refusal)

    async def close(self) -> None:
        """Close every connection."""
        await self.robots.close()
        await self.session.close()


def check_url(url: str) -> None:
    """Check that an address can be requested over http or https.

    Raises
    ------
    FetchError
        With the reason `bad_url`.
    """
    try:
        parts = urlsplit(url)
        known = _is_host(parts.netloc)
    except ValueError as error:
        raise FetchError("bad_url", str(error)) from None
    if parts.scheme not in {"http", "https"}:
        raise FetchError("bad_url", f"not http or https: {url}")
    if not known or _CONTROL.search(url):
        raise FetchError("bad_url", f"not a valid host name: {url}")


@lru_cache(maxsize=4096)
def _is_host(netloc: str) -> bool:
    """Return whether host and port are valid; a ValueError means no, too."""
    address = request_url(f"http://{netloc}/")  # a port above 65535 raises a ValueError
    host = address.raw_host or ""
    if "xn--" in host:
        assert address.host is not None  # noqa: S101 - decoding a name that is none raises a ValueError
    labels = [] if ":" in host else host.removesuffix(".").split(".")
    fits = len(host) < 254 and all(0 < len(label) < 64 for label in labels)
    return address.port != 0 and fits and bool(_HOST.fullmatch(host))


def sniff(temp_file: TempFile) -> str:
    """Return the image format of a file by its content; its name and content type are ignored.

    Raises
    ------
    FetchError
        With the reason `empty`, `not_an_image`, `unsupported_format` or `too_large`.
    """
    file = temp_file.read()
    start = file.read(START)
    file.seek(0)
    if not start:
        raise FetchError("empty")
    try:
        with open_image(file, max_pixels=sys.maxsize) as picture:  # dedupe decides on sizes
            return str(picture.format)
    except Undecodable as error:
        if error.reason != "unreadable":
            raise FetchError(error.reason, error.detail) from None
        text = start.lower()
        page = b"<html" in text or b"<!doctype html" in text
        kind = "a web page" if page else repr(start[:16])
        raise FetchError("not_an_image", f"{kind}: {error.detail.partition(':')[0]}") from None


def open_fetcher(root: Root, recipe: CrawlRecipe) -> Fetcher:
    """Return a fetcher with one pool of connections, inside a running event loop."""
    connector = aiohttp.TCPConnector(
        limit=recipe.connections,
        resolver=GuardedResolver(allow_private=recipe.allow_private_hosts),
        socket_factory=guarded_sockets(allow_private=recipe.allow_private_hosts),
        happy_eyeballs_delay=None,  # one address after the other, each is checked
        ttl_dns_cache=300,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={
            "User-Agent": user_agent(__version__, recipe.contact),
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the fetcher limits the total time
        auto_decompress=False,
        requote_redirect_url=False,
        read_bufsize=READ_BUFFER,
        max_line_size=HEADER_LINE,
        max_field_size=HEADER_LINE,
    )
    return Fetcher(root, recipe, session, Robots(session))
