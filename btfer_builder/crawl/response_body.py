"""Read the body of a response or a local file in chunks, and decompress it within bounds."""

import errno
import os
import re
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp

from btfer_builder.crawl.failures import FetchError, to_fetch_error
from btfer_builder.errors import BtferError
from btfer_builder.io.limits import open_regular

CHUNK = 1 << 16
#: Encodings that are decoded although none is requested. Only one layer: several layers, or denser encodings, could
#: expand a chunk to more than the memory.
ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
#: How a member of a gzip body begins.
_GZIP = b"\x1f\x8b"
#: How pictures begin, and compressed bodies do not: JPEG, PNG, GIF, WebP, TIFF.
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")


def read_local(url: str) -> Iterator[bytes]:
    """Yield the chunks of a local file, at least one.

    Raises
    ------
    FetchError
        With the reason `unreachable`, `not_an_image` for a pipe, a socket or a device, or `bad_url` if the address is
        not a path.
    """
    try:
        path = Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
        with open_regular(path, sys.maxsize) as file:  # opening a pipe would wait for its writer
            yield b""
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        reason = "not_an_image" if error.errno == errno.ENXIO else "unreachable"  # a socket cannot be opened
        raise FetchError(reason, f"{url}: {error.strerror}") from None
    except BtferError:
        raise FetchError("not_an_image", f"{url}: a device or a pipe") from None
    except ValueError as error:
        raise to_fetch_error(error) from None


def is_known_encoding(response: aiohttp.ClientResponse) -> bool:
    """Return whether the `Content-Encoding` of a response can be undone, or is none."""
    return _encoding(response) in ENCODINGS


def whole_range(response: aiohttp.ClientResponse) -> bool:
    """Return whether a 206 has all bytes of the file, as hosts and caches send it to who asked for no range."""
    header = response.headers.get("content-range", "")
    stated = re.fullmatch(r"bytes 0-(\d{1,15})/(\d{1,15})", header.strip())
    return response.status == 206 and stated is not None and int(stated[1]) + 1 == int(stated[2])


def _encoding(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("content-encoding", "").strip().lower()


async def read_start(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the first `max_bytes` bytes of a body, and close the response.

    Raises
    ------
    FetchError
        As `decompressed`, and with the reason `unsupported_format` for an unknown encoding: text has no signature that
        would show whether it is one.
    """
    if not is_known_encoding(response):
        raise FetchError("unsupported_format", f"Content-Encoding: {_encoding(response)}")
    content = b""
    async for chunk in decompressed(response):
        content += chunk
        if len(content) >= max_bytes:
            break
    response.close()
    return content[:max_bytes]


async def decompressed(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield a body without its `Content-Encoding`, in chunks of bounded size.

    A body in an unknown encoding is yielded as it is: hosts call plain files `none`, `utf-8` or `aws-chunked`.

    Raises
    ------
    FetchError
        With the reason `unreachable` for a damaged body.
    """
    encoding = _encoding(response)
    chunks = response.content.iter_any()
    if encoding in {"", "identity"} or not is_known_encoding(response):
        async for chunk in chunks:
            yield chunk
        return
    unpacker = None
    try:
        async for chunk in chunks:
            if unpacker is None and chunk.startswith(_IMAGES):  # plain, whatever the header says
                yield chunk
                async for rest in chunks:
                    yield rest
                return
            if unpacker is None:  # "deflate" bodies come with and without a zlib header
                has_header = encoding != "deflate" or chunk[0] & 15 == 8
                window = zlib.MAX_WBITS | 32 if has_header else -zlib.MAX_WBITS
                unpacker = zlib.decompressobj(window)
            left = chunk
            while left:
                if unpacker.eof:
                    if not _GZIP.startswith(left[:2]):  # padding behind the body
                        break
                    unpacker = zlib.decompressobj(window)  # gzip may have several members
                yield unpacker.decompress(left, CHUNK)
                left = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error as error:
        raise FetchError("unreachable", f"Content-Encoding: {encoding}: {error}") from None
    if unpacker is not None and not unpacker.eof:
        raise FetchError("unreachable", f"Content-Encoding: {encoding}: it broke off")
