"""Ask models about faces: decoding and resizing run ahead in threads, several models share what is decoded."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.decode import Undecodable, decode_image
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.answers import Labels, Predictions, check_count, read_answers
from btfer_builder.evaluate.faces import LabelledFace
from btfer_builder.evaluate.models import Model
from btfer_builder.evaluate.preprocessing import Feeding, Interpolation, fit, normalise

Pixels = NDArray[np.uint8]
Progress = Callable[[Sequence[LabelledFace]], Iterable[LabelledFace]]
#: What is done to a decoded face, uint8 (h, w, 3) RGB, before a model sees it: a corruption, a smaller size.
View = Callable[[Pixels, LabelledFace], Pixels]

#: Batches prepared ahead of the one that is predicted; with them bounded, so is the memory.
AHEAD = 2

#: Faces a thread decodes at a time.
CHUNK = 16


@dataclass(frozen=True, slots=True)
class Job:
    """A model to be asked, the meaning of its outputs, and how it is fed."""

    model: Model
    labels: Labels
    feeding: Feeding


def as_it_is(image: Pixels, _face: LabelledFace) -> Pixels:
    """Return the face as it was decoded: the view every score is made of."""
    return image


def predict_faces(
    model: Model,
    faces: Sequence[LabelledFace],
    labels: Labels,
    feeding: Feeding,
    *,
    batch_size: int,
    progress: Progress,
) -> Predictions:
    """Ask one model about every face, in order; see `predict_jobs`."""
    job = Job(model, labels, feeding)
    return predict_jobs([job], faces, batch_size=batch_size, progress=progress)[0][0]


def predict_jobs(
    jobs: Sequence[Job],
    faces: Sequence[LabelledFace],
    *,
    batch_size: int,
    progress: Progress,
    workers: int = 2,
    views: Sequence[View] = (as_it_is,),
) -> list[list[Predictions]]:
    """Ask several models about every face under several views, decoding each face once.

    Parameters
    ----------
    jobs
        The models.
    faces
        All of them are predicted, the last batch being smaller if need be.
    batch_size
        Images predicted at a time.
    progress
        Wraps the faces and yields them in order, like `tqdm`.
    workers
        Threads that decode and resize while the models compute.
    views
        What is done to a face first.

    Returns
    -------
    list of list of Predictions
        For each view and each job, in their order; the same as asking for one image after the other.

    Raises
    ------
    BtferError
        If a file cannot be decoded, or a model answers with something that is not finite or has another number
        of classes than labels.
    """
    answers: list[list[list[NDArray[np.float32]]]] = [[[] for _ in jobs] for _ in views]
    ways: list[list[set[Interpolation]]] = [[set() for _ in jobs] for _ in views]
    feedings = list(dict.fromkeys(job.feeding for job in jobs))
    shown = iter(progress(faces))
    with closing(_prepare_ahead(faces, feedings, views, batch_size, workers)) as batches:
        for view, batch, used in batches:
            for number, job in enumerate(jobs):
                answers[view][number].append(_ask(job, batch[job.feeding]))
                ways[view][number] |= used[job.feeding]
            if view == len(views) - 1:
                for _ in range(len(batch[feedings[0]])):
                    next(shown, None)
    next(shown, None)  # a progress bar moves when it is asked for the next face
    return [
        [
            read_answers(
                job.model, job.labels, faces, np.concatenate(answers[view][number]), ways[view][number]
            )
            for number, job in enumerate(jobs)
        ]
        for view in range(len(views))
    ]


def _ask(job: Job, batch: NDArray[Any]) -> NDArray[np.float32]:
    rows = job.model.predict(batch)
    if rows.shape != (len(batch), len(job.labels.outputs)):
        if rows.ndim == 2 and len(rows) == len(batch):
            check_count(job.model, job.labels.names, rows.shape[1])
        raise BtferError(
            f"{job.model.path}: answers {len(batch)} images with the shape {rows.shape}; "
            "expected one row of scores for each"
        )
    return rows


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch under way: which view, the arrays that are being filled, and who fills them."""

    view: int
    arrays: dict[Feeding, NDArray[Any]]
    parts: list["Future[dict[Feeding, set[Interpolation]]]"]

    def finish(self) -> tuple[int, dict[Feeding, NDArray[Any]], dict[Feeding, set[Interpolation]]]:
        used: dict[Feeding, set[Interpolation]] = {feeding: set() for feeding in self.arrays}
        for part in self.parts:
            for feeding, ways in part.result().items():
                used[feeding] |= ways
        return self.view, self.arrays, used


def _prepare_ahead(
    faces: Sequence[LabelledFace],
    feedings: Sequence[Feeding],
    views: Sequence[View],
    batch_size: int,
    workers: int,
) -> Generator[tuple[int, dict[Feeding, NDArray[Any]], dict[Feeding, set[Interpolation]]], None, None]:
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
                    pool.submit(_fill, arrays, at, chunk, images, view)
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
            images.append(decode_image(face.path))
        except Undecodable as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error}); replace or remove it"
            ) from None
    return images


def _fill(
    arrays: dict[Feeding, NDArray[Any]],
    start: int,
    faces: Sequence[LabelledFace],
    images: "Future[list[Pixels]]",
    view: View,
) -> dict[Feeding, set[Interpolation]]:
    """Write a chunk of faces into the batches; models that differ in their scale only share the resizing."""
    ways: dict[Feeding, set[Interpolation]] = {feeding: set() for feeding in arrays}
    for row, (face, image) in enumerate(zip(faces, images.result(), strict=True), start):
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
