"""Fetch one file: within a deadline and a byte cap, checked for being an image, named by its SHA-256."""

import asyncio
import hashlib
import os
import tempfile
import warnings
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import httpcore
import httpx

from btfer_builder import __version__
from btfer_builder.catalog.catalog import now
from btfer_builder.crawl.addresses import GuardedBackend, PrivateAddressError
from btfer_builder.decode import FORMATS, openers
from btfer_builder.errors import BtferError
from btfer_builder.recipe import CrawlRecipe
from btfer_builder.records import Fetch, Image

MAX_REDIRECTS = 5
CHUNK = 1 << 16
#: Compression of a body that is undone although none was asked for. One layer: several, or denser ones, could turn
#: a chunk into more than the memory holds.
ENCODINGS = {"", "identity", "gzip", "deflate"}


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

        Raises
        ------
        BtferError
            If the disk is full or cannot be written.
        """
        answer = Fetch(url, fetched_at=now())
        try:
            with _aside(images_of(self.root)) as (part, file):
                digest = hashlib.sha256()
                async with (
                    asyncio.timeout(self.recipe.deadline),
                    aclosing(self._chunks(url, language, local)) as chunks,
                ):
                    async for found, chunk in chunks:
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
                file.close()
                file_format = sniff(part)
                image_id = digest.hexdigest()
                path = f"data/images/{image_id[:2]}/{image_id}.{FORMATS[file_format]}"
                (self.root / path).parent.mkdir(exist_ok=True)
                part.chmod(0o644)  # mkstemp makes files only their owner may read
                part.replace(self.root / path)
            return replace(answer, image_id=image_id), Image(image_id, path, file_format, answer.bytes)
        except Refused as error:
            return replace(answer, reason=error.reason, detail=error.detail), None
        except TimeoutError:
            return replace(answer, reason="timeout", detail=f"after {self.recipe.deadline:g} s"), None
        except PrivateAddressError as error:
            return replace(answer, reason="private_address", detail=str(error)[:500]), None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as error:
            return replace(answer, reason="bad_url", detail=str(error)[:500]), None
        except httpx.HTTPError as error:
            return replace(
                answer, reason="unreachable", detail=f"{type(error).__name__}: {error}"[:500]
            ), None
        except OSError as error:  # the disk's: the network's were turned into reasons where they came up
            raise BtferError(
                f"{images_of(self.root)}: cannot be written: {error.strerror or error}; "
                "what was fetched so far is kept, crawl again to go on"
            ) from None

    async def _chunks(
        self, url: str, language: str, local: bool
    ) -> AsyncGenerator[tuple[Fetch, bytes], None]:
        """Yield (what is known of the answer, a piece of the body); at least once."""
        if local:
            for chunk in _local_chunks(url):
                yield Fetch(url), chunk
            return
        headers = {"Accept-Language": language} if language else {}
        target = url
        for _ in range(MAX_REDIRECTS + 1):
            parts = urlsplit(target)
            if parts.scheme not in {"http", "https"} or parts.port == 0:  # one above 65535 is a ValueError
                raise Refused("bad_url", f"not http or https: {target}")
            try:
                async with self.client.stream("GET", target, headers=headers) as response:
                    content_type = response.headers.get("content-type", "")[:200]
                    answer = Fetch(url, http_status=response.status_code, content_type=content_type)
                    yield answer, b""
                    if response.is_redirect and "location" in response.headers:
                        target = urljoin(target, response.headers["location"])
                        continue
                    if response.status_code != 200:
                        raise Refused(_refusal(response.status_code), f"HTTP {response.status_code}")
                    encoding = response.headers.get("content-encoding", "").strip().lower()
                    if encoding not in ENCODINGS:
                        raise Refused("unsupported_format", f"Content-Encoding: {encoding}")
                    async for chunk in response.aiter_bytes(CHUNK):
                        yield answer, chunk
                    return
            except OSError as error:  # broken TLS in the middle comes as it is
                raise Refused("unreachable", f"{type(error).__name__}: {error}") from None
        raise Refused("too_many_redirects", f"more than {MAX_REDIRECTS}")


def images_of(root: Path) -> Path:
    """Return the folder of a workspace that files are fetched into."""
    return root / "data" / "images"


def sweep(root: Path) -> None:
    """Delete the unfinished files that a killed crawl left; only one crawl at a time may run."""
    for part in images_of(root).glob(".*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def _aside(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open a new file in the folder, which is gone when the block ends unless it was moved elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield Path(name), file
    finally:
        Path(name).unlink(missing_ok=True)


def _local_chunks(url: str) -> Iterator[bytes]:
    path = Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
    try:
        with path.open("rb") as file:
            yield b""
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise Refused("unreachable", f"{url}: {error.strerror}") from None


def _refusal(status: int) -> str:
    if status in {404, 410}:
        return "not_found"
    return "forbidden" if status in {401, 403, 451} else "http_error"


def sniff(path: Path) -> str:
    """Return the image format of a file by its content; its name and content type are not asked.

    Raises
    ------
    Refused
        With reason `empty`, `not_an_image`, `unsupported_format` or `too_large`.
    """
    from PIL import Image as Picture

    with path.open("rb") as file:
        start = file.read(1024)
    if not start:
        raise Refused("empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on sizes and odd metadata are for dedupe to decide on
            with Picture.open(path, formats=openers()) as picture:
                return str(picture.format)
    except Picture.DecompressionBombError as error:
        raise Refused("too_large", str(error)) from None
    except Exception as error:
        text = start.lower()
        page = b"<html" in text or b"<!doctype html" in text
        if start.startswith(b"8BPS") or (b"<svg" in text and not page):
            raise Refused("unsupported_format", "SVG or PSD") from None
        kind = "a web page" if page else repr(start[:16])
        raise Refused("not_an_image", f"{kind}: {type(error).__name__}") from None


def open_fetcher(root: Path, recipe: CrawlRecipe) -> Fetcher:
    """Return a fetcher with one pool of connections; close its `client` when done."""
    contact = f"; {recipe.contact}" if recipe.contact else ""
    headers = {
        "User-Agent": f"btfer-builder/{__version__} (research dataset builder{contact})",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
    }
    context = httpx.create_ssl_context()
    transport = httpx.AsyncHTTPTransport(verify=context)
    # httpx has no public way to give its pool a network backend; httpcore, which it stands on, does.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        max_connections=recipe.connections,
        network_backend=httpcore.AnyIOBackend() if recipe.allow_private_hosts else GuardedBackend(),
    )
    client = httpx.AsyncClient(
        transport=transport,
        headers=headers,
        timeout=None,  # noqa: S113 - the fetcher's deadline is for the whole, these would be for each read
        follow_redirects=False,
        trust_env=False,
    )
    return Fetcher(root, recipe, client)
