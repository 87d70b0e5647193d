"""Where images and faces are: below the workspace, or on shared storage that fsspec reaches (s3://…)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.records import Kind

#: The folders of `data/` that may be elsewhere: what is many and large. The rest is a workspace's own.
SHARED = ("images", "faces")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on other storage, with those of a path's methods that are needed. A write is seen whole or not at all.

    All but a missing file is a `BtferError`: storage that cannot be reached must not look like a broken image.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def is_file(self) -> bool:
        """Whether it is there."""
        system, path = _filesystem(self.url)
        try:
            with _reached(self.url):
                return bool(system.info(path)["type"] == "file")  # isfile() takes any trouble for "no"
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Whether there is anything below it: such storage has no folders."""
        system, path = _filesystem(self.url)
        try:
            with _reached(self.url):
                return bool(system.ls(path))
        except FileNotFoundError:
            return False

    def files(self) -> list[str]:
        """Return the files below it, by their paths from here."""
        system, path = _filesystem(self.url)
        with _reached(self.url):
            return [str(found).removeprefix(path).lstrip("/") for found in system.find(path)]

    def read_bytes(self) -> bytes:
        """Return its content; raise FileNotFoundError if it is not there."""
        system, path = _filesystem(self.url)
        with _reached(self.url):
            return bytes(system.cat_file(path))

    def write_bytes(self, content: bytes) -> None:
        """Put the content in its place, all at once."""
        system, path = _filesystem(self.url)
        with _reached(self.url):
            system.pipe_file(path, content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete it."""
        if self.is_file():  # S3 deletes what is not there without a word
            system, path = _filesystem(self.url)
            with _reached(self.url):
                system.rm_file(path)
        elif not missing_ok:
            raise FileNotFoundError(self.url)


@dataclass(frozen=True, slots=True)
class Storage:
    """A workspace whose images and faces are elsewhere; `storage / path` is where a file of the catalog is.

    Parameters
    ----------
    root
        The workspace, for everything else.
    data
        A folder, of the workspace if it is relative, or an address that fsspec knows; credentials come from the
        environment.
    """

    root: Path
    data: str

    def __truediv__(self, path: str | PurePosixPath) -> Path | RemoteFile:
        """Return the file a path of the catalog names (`data/images/…`), wherever it is."""
        parts = PurePosixPath(path).parts
        if parts[:1] != ("data",) or parts[1:2] == () or parts[1] not in SHARED or ".." in parts:
            return self.root / path
        if "://" not in self.data:
            return self.root.joinpath(self.data, *parts[1:])
        return RemoteFile("/".join((self.data.rstrip("/"), *parts[1:])))

    def __str__(self) -> str:
        return self.data


#: What the paths of the catalog are relative to, and what such a path leads to.
Root = Path | Storage
File = Path | RemoteFile


def local_root(root: Root) -> Path:
    """Return the workspace on this machine."""
    return root.root if isinstance(root, Storage) else root


def thumb_path(root: Root, kind: Kind, item_id: str) -> Path:
    """Return where the thumbnail of an item is kept, whether it is there or not."""
    return local_root(root) / "data" / "thumbs" / f"{kind}s" / item_id[:2] / f"{item_id}.jpg"


def files_below(root: Root, folder: str) -> list[str]:
    """Return the paths, as the catalog writes them, of all files below a folder of the workspace."""
    place = root / folder
    if isinstance(place, Path):
        names = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()]
    else:
        names = place.files()
    return [f"{folder}/{name}" for name in sorted(names)]


def _filesystem(url: str) -> tuple[Any, str]:
    """Return fsspec's file system and the path in it; one of each kind is kept by fsspec itself.

    No listing is kept: other machines write there, too.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise BtferError("shared storage needs more packages: pip install 'btfer-builder[s3]'") from None
    try:
        system, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise BtferError(f"{url}: {error}") from None
    except ValueError as error:
        raise BtferError(f"{url}: no address that fsspec knows: {error}") from None
    return system, path


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise BtferError(
            f"{url}: the storage does not do it ({type(error).__name__}: {str(error)[:200]}); is it up, and are "
            "the credentials in the environment right? Then run it again: nothing done is lost"
        ) from None
