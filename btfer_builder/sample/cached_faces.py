"""Keep the decoded, resized faces of a workspace's sample in `data/cache`, and delete them with the sample.

A file is written while the lock of the folder is held, and only if the catalog still has the sample that it was made
of. A command that changes the sample deletes the files under that lock, after its rows, so that no file of an earlier
sample can follow.
"""

import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING

from btfer_builder.catalog.owned_files import cached_sets
from btfer_builder.errors import BtferError
from btfer_builder.images.face_cache import MEMORY, ResizedFaces
from btfer_builder.io.atomic import open_atomic
from btfer_builder.io.json import json_text, parse_json
from btfer_builder.io.locks import try_lock, wait_for_lock
from btfer_builder.reconcile import CACHE
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    pass

#: The lock of the folder.
_LOCK = "cache"

#: Files of the folder that are ours, and those that were not finished.
_OURS = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.faces|\.[0-9a-f]{16}-[0-9a-f]{16}\.faces\..*\.part")

#: The first line of a file is not longer.
_LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class SampleCache:
    """Keeps faces of the sample of a workspace, a file for each geometry: a line of JSON, then the pixels."""

    workspace: Workspace

    def load(self, set_key: str, geometry: str, shape: tuple[int, ...]) -> ResizedFaces | None:
        """Return the faces; None if they are not kept, or the file is damaged or another one."""
        path = self._path(set_key, geometry)
        try:
            if not path.is_file():  # opening a pipe would wait
                return None
            with path.open("rb") as file:
                faces = _read(file, set_key, geometry, shape)
        except (OSError, ValueError):
            return None
        with suppress(OSError):  # on a disk that is only read
            os.utime(path)  # used last
        return faces

    def store(self, set_key: str, geometry: str, faces: ResizedFaces, limit: int) -> None:
        """Keep the faces if they are those of the sample, and delete the files used longest ago above `limit` bytes.

        Nothing is kept where the workspace cannot be written, or while others write to the folder.
        """
        with suppress(BtferError, OSError):
            lock = try_lock(self.workspace.lock_path(_LOCK))
            if lock is None:
                return
            try:
                if set_key[:16] not in cached_sets(self.workspace.catalog):
                    return
                with open_atomic(self._path(set_key, geometry)) as file:
                    _write(file, set_key, geometry, faces)
                self._delete_oldest(limit)
            finally:
                lock.release()

    def _path(self, set_key: str, geometry: str) -> Path:
        return self.workspace.root / CACHE / f"{set_key[:16]}-{geometry[:16]}.faces"

    def _delete_oldest(self, limit: int) -> None:
        files = sorted(_ours(self.workspace.root / CACHE), key=lambda path: path.stat().st_mtime_ns)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= limit:
                return
            total -= path.stat().st_size
            path.unlink()


def delete_cached_faces(workspace: Workspace) -> None:
    """Delete all kept faces, those of this process, too; wait for a command that is writing one.

    Raises
    ------
    BtferError
        If a file cannot be deleted.
    """
    MEMORY.forget()
    with wait_for_lock(workspace.lock_path(_LOCK)):
        try:
            for path in _ours(workspace.root / CACHE):
                path.unlink()
        except OSError as error:
            raise BtferError(
                f"{error.filename}: cannot be deleted: {error.strerror}; make it writable and run the command again"
            ) from None


def _ours(folder: Path) -> list[Path]:
    """Return the files of the folder that keep faces; it may be a link, and hold files of the user."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and not path.is_dir()]


def _write(file: IO[bytes], set_key: str, geometry: str, faces: ResizedFaces) -> None:
    pixels = faces.pixels.data.cast("B")
    line = {
        "set": set_key,
        "geometry": geometry,
        "shape": list(faces.pixels.shape),
        "interpolations": sorted(faces.interpolations),
        "crc32": zlib.crc32(pixels),
    }
    file.write(json_text(line).encode() + b"\n")
    file.write(pixels)


def _read(file: BufferedReader, set_key: str, geometry: str, shape: tuple[int, ...]) -> ResizedFaces | None:
    """Return the faces if the file is whole and says that it keeps these."""
    import numpy as np

    line = parse_json(file.readline(_LONGEST_LINE))
    if not isinstance(line, dict) or not isinstance(names := line.get("interpolations"), list):
        return None
    pixels = np.empty(shape, np.uint8)
    view = pixels.data.cast("B")
    if os.fstat(file.fileno()).st_size - file.tell() != len(view) or file.readinto(view) != len(view):
        return None
    expected = {"set": set_key, "geometry": geometry, "shape": list(shape), "crc32": zlib.crc32(view)}
    if line != {**expected, "interpolations": names}:
        return None
    pixels.flags.writeable = False
    return ResizedFaces(pixels, frozenset(map(str, names)))
