"""Keep decoded, resized faces for the next pass over the same set, in this process; a bounded number of bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from btfer_builder.io.json import json_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ResizedFaces:
    """All faces of a set at the size of a model.

    Attributes
    ----------
    pixels
        uint8 (n, height, width, channels), in the order of the set; not to be changed.
    interpolations
        The interpolations used.
    """

    pixels: "NDArray[np.uint8]"
    interpolations: frozenset[str]


class FaceCache(Protocol):
    """Keeps the faces of sets. Which set it is follows from `set_key`, how they were resized from `geometry`."""

    def load(self, set_key: str, geometry: str, shape: tuple[int, ...]) -> ResizedFaces | None:
        """Return the faces, whose pixels have this shape; None if they are not kept."""

    def store(self, set_key: str, geometry: str, faces: ResizedFaces, limit: int) -> None:
        """Keep the faces; those used longest ago make room, so that at most `limit` bytes are kept."""


def set_key(faces: Iterable[tuple[str, str]]) -> str:
    """Return the hash over the ids and the SHA-256 of the files of faces, in their order."""
    rows = (json_text(list(face)) for face in faces)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


class MemoryCache:
    """Keeps faces until the process ends."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], ResizedFaces] = OrderedDict()
        self._lock = Lock()

    def load(self, set_key: str, geometry: str, shape: tuple[int, ...]) -> ResizedFaces | None:
        """Return the faces, whose pixels have this shape; None if they are not kept."""
        with self._lock:
            found = self._kept.get((set_key, geometry))
            if found is None or found.pixels.shape != shape:
                return None
            self._kept.move_to_end((set_key, geometry))
            return found

    def store(self, set_key: str, geometry: str, faces: ResizedFaces, limit: int) -> None:
        """Keep the faces; those used longest ago make room, so that at most `limit` bytes are kept."""
        faces.pixels.flags.writeable = False
        with self._lock:
            self._kept[set_key, geometry] = faces
            self._kept.move_to_end((set_key, geometry))
            while self._kept and sum(kept.pixels.nbytes for kept in self._kept.values()) > limit:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Keep nothing any more, as after a takedown."""
        with self._lock:
            self._kept.clear()


#: The faces of this process.
MEMORY = MemoryCache()
