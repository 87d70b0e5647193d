"""Predict every face with a model, so that reviewers can start with the faces whose label it doubts."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog.review import review_items
from btfer_builder.catalog.review_signals import add_predictions, picture_paths, predictions_of
from btfer_builder.config import EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.outputs import Predictions, map_outputs
from btfer_builder.evaluate.inference.predict import ModelRun, predict_jobs
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.preprocessing.resolve import resolve_preprocessing
from btfer_builder.io.atomic import file_digest
from btfer_builder.io.terminal import bar
from btfer_builder.workspace import Workspace

#: Faces predicted between two commits: an interruption loses no more.
CHUNK = 512

#: The settings of a `Preprocessing` that are part of the name of its predictions.
_NAMED = ("height", "width", "channels", "color", "scale", "mean", "std", "resize", "crop", "raw")

#: Later settings: part of the name where they are not 0.
_LATER = ("resize_to",)


def ask_model(workspace: Workspace, suspect: Path) -> str:
    """Predict the faces of the round for which the catalog has no prediction of this model.

    The preprocessing is that of `btfer eval`: the sidecar's settings, else those of the section `[eval]`.

    Parameters
    ----------
    workspace
        The workspace whose faces are predicted.
    suspect
        A model file or folder of any format.

    Returns
    -------
    str
        The name under which the catalog holds the predictions; see `predictions_name`.

    Raises
    ------
    BtferError
        If the model cannot be used, or a face cannot be read.
    """
    catalog, recipe = workspace.catalog, workspace.recipe.eval
    model = load_model(suspect, architecture=recipe.architecture, output=recipe.output, device=recipe.device)
    recipe = resolve_preprocessing(model, recipe).recipe
    job = make_job(model, recipe)
    digest = model.digest or file_digest(suspect)
    name = predictions_name(job, f"{digest}|{recipe.output}" if recipe.output else digest)
    known = predictions_of(catalog, name)
    items = {item.item_id: item for item in review_items(catalog, "face") if item.item_id not in known}
    faces = [
        LabelledFace(workspace.files / path, items[face_id].listed_under, face_id)  # type: ignore[arg-type]  # only decoded
        for face_id, path in picture_paths(catalog, "face", list(items))
        if (workspace.files / path).is_file()
    ]
    with bar(len(faces), "suspect", "faces") as progress:
        chunks = [faces[begin : begin + CHUNK] for begin in range(0, len(faces), CHUNK)]
        for chunk, probabilities in zip(chunks, predict_chunks(job, chunks, recipe), strict=True):
            rows = [
                [None if np.isnan(share) else float(share) for share in row] for row in probabilities.tolist()
            ]
            add_predictions(catalog, name, {face.face_id: row for face, row in zip(chunk, rows, strict=True)})
            progress.update(len(chunk))
    return name


def predict_chunks(
    job: ModelRun, chunks: Iterable[Sequence[LabelledFace]], recipe: EvalRecipe
) -> Iterator[NDArray[np.float64]]:
    """Yield the probabilities of each chunk of faces, shape (n, emotions); NaN for classes that the model lacks.

    Outputs that are no probabilities get a softmax: what they are is decided on the first chunk.
    """
    for chunk in chunks:
        ((predictions,),) = predict_jobs(
            [job], chunk, batch_size=recipe.batch_size, workers=recipe.workers, progress=iter
        )
        if not predictions.probabilistic:  # only the order of the faces counts here
            predictions = _with_softmax(job, chunk, predictions)
        job = replace(job, activation=predictions.activation)
        yield predictions.probabilities


def _with_softmax(job: ModelRun, faces: Sequence[LabelledFace], predictions: Predictions) -> Predictions:
    return map_outputs(
        job.model, job.labels, faces, predictions.outputs, set(predictions.interpolations), "logits"
    )


def predictions_name(job: ModelRun, digest: str) -> str:
    """Return the name of the predictions of a model: a hash over its file, its labels and its preprocessing.

    The hashed text is that of version 0.1, whose names of the two classes are kept, so that predictions which the
    catalog has are found again.
    """
    labels = _text("Labels", job.labels, ("outputs", "names"))
    named = (*_NAMED, *(name for name in _LATER if getattr(job.preprocessing, name)))
    preprocessing = _text("Feeding", job.preprocessing, named)
    parts = [digest, labels, preprocessing, *([] if job.activation == "auto" else [job.activation])]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _text(name: str, settings: object, fields: Sequence[str]) -> str:
    return f"{name}({', '.join(f'{field}={getattr(settings, field)!r}' for field in fields)})"
