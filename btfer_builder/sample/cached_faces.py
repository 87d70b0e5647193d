"""Keep the decoded, resized faces of a workspace's sample in `data/cache`, and delete them with the sample.

A file is written while the lock of the folder is held, and only if the catalog still has the sample that it was made
of. A command that changes the sample deletes the files under that lock, after its rows, so that no file of an earlier
sample can follow.
"""

import os
import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from btfer_builder.catalog.owned_files import cached_sets
from btfer_builder.errors import BtferError
from btfer_builder.images.face_cache import MEMORY, ResizedFaces
from btfer_builder.io.atomic import open_atomic
from btfer_builder.io.locks import try_lock, wait_for_lock
from btfer_builder.reconcile import CACHE
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The lock of the folder.
_LOCK = "cache"


@dataclass(frozen=True, slots=True)
class SampleCache:
    """Keeps faces of the sample of a workspace, a file for each geometry."""

    workspace: Workspace

    def load(self, set_key: str, geometry: str) -> ResizedFaces | None:
        """Return the faces; None if they are not kept, or the file is damaged."""
        path = self._path(set_key, geometry)
        try:
            with np.load(path, allow_pickle=False) as file:  # the checksums of its parts are checked
                pixels: NDArray[np.uint8] = file["pixels"]
                interpolations = frozenset(str(name) for name in file["interpolations"])
            os.utime(path)  # used last
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        pixels.flags.writeable = False
        return ResizedFaces(pixels, interpolations)

    def store(self, set_key: str, geometry: str, faces: ResizedFaces, limit: int) -> None:
        """Keep the faces if they are those of the sample, and delete the files used longest ago above `limit` bytes.

        Nothing is kept where the workspace cannot be written, or while others write to the folder.
        """
        with suppress(BtferError):
            lock = try_lock(self.workspace.lock_path(_LOCK))
            if lock is None:
                return
            try:
                if set_key[:16] not in cached_sets(self.workspace.catalog):
                    return
                with open_atomic(self._path(set_key, geometry)) as file:
                    np.savez(
                        file,
                        allow_pickle=False,
                        pixels=faces.pixels,
                        interpolations=np.array(sorted(faces.interpolations), dtype=np.str_),
                    )
                self._delete_oldest(limit)
            finally:
                lock.release()

    def _path(self, set_key: str, geometry: str) -> Path:
        return self.workspace.root / CACHE / f"{set_key[:16]}-{geometry[:16]}.npz"

    def _delete_oldest(self, limit: int) -> None:
        files = sorted((self.workspace.root / CACHE).glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
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
    folder = workspace.root / CACHE
    with wait_for_lock(workspace.lock_path(_LOCK)):
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise BtferError(
                f"{error.filename}: cannot be deleted: {error.strerror}; make it writable and run the command again"
            ) from None
