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
from btfer_builder.evaluate.preprocessing.resolve import Feeding, Interpolation, fit, normalise
from btfer_builder.images.decode import Undecodable, decode_image, decode_plain_png
from btfer_builder.parallel import Crashed, Runner

Pixels = NDArray[np.uint8]
#: What is done to a decoded face, uint8 (h, w, 3) RGB, before a model sees it: a corruption, a smaller size.
View = Callable[[Pixels, LabelledFace], Pixels]
#: The number of a view, a batch for each feeding, and the kernels that resized it.
Prepared = tuple[int, dict[Feeding, NDArray[Any]], dict[Feeding, set[Interpolation]]]
#: The same of one face under every view.
_One = list[tuple[dict[Feeding, NDArray[Any]], dict[Feeding, set[Interpolation]]]]

#: Batches prepared ahead of the one that is predicted; with them bounded, so is the memory.
AHEAD = 2

#: Faces a thread decodes at a time.
CHUNK = 16


def as_it_is(image: Pixels, _face: LabelledFace) -> Pixels:
    """Return the face as it was decoded: the view every score is made of."""
    return image


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch under way: which view, the arrays that are being filled, and who fills them."""

    view: int
    arrays: dict[Feeding, NDArray[Any]]
    parts: list["Future[dict[Feeding, set[Interpolation]]]"]

    def finish(self) -> Prepared:
        used: dict[Feeding, set[Interpolation]] = {feeding: set() for feeding in self.arrays}
        for part in self.parts:
            for feeding, ways in part.result().items():
                used[feeding] |= ways
        return self.view, self.arrays, used


def prefetch(
    faces: Sequence[LabelledFace],
    feedings: Sequence[Feeding],
    views: Sequence[View],
    batch_size: int,
    workers: int,
) -> Generator[Prepared, None, None]:
    """Yield view number, a batch for each feeding and the kernels used; views of a batch one after the other."""
    pending: deque[_Pending] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="btfer-decode")
    try:
        for start in range(0, len(faces), batch_size):
            batch = faces[start : start + batch_size]
            chunks = [(at, batch[at : at + CHUNK]) for at in range(0, len(batch), CHUNK)]
            decoded = [pool.submit(_decode, chunk) for _, chunk in chunks]
            for number, view in enumerate(views):
                arrays = {feeding: _room(feeding, len(batch)) for feeding in feedings}
                # A part waits for its decoding, which is ahead of it in the queue: no two wait for each other.
                parts = [
                    pool.submit(_fill_decoded, arrays, at, chunk, images, view)
                    for (at, chunk), images in zip(chunks, decoded, strict=True)
                ]
                pending.append(_Pending(number, arrays, parts))
                if len(pending) > AHEAD:
                    yield pending.popleft().finish()
        while pending:
            yield pending.popleft().finish()
    finally:
        pool.shutdown(cancel_futures=True)


def _room(feeding: Feeding, count: int) -> NDArray[Any]:
    shape = (count, feeding.height, feeding.width, feeding.channels)
    return np.empty(shape, np.uint8 if feeding.raw else np.float32)


def _decode(faces: Sequence[LabelledFace]) -> list[Pixels]:
    images = []
    for face in faces:
        try:
            plain = None
            if str(face.path).lower().endswith(".png"):  # of others not a byte is read twice
                plain = decode_plain_png(face.path.read_bytes())
            images.append(decode_image(face.path) if plain is None else plain)
        except (Undecodable, OSError) as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error}); replace or remove it"
            ) from None
    return images


def _fill_decoded(
    arrays: dict[Feeding, NDArray[Any]],
    start: int,
    faces: Sequence[LabelledFace],
    images: "Future[list[Pixels]]",
    view: View,
) -> dict[Feeding, set[Interpolation]]:
    """Wait for the images, then `_fill`."""
    return _fill(arrays, start, faces, images.result(), view)


def _fill(
    arrays: dict[Feeding, NDArray[Any]],
    start: int,
    faces: Sequence[LabelledFace],
    images: Sequence[Pixels],
    view: View,
) -> dict[Feeding, set[Interpolation]]:
    """Write a chunk of faces into the batches; models that differ in their scale only share the resizing."""
    ways: dict[Feeding, set[Interpolation]] = {feeding: set() for feeding in arrays}
    for row, (face, image) in enumerate(zip(faces, images, strict=True), start):
        seen = view(image, face)
        fitted: dict[Feeding, tuple[Pixels, Interpolation]] = {}
        for feeding, array in arrays.items():
            key = replace(feeding, scale="0,255", mean=(), std=(), raw=False)
            if key not in fitted:
                fitted[key] = fit(seen, feeding)
            pixels, way = fitted[key]
            array[row] = normalise(pixels, feeding)
            ways[feeding].add(way)
    return ways


def prepare_on_cluster(
    faces: Sequence[LabelledFace],
    feedings: Sequence[Feeding],
    views: Sequence[View],
    batch_size: int,
    scheduler: str,
) -> Generator[Prepared, None, None]:
    """Yield what `prefetch` yields, in the same order, decoded and resized on a Dask cluster.

    Raises
    ------
    BtferError
        If the cluster cannot be used, or a face cannot be read there or kills the worker that reads it.
    """
    runner: Runner[tuple[int, LabelledFace], _One] = Runner(0, batch_size, scheduler, None)
    seen_from_anywhere = [replace(face, path=face.path.absolute()) for face in faces]
    function = partial(_prepare_shard, feedings=feedings, views=views)
    early: dict[int, list[_One]] = {}  # what came before its turn; the cluster is given few batches at a time
    turn = 0
    for shard in runner.map(function, list(enumerate(seen_from_anywhere))):
        ready: dict[int, _One] = {}
        for (place, face), result in shard:
            if isinstance(result, Crashed):
                raise BtferError(f"{face.path}: decoding it killed the worker; replace or remove it")
            ready[place] = result
        first = min(ready)
        early[first] = [ready[place] for place in sorted(ready)]
        while turn in early:
            rows = early.pop(turn)
            turn += len(rows)
            for number in range(len(views)):
                seen = [row[number] for row in rows]
                arrays = {feeding: np.stack([array[feeding] for array, _ in seen]) for feeding in feedings}
                ways = {feeding: set().union(*(way[feeding] for _, way in seen)) for feeding in feedings}
                yield number, arrays, ways


def _prepare_shard(
    items: Sequence[tuple[int, LabelledFace]], feedings: Sequence[Feeding], views: Sequence[View]
) -> list[_One]:
    """Decode and resize the faces of a shard on whatever machine this is."""
    prepared = []
    for _, face in items:
        images = _decode([face])
        one: _One = []
        for view in views:
            arrays = {feeding: _room(feeding, 1) for feeding in feedings}
            ways = _fill(arrays, 0, [face], images, view)
            one.append(({feeding: array[0] for feeding, array in arrays.items()}, ways))
        prepared.append(one)
    return prepared
