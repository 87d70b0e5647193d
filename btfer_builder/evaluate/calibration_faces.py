"""Fit the temperature of a model on faces outside the set that it is scored on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from btfer_builder.config import Activation, EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.outputs import filled
from btfer_builder.evaluate.inference.predict import ModelRun, predict_jobs
from btfer_builder.evaluate.metrics.calibration import fit_temperature
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import pixel_hash
from btfer_builder.labels import EMOTIONS


def check_apart(calibration: Sequence[LabelledFace], faces: Sequence[LabelledFace], workers: int = 2) -> None:
    """Check that no face of the calibration data is in the set, by the pixels.

    Raises
    ------
    BtferError
        If one is, or a face cannot be decoded.
    """

    def pixels(face: LabelledFace) -> str:
        try:
            return pixel_hash(decode_image(face.path))
        except (Undecodable, OSError) as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error}); replace or remove it"
            ) from None

    with ThreadPoolExecutor(workers) as pool:
        tested = dict(zip(pool.map(pixels, faces), faces, strict=True))
        both = [
            (face, tested[digest])
            for digest, face in zip(pool.map(pixels, calibration), calibration, strict=True)
            if digest in tested
        ]
    if both:
        face, other = both[0]
        raise BtferError(
            f"--calibration-data: {len(both)} of {len(calibration)} faces are in the test set, first {face.path} "
            f"({other.face_id}); fit the temperature on other faces"
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
