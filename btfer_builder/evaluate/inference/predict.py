"""Ask models about faces; several models share what is decoded."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.outputs import Labels, Predictions, check_count, read_answers
from btfer_builder.evaluate.inference.prefetch import View, as_it_is, prefetch, prepare_on_cluster
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.resolve import Feeding, Interpolation

Progress = Callable[[Sequence[LabelledFace]], Iterable[LabelledFace]]


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model to be asked, the meaning of its outputs, and how it is fed."""

    model: Model
    labels: Labels
    feeding: Feeding


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
    job = ModelRun(model, labels, feeding)
    return predict_jobs([job], faces, batch_size=batch_size, progress=progress)[0][0]


def predict_jobs(
    jobs: Sequence[ModelRun],
    faces: Sequence[LabelledFace],
    *,
    batch_size: int,
    progress: Progress,
    workers: int = 2,
    scheduler: str = "",
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
    scheduler
        A Dask cluster that does it instead, as `tcp://HOST:PORT`; its workers see the faces under the same paths.
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
    ahead = (
        prepare_on_cluster(faces, feedings, views, batch_size, scheduler)
        if scheduler
        else prefetch(faces, feedings, views, batch_size, workers)
    )
    with closing(ahead) as batches, closing(_each(progress(faces))) as shown:
        next(
            shown, None
        )  # a progress bar begins with its first face, and moves when it is asked for the next
        for view, batch, used in batches:
            for number, job in enumerate(jobs):
                answers[view][number].append(_ask(job, batch[job.feeding]))
                ways[view][number] |= used[job.feeding]
            if view == len(views) - 1:
                for _ in range(len(batch[feedings[0]])):
                    next(shown, None)
    return [
        [
            read_answers(
                job.model, job.labels, faces, np.concatenate(answers[view][number]), ways[view][number]
            )
            for number, job in enumerate(jobs)
        ]
        for view in range(len(views))
    ]


def _each(items: Iterable[LabelledFace]) -> Generator[LabelledFace, None, None]:
    """Yield the items; whoever closes this closes what they come from, a bar's line too."""
    yield from items


def _ask(job: ModelRun, batch: NDArray[Any]) -> NDArray[np.float32]:
    rows = job.model.predict(batch)
    if rows.shape != (len(batch), len(job.labels.outputs)):
        if rows.ndim == 2 and len(rows) == len(batch):
            check_count(job.model, job.labels.names, rows.shape[1])
        raise BtferError(
            f"{job.model.path}: answers {len(batch)} images with the shape {rows.shape}; "
            "expected one row of scores for each"
        )
    return rows
