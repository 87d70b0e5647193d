"""Predict faces with one or several models, which share the decoding."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import Activation
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.kept_faces import View, as_it_is, open_kept_faces
from btfer_builder.evaluate.inference.outputs import (
    Labels,
    Predictions,
    check_activation,
    check_count,
    map_outputs,
)
from btfer_builder.evaluate.inference.prefetch import prefetch, prepare_on_cluster
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.images.face_cache import MEMORY, FaceCache
from btfer_builder.networks.preprocessing import Preprocessing
from btfer_builder.networks.resizing import Interpolation

Progress = Callable[[Sequence[LabelledFace]], Iterable[LabelledFace]]


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model, the meaning of its outputs, and its preprocessing.

    Attributes
    ----------
    variant_of
        The job of which this is one with another preprocessing: it predicts the original faces only, and takes the
        answers of that job where both get the same pixels.
    """

    model: Model
    labels: Labels
    preprocessing: Preprocessing
    activation: Activation = "auto"
    variant_of: "ModelRun | None" = None


def predict_jobs(
    jobs: Sequence[ModelRun],
    faces: Sequence[LabelledFace],
    *,
    batch_size: int,
    progress: Progress,
    workers: int = 2,
    scheduler: str = "",
    views: Sequence[View] = (as_it_is,),
    digests: Sequence[str] = (),
    cache: FaceCache = MEMORY,
    memory: int = 0,
) -> list[list[Predictions]]:
    """Predict every face under several views with several models, decoding each face once.

    Parameters
    ----------
    jobs
        The models.
    faces
        All of them are predicted; the last batch can be smaller.
    batch_size
        Images predicted at a time.
    progress
        Wraps the faces and yields them in order, like `tqdm`.
    workers
        Threads that decode and resize while the models compute.
    scheduler
        Dask cluster that decodes and resizes instead, as `tcp://HOST:PORT`; its workers need the faces at the same
        paths.
    views
        Transforms of a decoded face.
    digests
        The SHA-256 of each face's file; empty if they are not known, so that no face is kept.
    cache, memory
        Where resized faces are kept for the next call, and for how many megabytes.

    Returns
    -------
    list of list of Predictions
        For each view and each job, in their order; the same as predicting one image at a time. Variants of jobs, which
        come last, have predictions in the first view only.

    Raises
    ------
    BtferError
        If a file cannot be decoded, or an output of a model is not finite or has another number of classes than
        there are labels.
    """
    answers: list[list[list[NDArray[np.float32]]]] = [[[] for _ in jobs] for _ in views]
    ways: list[list[set[Interpolation]]] = [[set() for _ in jobs] for _ in views]
    preprocessings = [
        list(dict.fromkeys(job.preprocessing for job in jobs if not view or job.variant_of is None))
        for view in range(len(views))
    ]
    if scheduler:
        ahead = prepare_on_cluster(faces, digests, preprocessings, views, batch_size, scheduler)
    else:
        limit = memory * 1_000_000 if digests else 0
        kept = open_kept_faces(faces, digests, preprocessings, views, cache, limit)
        ahead = prefetch(faces, preprocessings, views, batch_size, workers, kept)
    with closing(ahead) as batches, closing(_each(progress(faces))) as shown:
        next(shown, None)  # a progress bar starts with its first face and moves when the next one is taken
        for view, batch, used in batches:
            for number, job in enumerate(jobs):
                if job.preprocessing in batch:
                    answers[view][number].append(_answers(job, batch, jobs, answers[view]))
                    ways[view][number] |= used[job.preprocessing]
            if view == len(views) - 1:
                for _ in range(len(batch[preprocessings[0][0]])):
                    next(shown, None)
    found: list[list[Predictions]] = [[] for _ in views]
    for number, job in enumerate(jobs):
        activation = job.activation
        check_activation(job.model, np.concatenate(answers[0][number]), activation)
        for view in range(1 if job.variant_of else len(views)):
            outputs = np.concatenate(answers[view][number])
            predictions = map_outputs(job.model, job.labels, faces, outputs, ways[view][number], activation)
            found[view].append(predictions)
            activation = predictions.activation  # decided on the first view, for the model
    return found


def _each(items: Iterable[LabelledFace]) -> Generator[LabelledFace, None, None]:
    """Yield the items; closing this generator also closes their source, such as a progress bar."""
    yield from items


def _answers(
    job: ModelRun,
    batch: dict[Preprocessing, NDArray[Any]],
    jobs: Sequence[ModelRun],
    answers: Sequence[Sequence[NDArray[np.float32]]],
) -> NDArray[np.float32]:
    original = job.variant_of
    if original is not None and np.array_equal(batch[job.preprocessing], batch[original.preprocessing]):
        return next(rows[-1] for each, rows in zip(jobs, answers, strict=True) if each is original)
    return _predict_batch(job, batch[job.preprocessing])


def _predict_batch(job: ModelRun, batch: NDArray[Any]) -> NDArray[np.float32]:
    rows = job.model.predict(batch)
    if rows.shape != (len(batch), len(job.labels.outputs)):
        if rows.ndim == 2 and len(rows) == len(batch):
            check_count(job.model, job.labels.names, rows.shape[1])
        raise BtferError(
            f"{job.model.where}: answers {len(batch)} images with the shape {rows.shape}; "
            "expected one row of scores for each"
        )
    return rows
