"""Fit the temperature of a model on faces outside the set that it is scored on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from btfer_builder.config import Activation, EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.outputs import filled
from btfer_builder.evaluate.inference.predict import ModelRun, predict_jobs
from btfer_builder.evaluate.metrics.calibration import fit_temperature
from btfer_builder.evaluate.same_faces import hash_pictures, same_faces
from btfer_builder.labels import EMOTIONS


def check_apart(calibration: Sequence[LabelledFace], faces: Sequence[LabelledFace]) -> None:
    """Check that no picture of the calibration data is one of the set, also scaled, compressed again or mirrored.

    Raises
    ------
    BtferError
        If one is, or cannot be decoded.
    """
    hashes = [hash_pictures(calibration, "calibration data"), hash_pictures(faces, "test set")]
    for items, hashed in zip((calibration, faces), hashes, strict=True):
        broken = {face.face_id: face.reason for face in hashed if face.reason is not None}
        for face in items:
            if face.face_id in broken:
                raise BtferError(
                    f"{face.path}: not a readable face image ({broken[face.face_id]}); replace or remove it"
                )
    both = {leak.face_id: leak for leak in same_faces(calibration, hashes[0], faces, hashes[1], "test set")}
    if both:
        first = next(face for face in calibration if face.face_id in both)
        raise BtferError(
            f"--calibration-data: {len(both)} of {len(calibration)} faces are in the test set, first {first.path} "
            f"({both[first.face_id].item}); fit the temperature on other faces"
        )


def temperature_of(
    job: ModelRun, faces: Sequence[LabelledFace], recipe: EvalRecipe, activation: Activation
) -> float:
    """Return the temperature of a model on calibration faces.

    Parameters
    ----------
    job
        The model as it is scored.
    faces
        At least one, none of them in the test set.
    recipe
        Batch size and workers.
    activation
        What the outputs were found to be on the test set; probabilities.
    """
    ((predictions,),) = predict_jobs(
        [replace(job, activation=activation)],
        faces,
        batch_size=recipe.batch_size,
        workers=recipe.workers,
        progress=iter,
    )
    true = np.array([EMOTIONS.index(face.emotion) for face in faces], np.int64)
    return fit_temperature(true, filled(predictions))
