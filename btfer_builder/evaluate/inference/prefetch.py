"""Decode and resize faces ahead of the models, in threads or on a cluster."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import Undecodable, decode_image, decode_plain_png
from btfer_builder.networks.preprocessing import Interpolation, Preprocessing, normalise, resize_face
from btfer_builder.parallel import Crashed, Runner

Pixels = NDArray[np.uint8]
#: Transforms a decoded face, uint8 (h, w, 3) RGB, before preprocessing: a corruption, a lower resolution.
View = Callable[[Pixels, LabelledFace], Pixels]
#: The index of a view, and for each preprocessing a batch and the interpolations used for it.
Prepared = tuple[int, dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]
#: The same for one face, a pair for each view.
_PreparedFace = list[tuple[dict[Preprocessing, NDArray[Any]], dict[Preprocessing, set[Interpolation]]]]

#: Batches prepared ahead of the one that is predicted; the bound limits the memory.
AHEAD = 2

#: Faces that a thread decodes at a time.
CHUNK = 16


def as_it_is(image: Pixels, _face: LabelledFace) -> Pixels:
    """Return the face unchanged: the view on which the scores are computed."""
    return image


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch in preparation: the index of its view, its arrays, and the tasks that fill them."""

    view: int
    arrays: dict[Preprocessing, NDArray[Any]]
    tasks: list["Future[dict[Preprocessing, set[Interpolation]]]"]

    def finish(self) -> Prepared:
        used: dict[Preprocessing, set[Interpolation]] = {
            preprocessing: set() for preprocessing in self.arrays
        }
        for task in self.tasks:
            for preprocessing, ways in task.result().items():
                used[preprocessing] |= ways
        return self.view, self.arrays, used


def prefetch(
    faces: Sequence[LabelledFace],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
    batch_size: int,
    workers: int,
) -> Generator[Prepared, None, None]:
    """Yield every batch under every view: index of the view, arrays and interpolations by preprocessing.

    `preprocessings` are those of each view.
    """
    pending: deque[_Pending] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="btfer-decode")
    try:
        for start in range(0, len(faces), batch_size):
            batch = faces[start : start + batch_size]
            chunks = [(at, batch[at : at + CHUNK]) for at in range(0, len(batch), CHUNK)]
            decoded = [pool.submit(_decode, chunk) for _, chunk in chunks]
            for number, view in enumerate(views):
                arrays = {
                    preprocessing: _empty_batch(preprocessing, len(batch))
                    for preprocessing in preprocessings[number]
                }
                # A task waits for its decoding, which is before it in the queue, so there is no deadlock.
                tasks = [
                    pool.submit(_fill_decoded, arrays, at, chunk, images, view)
                    for (at, chunk), images in zip(chunks, decoded, strict=True)
                ]
                pending.append(_Pending(number, arrays, tasks))
                if len(pending) > AHEAD:
                    yield pending.popleft().finish()
        while pending:
            yield pending.popleft().finish()
    finally:
        pool.shutdown(cancel_futures=True)


def _empty_batch(preprocessing: Preprocessing, count: int) -> NDArray[Any]:
    shape = (count, preprocessing.height, preprocessing.width, preprocessing.channels)
    return np.empty(shape, np.uint8 if preprocessing.raw else np.float32)


def _decode(faces: Sequence[LabelledFace]) -> list[Pixels]:
    images = []
    for face in faces:
        try:
            plain = None
            if str(face.path).lower().endswith(".png"):  # other files are read once, by the decoder
                plain = decode_plain_png(face.path.read_bytes())
            images.append(decode_image(face.path) if plain is None else plain)
        except (Undecodable, OSError) as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error}); replace or remove it"
            ) from None
    return images


def _fill_decoded(
    arrays: dict[Preprocessing, NDArray[Any]],
    start: int,
    faces: Sequence[LabelledFace],
    images: "Future[list[Pixels]]",
    view: View,
) -> dict[Preprocessing, set[Interpolation]]:
    """Wait for the images, then `_fill`."""
    return _fill(arrays, start, faces, images.result(), view)


def _fill(
    arrays: dict[Preprocessing, NDArray[Any]],
    start: int,
    faces: Sequence[LabelledFace],
    images: Sequence[Pixels],
    view: View,
) -> dict[Preprocessing, set[Interpolation]]:
    """Write a chunk of faces into the batches; models that differ only in the scale share the resizing."""
    ways: dict[Preprocessing, set[Interpolation]] = {preprocessing: set() for preprocessing in arrays}
    for row, (face, image) in enumerate(zip(faces, images, strict=True), start):
        seen = view(image, face)
        fitted: dict[Preprocessing, tuple[Pixels, Interpolation]] = {}
        for preprocessing, array in arrays.items():
            key = replace(preprocessing, scale="0,255", mean=(), std=(), raw=False)
            if key not in fitted:
                fitted[key] = resize_face(seen, preprocessing)
            pixels, way = fitted[key]
            array[row] = normalise(pixels, preprocessing)
            ways[preprocessing].add(way)
    return ways


def prepare_on_cluster(
    faces: Sequence[LabelledFace],
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
    runner: Runner[tuple[int, LabelledFace], _PreparedFace] = Runner(0, batch_size, scheduler, None)
    absolute = [replace(face, path=face.path.absolute()) for face in faces]
    function = partial(_prepare_shard, preprocessings=preprocessings, views=views)
    early: dict[
        int, list[_PreparedFace]
    ] = {}  # batches that arrive before their turn; few are submitted at a time
    turn = 0
    for shard in runner.map(function, list(enumerate(absolute))):
        ready: dict[int, _PreparedFace] = {}
        for (index, face), result in shard:
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
    items: Sequence[tuple[int, LabelledFace]],
    preprocessings: Sequence[Sequence[Preprocessing]],
    views: Sequence[View],
) -> list[_PreparedFace]:
    """Decode and resize the faces of a shard, on a worker of the cluster."""
    prepared = []
    for _, face in items:
        images = _decode([face])
        prepared_face: _PreparedFace = []
        for view, needed in zip(views, preprocessings, strict=True):
            arrays = {preprocessing: _empty_batch(preprocessing, 1) for preprocessing in needed}
            ways = _fill(arrays, 0, [face], images, view)
            prepared_face.append(({preprocessing: array[0] for preprocessing, array in arrays.items()}, ways))
        prepared.append(prepared_face)
    return prepared
