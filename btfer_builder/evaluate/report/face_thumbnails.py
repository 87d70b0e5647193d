"""The small pictures of the report: which faces it shows, and each as a few kilobytes of new JPEG."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.outputs import Predictions
from btfer_builder.images.decode import decode_image
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS, Emotion

#: How many confident errors the report shows, and how many faces of a cell that is wrong or right. With 49 cells
#: and 3 kB a picture, a page stays under 5 MB however large the set is.
MAX_ERRORS = 12
MAX_WRONG, MAX_RIGHT = 24, 12

#: Longer side of a picture in pixels, twice what it is shown at; quality of its JPEG.
THUMBNAIL, QUALITY = 144, 72


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face with what the model made of it: its confidence in 0…1, and the picture as a data URI."""

    face_id: str
    true: Emotion
    predicted: Emotion
    confidence: float
    picture: str


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """The faces behind a cell of the confusion matrix: how many, and the first of them, the surest first."""

    true: Emotion
    predicted: Emotion
    count: int
    shown: tuple[ShownFace, ...]


def worst_errors(faces: Sequence[LabelledFace], predictions: Predictions) -> list[ShownFace]:
    """Return the at most twelve wrong answers the model was surest of, surest first."""
    wrong = [row for row, face in enumerate(faces) if EMOTIONS[predictions.predicted[row]] != face.emotion]
    return _show(faces, predictions, _surest(faces, predictions, wrong)[:MAX_ERRORS])


def cells(faces: Sequence[LabelledFace], predictions: Predictions) -> list[ConfusionCell]:
    """Return the cells of the confusion matrix that hold faces, row by row, with some of the faces."""
    rows: dict[tuple[Emotion, Emotion], list[int]] = {}
    for row, face in enumerate(faces):
        rows.setdefault((face.emotion, EMOTIONS[predictions.predicted[row]]), []).append(row)
    order = [(true, said) for true in EMOTIONS for said in EMOTIONS if (true, said) in rows]
    picked = {
        key: _surest(faces, predictions, rows[key])[: MAX_RIGHT if key[0] == key[1] else MAX_WRONG]
        for key in order
    }
    shown = iter(_show(faces, predictions, [row for key in order for row in picked[key]]))
    return [ConfusionCell(*key, len(rows[key]), tuple(next(shown) for _ in picked[key])) for key in order]


def _surest(faces: Sequence[LabelledFace], predictions: Predictions, rows: list[int]) -> list[int]:
    chances = predictions.probabilities[np.arange(len(faces)), predictions.predicted]
    return sorted(rows, key=lambda row: (-chances[row], faces[row].face_id))


def _show(faces: Sequence[LabelledFace], predictions: Predictions, rows: Sequence[int]) -> list[ShownFace]:
    with ThreadPoolExecutor(2) as pool:
        pictures = list(pool.map(lambda row: thumbnail(faces[row]), rows))
    return [
        ShownFace(
            printable(faces[row].face_id),
            faces[row].emotion,
            EMOTIONS[predictions.predicted[row]],
            float(predictions.probabilities[row, predictions.predicted[row]]),
            picture,
        )
        for row, picture in zip(rows, pictures, strict=True)
    ]


def thumbnail(face: LabelledFace) -> str:
    """Return a face as a data URI; it is encoded anew, so none of the file's own bytes get through."""
    from PIL import Image

    picture = Image.fromarray(decode_image(face.path))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
