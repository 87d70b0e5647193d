"""Ask a model about every face, so that the faces whose label it doubts can be looked at first."""

import hashlib
from pathlib import Path

import numpy as np

from btfer_builder.catalog.review import review_items
from btfer_builder.catalog.review_signals import add_predictions, picture_paths, predictions_of
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.predict import predict_jobs
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.preprocessing.resolve import resolve_preprocessing
from btfer_builder.io.atomic import file_digest
from btfer_builder.io.terminal import bar
from btfer_builder.workspace import Workspace

#: Faces asked about between two commits: an interruption loses no more.
CHUNK = 512


def ask_model(workspace: Workspace, suspect: Path) -> str:
    """Predict every face of the round that this model was not asked about yet.

    It is fed as `btfer eval` feeds it: as its sidecar says, else as `[eval]` of the recipe does.

    Parameters
    ----------
    workspace
        Whose faces.
    suspect
        A `.keras`, `.h5` or `.hdf5` file.

    Returns
    -------
    str
        The name under which the catalog holds what this model says, fed so.

    Raises
    ------
    BtferError
        If the model cannot be used, or a face cannot be read.
    """
    catalog, model = workspace.catalog, load_model(suspect)
    recipe = resolve_preprocessing(model, workspace.recipe.eval).recipe
    job = make_job(model, recipe)
    fed = f"{file_digest(suspect)}|{job.labels}|{job.feeding}"
    name = hashlib.sha256(fed.encode()).hexdigest()[:16]
    known = predictions_of(catalog, name)
    items = {item.item_id: item for item in review_items(catalog, "face") if item.item_id not in known}
    faces = [
        LabelledFace(workspace.files / path, items[face_id].listed_under, face_id)  # type: ignore[arg-type]  # it is only decoded
        for face_id, path in picture_paths(catalog, "face", list(items))
        if (workspace.files / path).is_file()
    ]
    with bar(len(faces), "suspect", "faces") as progress:
        for begin in range(0, len(faces), CHUNK):
            chunk = faces[begin : begin + CHUNK]
            ((said,),) = predict_jobs(
                [job], chunk, batch_size=recipe.batch_size, workers=recipe.workers, progress=iter
            )
            rows = [
                [None if np.isnan(share) else float(share) for share in row] for row in said.probabilities
            ]
            add_predictions(catalog, name, {face.face_id: row for face, row in zip(chunk, rows, strict=True)})
            progress.update(len(chunk))
    return name
