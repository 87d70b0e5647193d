"""Write a downloaded file to a temporary file, and rename it when it is complete."""

import io
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import sync_files
from btfer_builder.io.storage import File, RemoteFile, Root, local_root

#: Files of up to this many bytes stay in memory until they are moved to their place.
IN_MEMORY = 1 << 20

#: Uploads at the same time, where images are on shared storage.
_PLACED_AT_ONCE = 8


class TempFile:
    """A file of a workspace before it has its place: in memory while it is small, then on disk under a temporary name.

    Attributes
    ----------
    size : int
        Bytes written so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory: io.BytesIO | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        self.size += len(chunk)
        if self._memory is not None:
            self._memory.write(chunk)
            if self._memory.tell() <= IN_MEMORY:
                return
            chunk = self._memory.getvalue()
            self._memory = None
        self._to_disk(chunk)

    def read(self) -> IO[bytes]:
        """Return the file, positioned at its start."""
        file = self._memory or self._file
        assert file is not None  # noqa: S101 - it is in memory or on disk
        file.seek(0)
        return file

    def move(self, target: Path) -> None:
        """Write what is in memory to disk, and rename the file to `target`."""
        if self._memory is not None:
            self._to_disk(self._memory.getvalue())
            self._memory = None
        assert self._file is not None  # noqa: S101 - just written
        assert self._path is not None  # noqa: S101 - just written
        self._file.close()
        self._path.replace(target)
        self._path = None

    def discard(self) -> None:
        """Delete the file, unless it was moved."""
        self._memory = None
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _to_disk(self, chunk: bytes) -> None:
        if self._file is None:
            path = self.folder / f".{secrets.token_hex(16)}.part"
            try:
                self._file = path.open("w+b", buffering=0)
            except FileNotFoundError:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = path.open("w+b", buffering=0)
            self._path = path
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]


def images_folder(root: Root) -> Path:
    """Return the local folder for the temporary files of a workspace."""
    folder = root / "data/images"
    return folder if isinstance(folder, Path) else local_root(root) / "data/images"


def cannot_write(root: Root, error: OSError) -> BtferError:
    """Return the error of a disk that is full or cannot be written."""
    return BtferError(
        f"{images_folder(root)}: cannot be written: {error.strerror or error}; everything committed so far is kept, "
        "crawl again to continue"
    )


def place(root: Root, file: TempFile, path: str) -> File:
    """Move a file to its path of the catalog; a whole file of that name has the same bytes and is kept.

    Raises
    ------
    BtferError
        If the disk is full or cannot be written.
    """
    target = root / path
    try:
        if isinstance(target, RemoteFile):
            target.write_bytes(file.read().read())
            file.discard()
        elif _has_size(target, file.size):  # replaced, it would give way to one that is not on the disk yet
            file.discard()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.move(target)
    except OSError as error:
        raise cannot_write(root, error) from None
    return target


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def place_all(root: Root, files: Sequence[tuple[TempFile, str]]) -> None:
    """Move files to their paths and wait until they are on the disk: rows that name them may follow."""
    with ThreadPoolExecutor(_PLACED_AT_ONCE) as threads:
        sync_files(list(threads.map(lambda file: place(root, *file), files)))
