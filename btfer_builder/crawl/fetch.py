"""Fetch one file: within a deadline and a byte cap, checked for being an image, named by its SHA-256."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpcore
import httpx

from btfer_builder import __version__
from btfer_builder.catalog.catalog import now
from btfer_builder.crawl.addresses import GuardedBackend, PrivateAddressError
from btfer_builder.decode import FORMATS, openers
from btfer_builder.recipe import CrawlRecipe
from btfer_builder.records import Fetch, Image

MAX_REDIRECTS = 5
CHUNK = 1 << 16


class Refused(Exception):
    """A file that is dropped, with its reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail[:500]


@dataclass(frozen=True)
class Fetcher:
    """Fetches files into `root/data/images`; make it with `open_fetcher`."""

    root: Path
    recipe: CrawlRecipe
    client: httpx.AsyncClient

    async def fetch(self, url: str, language: str = "", *, local: bool = False) -> tuple[Fetch, Image | None]:
        """Fetch a URL and return its fate, and the image if there is one. Never raises for a bad URL or host.

        Parameters
        ----------
        url
            http or https; with `local`, a file: URL that the user named.
        language
            Language of the query, sent as `Accept-Language`.
        local
            Whether files on this machine may be read.
        """
        answer = Fetch(url, fetched_at=now())
        images = self.root / "data" / "images"
        images.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=images, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                digest = hashlib.sha256()
                async with asyncio.timeout(self.recipe.deadline):
                    async for found, chunk in self._chunks(url, language, local):
                        answer = replace(
                            answer,
                            http_status=found.http_status,
                            content_type=found.content_type,
                            bytes=answer.bytes + len(chunk),
                        )
                        if answer.bytes > self.recipe.max_bytes:
                            raise Refused("too_big", f"more than {self.recipe.max_bytes} bytes")
                        digest.update(chunk)
                        file.write(chunk)
            file_format = sniff(Path(name))
            image_id = digest.hexdigest()
            path = f"data/images/{image_id[:2]}/{image_id}.{FORMATS[file_format]}"
            (self.root / path).parent.mkdir(exist_ok=True)
            Path(name).chmod(0o644)
            shutil.move(name, self.root / path)
            return replace(answer, image_id=image_id), Image(image_id, path, file_format, answer.bytes)
        except Refused as error:
            return replace(answer, reason=error.reason, detail=error.detail), None
        except TimeoutError:
            return replace(answer, reason="timeout", detail=f"after {self.recipe.deadline:g} s"), None
        except PrivateAddressError as error:
            return replace(answer, reason="private_address", detail=str(error)), None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as error:
            return replace(answer, reason="bad_url", detail=str(error)[:500]), None
        except httpx.HTTPError as error:
            return replace(
                answer, reason="unreachable", detail=f"{type(error).__name__}: {error}"[:500]
            ), None
        finally:
            Path(name).unlink(missing_ok=True)

    async def _chunks(self, url: str, language: str, local: bool) -> AsyncIterator[tuple[Fetch, bytes]]:
        """Yield (what is known of the answer, a piece of the body); at least once."""
        if local:
            async for chunk in _local_chunks(url):
                yield Fetch(url), chunk
            return
        headers = {"Accept-Language": language} if language else {}
        target = url
        for _ in range(MAX_REDIRECTS + 1):
            if urlsplit(target).scheme not in {"http", "https"}:
                raise Refused("bad_url", f"not http or https: {target}")
            async with self.client.stream("GET", target, headers=headers) as response:
                answer = Fetch(
                    url,
                    http_status=response.status_code,
                    content_type=response.headers.get("content-type", ""),
                )
                yield answer, b""
                if response.is_redirect and "location" in response.headers:
                    target = urljoin(target, response.headers["location"])
                    continue
                if response.status_code != 200:
                    raise Refused(_refusal(response.status_code), f"HTTP {response.status_code}")
                async for chunk in response.aiter_bytes(CHUNK):
                    yield answer, chunk
                return
        raise Refused("too_many_redirects", f"more than {MAX_REDIRECTS}")


async def _local_chunks(url: str) -> AsyncIterator[bytes]:
    path = Path(unquote(urlsplit(url).path))
    try:
        with path.open("rb") as file:
            yield b""
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise Refused("unreachable", f"{path}: {error.strerror}") from None


def _refusal(status: int) -> str:
    if status in {404, 410}:
        return "not_found"
    return "forbidden" if status in {401, 403, 451} else "http_error"


def sniff(path: Path) -> str:
    """Return the image format of a file by its content; its name and content type are not asked.

    Raises
    ------
    Refused
        With reason `empty`, `not_an_image` or `unsupported_format`.
    """
    from PIL import Image as Picture

    with path.open("rb") as file:
        start = file.read(1024).lstrip()
    if not start:
        raise Refused("empty")
    if start.startswith(b"8BPS") or b"<svg" in start.lower():
        raise Refused("unsupported_format", "SVG or PSD")
    try:
        with Picture.open(path, formats=openers()) as picture:
            return str(picture.format)
    except Picture.DecompressionBombError as error:
        raise Refused("too_large", str(error)) from None
    except Exception as error:
        kind = "a web page" if start[:1] == b"<" else repr(start[:16])
        raise Refused("not_an_image", f"{kind}: {type(error).__name__}") from None


def open_fetcher(root: Path, recipe: CrawlRecipe) -> Fetcher:
    """Return a fetcher with one pool of connections; close its `client` when done."""
    contact = f"; {recipe.contact}" if recipe.contact else ""
    headers = {
        "User-Agent": f"btfer-builder/{__version__} (research dataset builder{contact})",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
    }
    transport = httpx.AsyncHTTPTransport()
    # httpx has no public way to give its pool a network backend; httpcore, which it stands on, does.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=recipe.connections,
        network_backend=httpcore.AnyIOBackend() if recipe.allow_private_hosts else GuardedBackend(),
    )
    client = httpx.AsyncClient(
        transport=transport, headers=headers, timeout=recipe.deadline, follow_redirects=False, trust_env=False
    )
    return Fetcher(root, recipe, client)
