"""Decode and resize faces ahead of the models, in threads or on a cluster."""

import hashlib
import io
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.kept_faces import Geometry, KeptFaces, View, empty_faces, geometry_of
from btfer_builder.images.decode import Undecodable, decode_image, decode_plain_png
from btfer_builder.io.memory import keep_freed_memory
from btfer_builder.networks.preprocessing import Preprocessing, normalise, resize_face
from btfer_builder.networks.resizing import Interpolation
from btfer_builder.parallel import Crashed, Runner

Pixels = NDArray[np.uint8]
#: The index of a view, and for each preprocessing a batch and the interpolations used for it.
Prepared = tuple[int, dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]
#: The same for one face, a pair for each view.
_PreparedFace = list[tuple[dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]]
#: The interpolations used for each geometry.
_Ways = dict[Geometry, set[Interpolation]]
#: The images of a chunk, where other views need them, and the interpolations used.
_Resized = tuple[list[Pixels], _Ways]

#: Batches prepared ahead of the one that is predicted; the bound limits the memory.
AHEAD = 2

#: Faces that a thread decodes at a time.
CHUNK = 16


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch in preparation: the index of its view, and the task that prepares it."""

    view: int
    task: "Future[tuple[dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]]"

    def finish(self) -> Prepared:
        return self.view, *self.task.result()


def prefetch(
    faces: Sequence[LabelledFace],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
    batch_size: int,
    workers: int,
    kept: KeptFaces,
) -> Generator[Prepared, None, None]:
    """Yield every batch under every view: index of the view, arrays and interpolations by preprocessing.

    Parameters
    ----------
    faces, views
        What is prepared.
    preprocessings
        Those of each view.
    batch_size, workers
        Faces in a batch, and threads.
    kept
        Faces of an earlier pass, which are not decoded again, and room for those of this one.
    """
    keep_freed_memory()
    pending: deque[_Pending] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="btfer-decode")
    try:
        for start in range(0, len(faces), batch_size):
            rows = slice(start, min(start + batch_size, len(faces)))
            batch, digests = faces[rows], kept.digests[rows]
            chunks = [slice(at, at + CHUNK) for at in range(0, len(batch), CHUNK)]
            decoded: list[Future[_Resized]] = []
            for number, view in enumerate(views):
                pixels, missing = kept.batch(number, rows), kept.missing(number)
                targets = [{key: pixels[key][chunk] for key in missing} for chunk in chunks if missing]
                # A task waits for those before it in the queue, so there is no deadlock.
                if decoded:
                    tasks = [
                        pool.submit(_resize_decoded, target, batch[chunk], images, view)
                        for target, chunk, images in zip(targets, chunks, decoded, strict=False)
                    ]
                else:
                    again = any(map(kept.missing, range(number + 1, len(views))))
                    tasks = [
                        pool.submit(
                            _decode_and_resize, target, batch[chunk], digests[chunk], view, keep=again
                        )
                        for target, chunk in zip(targets, chunks, strict=False)
                    ]
                    decoded = tasks if again else []
                used = kept.used(number)
                pending.append(
                    _Pending(number, pool.submit(_normalise, preprocessings[number], pixels, used, tasks))
                )
                if len(pending) > AHEAD:
                    yield pending.popleft().finish()
        while pending:
            yield pending.popleft().finish()
        kept.store()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_and_resize(
    targets: Mapping[Geometry, NDArray[Any]],
    faces: Sequence[LabelledFace],
    digests: Sequence[str],
    view: View,
    *,
    keep: bool = True,
) -> _Resized:
    """Decode a chunk of faces and write them, resized, into the rows of each geometry; `keep` them for other views.

    A face is resized before the next one is decoded: many large pictures in memory are slow to make room for.
    """
    images, ways = [], _no_ways(targets)
    for row, face in enumerate(faces):
        image = _decode(face, digests[row] if digests else "")
        _resize(targets, row, view(image, face), ways)
        if keep:
            images.append(image)
    return images, ways


def _resize_decoded(
    targets: Mapping[Geometry, NDArray[Any]],
    faces: Sequence[LabelledFace],
    decoded: "Future[_Resized]",
    view: View,
) -> _Resized:
    """Wait for the images of a chunk, and write them, resized, into the rows of each geometry."""
    images, ways = decoded.result()[0], _no_ways(targets)
    for row, (face, image) in enumerate(zip(faces, images, strict=True)):
        _resize(targets, row, view(image, face), ways)
    return images, ways


def _decode(face: LabelledFace, digest: str) -> Pixels:
    """Decode a face; `digest` is the SHA-256 of its file, if it is known."""
    try:
        content = face.path.read_bytes()
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise BtferError(f"{face.path}: has changed while it was scored; score it again")
        plain = decode_plain_png(content)
        return decode_image(io.BytesIO(content)) if plain is None else plain
    except (Undecodable, OSError) as error:
        raise BtferError(f"{face.path}: not a readable face image ({error}); replace or remove it") from None


def _no_ways(targets: Mapping[Geometry, NDArray[Any]]) -> _Ways:
    return {geometry: set() for geometry in targets}


def _resize(targets: Mapping[Geometry, NDArray[Any]], row: int, image: Pixels, ways: _Ways) -> None:
    """Write a face, resized, into a row of each geometry, and note the interpolations."""
    for geometry, target in targets.items():
        target[row], way = resize_face(image, geometry)
        ways[geometry].add(way)


def _normalise(
    preprocessings: Sequence[Preprocessing],
    pixels: Mapping[Geometry, NDArray[Any]],
    used: Mapping[Geometry, set[Interpolation]],
    tasks: Sequence["Future[_Resized]"],
) -> tuple[dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]:
    """Wait for the resized faces, then make a batch of each preprocessing, and note the interpolations."""
    for task in tasks:
        for geometry, ways in task.result()[1].items():
            used[geometry].update(ways)
    arrays = {}
    for preprocessing in preprocessings:
        batch = normalise(pixels[geometry_of(preprocessing)], preprocessing)
        arrays[preprocessing] = (
            batch.copy() if preprocessing.raw else batch
        )  # a function may change its batch
    return arrays, {each: used[geometry_of(each)] for each in preprocessings}


def prepare_on_cluster(
    faces: Sequence[LabelledFace],
    digests: Sequence[str],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
    batch_size: int,
    scheduler: str,
) -> Generator[Prepared, None, None]:
    """Yield what `prefetch` yields, in the same order, decoded and resized on a Dask cluster.

    Raises
    ------
    BtferError
        If the cluster cannot be used, or a face cannot be read there or crashes its worker.
    """
    runner: Runner[tuple[int, LabelledFace, Sequence[str]], _PreparedFace] = Runner(
        0, batch_size, scheduler, None
    )
    items = [
        (number, replace(face, path=face.path.absolute()), digests[number : number + 1])
        for number, face in enumerate(faces)
    ]
    function = partial(_prepare_shard, preprocessings=preprocessings, views=views)
    early: dict[
        int, list[_PreparedFace]
    ] = {}  # batches that arrive before their turn; few are submitted at a time
    turn = 0
    for shard in runner.map(function, items):
        ready: dict[int, _PreparedFace] = {}
        for (index, face, _), result in shard:
            if isinstance(result, Crashed):
                raise BtferError(f"{face.path}: decoding it crashes the worker; replace or remove it")
            ready[index] = result
        first = min(ready)
        early[first] = [ready[index] for index in sorted(ready)]
        while turn in early:
            rows = early.pop(turn)
            turn += len(rows)
            for number in range(len(views)):
                seen = [row[number] for row in rows]
                arrays = {key: np.stack([array[key] for array, _ in seen]) for key in preprocessings[number]}
                ways = {key: set().union(*(used[key] for _, used in seen)) for key in preprocessings[number]}
                yield number, arrays, ways


def _prepare_shard(
    items: Sequence[tuple[int, LabelledFace, Sequence[str]]],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
) -> list[_PreparedFace]:
    """Decode and resize the faces of a shard, on a worker of the cluster."""
    prepared = []
    for _, face, digest in items:
        image = _decode(face, "".join(digest))
        prepared_face: _PreparedFace = []
        for view, needed in zip(views, preprocessings, strict=True):
            pixels = {geometry_of(each): empty_faces(geometry_of(each), 1) for each in needed}
            used = _no_ways(pixels)
            _resize(pixels, 0, view(image, face), used)
            arrays, ways = _normalise(needed, pixels, used, [])
            prepared_face.append(({preprocessing: array[0] for preprocessing, array in arrays.items()}, ways))
        prepared.append(prepared_face)
    return prepared
