"""Write a downloaded file to a temporary file, and rename it when it is complete."""

import io
import secrets
from pathlib import Path
from typing import IO

from btfer_builder.io.storage import File, RemoteFile, Root, local_root

#: Files of up to this many bytes stay in memory until they are complete.
IN_MEMORY = 1 << 20


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

    def keep(self, path: File) -> None:
        """Rename the complete file; a file that already has that name has the same bytes."""
        if isinstance(path, RemoteFile):
            path.write_bytes(self.read().read())
            return
        if self._memory is not None:
            # The name is a hash of the bytes, so nobody writes other bytes under it.
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
        """Delete the file, unless it was kept."""
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


def images_folder(root: Root) -> Path:
    """Return the local folder for the temporary files of a workspace."""
    folder = root / "data/images"
    return folder if isinstance(folder, Path) else local_root(root) / "data/images"


def delete_temp_files(root: Root) -> None:
    """Delete the temporary files of a killed crawl; only one crawl may run at a time."""
    for path in images_folder(root).glob(".*.part"):
        path.unlink(missing_ok=True)
