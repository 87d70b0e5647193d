"""The location of images and faces: a folder, or shared storage that fsspec supports (s3://…)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.records import Kind

#: The folders of `data/` that may be on shared storage, those with many large files.
SHARED = ("images", "faces")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on shared storage, with the methods of `pathlib.Path` that are needed. Writes are atomic.

    Every error except a missing file is a `BtferError`: unreachable storage must not look like a broken image.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def is_file(self) -> bool:
        """Return whether the file exists."""
        system, path = _filesystem(self.url)
        try:
            with _reached(self.url):
                return bool(system.info(path)["type"] == "file")  # isfile() returns False for any error
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Return whether there are files below this path: object storage has no folders."""
        system, path = _filesystem(self.url)
        try:
            with _reached(self.url):
                return bool(system.ls(path))
        except FileNotFoundError:
            return False

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file below this path, by its path relative to this one.

        Storage lists a thousand files a request; no file is asked for by itself.
        """
        system, path = _filesystem(self.url)
        with _reached(self.url):
            found = system.find(path, detail=True)
        return {str(name).removeprefix(path).lstrip("/"): int(info["size"]) for name, info in found.items()}

    def read_bytes(self) -> bytes:
        """Return the content; raise FileNotFoundError if the file does not exist."""
        system, path = _filesystem(self.url)
        with _reached(self.url):
            return bytes(system.cat_file(path))

    def write_bytes(self, content: bytes) -> None:
        """Write the content atomically."""
        system, path = _filesystem(self.url)
        with _reached(self.url):
            system.pipe_file(path, content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file."""
        if self.is_file():  # S3 does not report a missing file
            system, path = _filesystem(self.url)
            with _reached(self.url):
                system.rm_file(path)
        elif not missing_ok:
            raise FileNotFoundError(self.url)


@dataclass(frozen=True, slots=True)
class Storage:
    """A workspace with images and faces in another place; `storage / path` is the location of a file of the catalog.

    Parameters
    ----------
    root
        The workspace, for all other files.
    data
        A folder, relative to the workspace or absolute, or a URL that fsspec supports; credentials are read from the
        environment.
    """

    root: Path
    data: str

    def __truediv__(self, path: str | PurePosixPath) -> Path | RemoteFile:
        """Return the location of a path of the catalog (`data/images/…`)."""
        parts = PurePosixPath(path).parts
        if parts[:1] != ("data",) or parts[1:2] == () or parts[1] not in SHARED or ".." in parts:
            return self.root / path
        if "://" not in self.data:
            return self.root.joinpath(self.data, *parts[1:])
        return RemoteFile("/".join((self.data.rstrip("/"), *parts[1:])))

    def __str__(self) -> str:
        return self.data


#: What the paths of the catalog are relative to, and the type of a resolved path.
Root = Path | Storage
File = Path | RemoteFile


def local_root(root: Root) -> Path:
    """Return the workspace on this machine."""
    return root.root if isinstance(root, Storage) else root


def thumb_path(root: Root, kind: Kind, item_id: str) -> Path:
    """Return the path of an item's thumbnail, which may not exist yet."""
    return local_root(root) / "data" / "thumbs" / f"{kind}s" / item_id[:2] / f"{item_id}.jpg"


def files_below(root: Root, folder: str) -> list[str]:
    """Return the paths of all files below a folder of the workspace, as in the catalog."""
    location = root / folder
    if isinstance(location, RemoteFile):
        return sorted(f"{folder}/{name}" for name in location.sizes())
    return sorted(path for path, _ in _walk(location, folder))


def sizes_below(root: Root, folder: str) -> dict[str, int]:
    """Return the size in bytes of each file below a folder of the workspace, by its path as in the catalog."""
    location = root / folder
    if isinstance(location, RemoteFile):
        return {f"{folder}/{name}": size for name, size in location.sizes().items()}
    return {path: entry.stat().st_size for path, entry in _walk(location, folder)}


def _walk(location: Path, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (path, entry) of each file: a million of them take a second, where `Path.rglob` takes a minute."""
    try:
        with os.scandir(location) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(location / entry.name, path)
        elif entry.is_file():
            yield path, entry


def _filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it; fsspec caches file systems.

    Listings are not cached, because other machines also write to the storage.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise BtferError("shared storage needs more packages: pip install '.[s3]'") from None
    try:
        system, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise BtferError(f"{url}: {error}") from None
    except ValueError as error:
        raise BtferError(f"{url}: not a URL that fsspec supports: {error}") from None
    return system, path


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # every storage has its own exceptions
        raise BtferError(
            f"{url}: the storage cannot be used ({type(error).__name__}: {str(error)[:200]}); check that it is running "
            "and that the credentials in the environment are right, then run it again: nothing done is lost"
        ) from None
