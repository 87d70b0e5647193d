"""Keep what was fetched: a file grows aside and takes its name when it is whole; a body is unpacked within bounds."""

import io
import os
import secrets
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes, urlsplit

import aiohttp

from btfer_builder.crawl.failures import FetchError, failed
from btfer_builder.io.storage import File, RemoteFile, Root, local_root

#: Files up to this many bytes are held in memory until they are whole, and written at once.
IN_MEMORY = 1 << 20
CHUNK = 1 << 16
#: Compression of a body that is undone although none was asked for. One layer: several, or denser ones, could turn
#: a chunk into more than the memory holds.
ENCODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}


class TempFile:
    """An unfinished file of a workspace: in memory while it is small, then on disk under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory: io.BytesIO | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    def write(self, chunk: bytes) -> None:
        """Append."""
        if self._memory is not None:
            self._memory.write(chunk)
            if self._memory.tell() <= IN_MEMORY:
                return
            chunk = self._memory.getvalue()
            self._memory = None
        self._to_disk(chunk)

    def read(self) -> IO[bytes]:
        """Return all of it, to be read from the start."""
        file = self._memory or self._file
        assert file is not None  # noqa: S101 - it is in one of the two places
        file.seek(0)
        return file

    def keep(self, path: File) -> None:
        """Give the whole file its name; what has that name already has the same bytes."""
        if isinstance(path, RemoteFile):
            path.write_bytes(self.read().read())
            return
        if self._memory is not None:
            # The name tells the bytes, so nobody else is writing other ones under it.
            self._to_disk(self._memory.getvalue(), self.folder / f".{path.name}.part")
            self._memory = None
        assert self._file is not None  # noqa: S101 - just written
        assert self._path is not None  # noqa: S101 - just written
        self._file.close()
        try:
            self._path.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            self._path.replace(path)
        self._path = None

    def discard(self) -> None:
        """Forget it, unless it was kept."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _to_disk(self, chunk: bytes, name: Path | None = None) -> None:
        if self._file is None:
            path = name or self.folder / f".{secrets.token_hex(16)}.part"
            try:
                self._file = path.open("w+b", buffering=0)
            except FileNotFoundError:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = path.open("w+b", buffering=0)
            self._path = path
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]


def images_of(root: Root) -> Path:
    """Return the folder of a workspace in which files grow."""
    folder = root / "data/images"
    return folder if isinstance(folder, Path) else local_root(root) / "data/images"


def sweep(root: Root) -> None:
    """Delete the unfinished files that a killed crawl left; only one crawl at a time may run."""
    for part in images_of(root).glob(".*.part"):
        part.unlink(missing_ok=True)


def local_chunks(url: str) -> Iterator[bytes]:
    """Yield a file of this machine in pieces, at least one.

    Raises
    ------
    Refused
        With reason `unreachable`, or `bad_url` for what is no path.
    """
    try:
        path = Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
        with path.open("rb") as file:
            yield b""
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise FetchError("unreachable", f"{url}: {error.strerror}") from None
    except ValueError as error:
        raise failed(error) from None


async def beginning(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body of an answer up to so many bytes, and leave the rest.

    Raises
    ------
    Refused
        As in `inflated`.
    """
    content = b""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    async for chunk in inflated(response.content.iter_any(), encoding):
        content += chunk
        if len(content) >= most:
            break
    response.close()
    return content[:most]


async def inflated(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Yield a body as it was before its `Content-Encoding`, in pieces of bounded size.

    Raises
    ------
    Refused
        With reason `unsupported_format` for another encoding, `unreachable` for a body that is not in it.
    """
    if encoding not in ENCODINGS:
        raise FetchError("unsupported_format", f"Content-Encoding: {encoding}")
    if encoding in {"", "identity"}:
        async for chunk in chunks:
            yield chunk
        return
    unpack = None
    try:
        async for chunk in chunks:
            if unpack is None:  # "deflate" is said of bodies with and without zlib's own head
                headed = encoding != "deflate" or chunk[0] & 15 == 8
                unpack = zlib.decompressobj(zlib.MAX_WBITS | 32 if headed else -zlib.MAX_WBITS)
            yield unpack.decompress(chunk, CHUNK)
            while unpack.unconsumed_tail:
                yield unpack.decompress(unpack.unconsumed_tail, CHUNK)
    except zlib.error as error:
        raise FetchError("unreachable", f"Content-Encoding: {encoding}: {error}") from None
    if unpack is not None and not unpack.eof:
        raise FetchError("unreachable", f"Content-Encoding: {encoding}: it broke off")
