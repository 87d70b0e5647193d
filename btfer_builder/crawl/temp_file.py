"""Write a downloaded file to a temporary file, and rename it when it is complete."""

import io
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from btfer_builder.io.atomic import sync_files
from btfer_builder.io.storage import File, RemoteFile, Root, local_root

#: Files of up to this many bytes stay in memory until they are complete.
IN_MEMORY = 1 << 20

#: Uploads at the same time, where images are on shared storage.
_PLACED_AT_ONCE = 8


class TempFile:
    """An unfinished file of a workspace: in memory while it is small, then on disk under a temporary name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory: io.BytesIO | None = io.BytesIO()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
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

    def finish(self) -> Path:
        """Write what is in memory to disk and return the temporary file, which now belongs to the caller."""
        if self._memory is not None:
            self._to_disk(self._memory.getvalue())
            self._memory = None
        assert self._file is not None  # noqa: S101 - just written
        assert self._path is not None  # noqa: S101 - just written
        self._file.close()
        path, self._path = self._path, None
        return path

    def discard(self) -> None:
        """Delete the file, unless it is finished."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

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


def place(root: Root, temporary: Path, path: str) -> File:
    """Move a finished file to its path of the catalog; a whole file of that name has the same bytes and is kept."""
    target = root / path
    if isinstance(target, RemoteFile):
        target.write_bytes(temporary.read_bytes())
        temporary.unlink()
        return target
    try:
        whole = target.stat().st_size == temporary.stat().st_size
    except FileNotFoundError:
        whole = False
    if whole:  # replacing it would put a file that is not on the disk yet in the place of one that is
        temporary.unlink()
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    return target


def place_all(root: Root, files: Sequence[tuple[Path, str]]) -> None:
    """Move finished files to their paths and wait until they are on the disk: rows that name them may follow."""
    with ThreadPoolExecutor(_PLACED_AT_ONCE) as threads:
        sync_files(list(threads.map(lambda file: place(root, *file), files)))
