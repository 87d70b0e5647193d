"""The faces of one pass over a set, resized: those that an earlier pass kept, and those that this one keeps."""

import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from btfer_builder import __version__
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.images.face_cache import FaceCache, ResizedFaces, set_key
from btfer_builder.networks.preprocessing import Preprocessing
from btfer_builder.networks.resizing import Interpolation

Pixels = NDArray[np.uint8]
#: A preprocessing without what follows the resizing: models that differ only in that share the resized faces.
Geometry = Preprocessing


@dataclass(frozen=True, slots=True)
class View:
    """A transform of a decoded face, uint8 (h, w, 3) RGB, before preprocessing: a corruption, a lower resolution.

    `name` says what it does, with all of its settings. What is random follows from it and the id of the face.
    """

    name: str
    transform: Callable[[Pixels, LabelledFace], Pixels]

    def __call__(self, image: Pixels, face: LabelledFace) -> Pixels:
        """Return the transformed face."""
        return self.transform(image, face)


def _unchanged(image: Pixels, _face: LabelledFace) -> Pixels:
    return image


#: The view on which the scores are computed: the face as it is.
as_it_is = View("", _unchanged)


def geometry_of(preprocessing: Preprocessing) -> Geometry:
    """Return the part of a preprocessing that `resize_face` does."""
    return replace(preprocessing, scale="0,255", mean=(), std=(), raw=False)


def empty_faces(geometry: Geometry, count: int) -> NDArray[Any]:
    """Return an array for resized faces; scikit-image resizes in floating point."""
    shape = (count, geometry.height, geometry.width, geometry.channels)
    return np.empty(shape, np.float64 if geometry.resize == "skimage" else np.uint8)


@dataclass
class _Kept:
    """All faces of the set in one geometry; `name` is that in the cache, `known` whether they are from there."""

    name: str
    pixels: NDArray[Any]
    used: set[Interpolation]
    known: bool


@dataclass
class KeptFaces:
    """The resized faces of a pass, by view and geometry.

    Attributes
    ----------
    geometries
        Those of each view.
    key, cache, limit
        The set, where faces are kept between passes, and for how many bytes. Without a cache, the arrays live as long
        as their batch.
    digests
        The SHA-256 of the files, which are compared when they are decoded; empty if they are not known.
    """

    geometries: Sequence[Sequence[Geometry]]
    key: str = ""
    digests: Sequence[str] = ()
    cache: FaceCache | None = None
    limit: int = 0
    _sets: dict[tuple[int, Geometry], _Kept] = field(default_factory=dict)

    def batch(self, view: int, rows: slice) -> dict[Geometry, NDArray[Any]]:
        """Return an array for each geometry: faces that are known, or room for them."""
        return {
            geometry: self._sets[view, geometry].pixels[rows]
            if (view, geometry) in self._sets
            else empty_faces(geometry, rows.stop - rows.start)
            for geometry in self.geometries[view]
        }

    def missing(self, view: int) -> list[Geometry]:
        """Return the geometries whose faces have to be decoded and resized."""
        return [
            geometry
            for geometry in self.geometries[view]
            if (view, geometry) not in self._sets or not self._sets[view, geometry].known
        ]

    def used(self, view: int) -> dict[Geometry, set[Interpolation]]:
        """Return a set for the interpolations of each geometry, filled where the faces are known."""
        return {
            geometry: self._sets[view, geometry].used if (view, geometry) in self._sets else set()
            for geometry in self.geometries[view]
        }

    def store(self) -> None:
        """Keep the faces for the next pass; to be called when every batch was prepared."""
        for kept in self._sets.values():
            if self.cache is not None and not kept.known:
                faces = ResizedFaces(kept.pixels, frozenset(kept.used))
                self.cache.store(self.key, kept.name, faces, self.limit)


def open_kept_faces(
    faces: Sequence[LabelledFace],
    digests: Sequence[str],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
    cache: FaceCache | None,
    limit: int,
) -> KeptFaces:
    """Take the faces that a cache has, and make room for the others, as many geometries as fit into its limit.

    Parameters
    ----------
    faces, digests
        The set, and the SHA-256 of each of its files: a changed file makes another set.
    preprocessings, views
        What is asked for: the preprocessings of each view.
    cache, limit
        Where faces are kept between passes, and for how many bytes; None to keep none.
    """
    geometries = [list(dict.fromkeys(map(geometry_of, each))) for each in preprocessings]
    if cache is None or not limit:
        return KeptFaces(geometries, digests=digests)
    key = set_key(zip((face.face_id for face in faces), digests, strict=True))
    kept = KeptFaces(geometries, key, digests, cache, limit)
    free = limit
    for number, view in enumerate(views):
        for geometry in geometries[number]:
            shape = (len(faces), geometry.height, geometry.width, geometry.channels)
            if geometry.resize == "skimage" or int(np.prod(shape)) > free:
                continue
            free -= int(np.prod(shape))
            name = _name(view, geometry)
            found = cache.load(key, name, shape)
            if found is not None and found.interpolations <= set(get_args(Interpolation)):
                used: set[Any] = set(found.interpolations)
                kept._sets[number, geometry] = _Kept(name, found.pixels, used, known=True)
            else:
                kept._sets[number, geometry] = _Kept(
                    name, empty_faces(geometry, len(faces)), set(), known=False
                )
    return kept


def _name(view: View, geometry: Geometry) -> str:
    """Return the name of a geometry in the cache: other libraries and processors may resize in another way."""
    versions = [
        platform.machine(),
        __version__,
        *(version(name) for name in ("opencv-python-headless", "pillow", "numpy")),
    ]
    return hashlib.sha256(repr((view.name, geometry, versions)).encode()).hexdigest()
