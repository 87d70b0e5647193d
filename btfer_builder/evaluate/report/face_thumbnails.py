"""The faces that a report shows, and their thumbnails."""

import base64
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.outputs import Predictions
from btfer_builder.images.decode import decode_image
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS, Emotion

#: Maximum number of confident errors, and of faces of a cell off and on the diagonal. With 49 cells and 3 kB per
#: thumbnail a page is below 5 MB for every set.
MAX_ERRORS = 12
MAX_WRONG, MAX_RIGHT = 24, 12

#: Longer side of a thumbnail in pixels, twice its size on the page; quality of its JPEG.
THUMBNAIL, QUALITY = 144, 72


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face with its prediction, the confidence in 0…1 or None, and its thumbnail as a data URI.

    `anchor` is its place in the page, in its cell of the confusion matrix.
    """

    face_id: str
    anchor: str
    true: Emotion
    predicted: Emotion
    confidence: float | None
    picture: str


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """A cell of the confusion matrix: its number of faces, and some of them, most confident first."""

    true: Emotion
    predicted: Emotion
    count: int
    shown: tuple[ShownFace, ...]


def worst_errors(faces: Sequence[LabelledFace], predictions: Predictions) -> list[ShownFace]:
    """Return up to twelve wrong predictions, most confident first."""
    wrong = [row for row, face in enumerate(faces) if EMOTIONS[predictions.predicted[row]] != face.emotion]
    return _show(faces, predictions, _most_confident(faces, predictions, wrong)[:MAX_ERRORS])


def cells(faces: Sequence[LabelledFace], predictions: Predictions) -> list[ConfusionCell]:
    """Return the cells of the confusion matrix that have faces, row by row, with some of the faces."""
    rows: dict[tuple[Emotion, Emotion], list[int]] = {}
    for row, face in enumerate(faces):
        rows.setdefault((face.emotion, EMOTIONS[predictions.predicted[row]]), []).append(row)
    order = [(true, predicted) for true in EMOTIONS for predicted in EMOTIONS if (true, predicted) in rows]
    picked = {
        key: _most_confident(faces, predictions, rows[key])[: MAX_RIGHT if key[0] == key[1] else MAX_WRONG]
        for key in order
    }
    shown = iter(_show(faces, predictions, [row for key in order for row in picked[key]]))
    return [ConfusionCell(*key, len(rows[key]), tuple(next(shown) for _ in picked[key])) for key in order]


def _most_confident(faces: Sequence[LabelledFace], predictions: Predictions, rows: list[int]) -> list[int]:
    confidence = predictions.confidence
    return sorted(rows, key=lambda row: (-confidence[row], faces[row].face_id))


def _show(faces: Sequence[LabelledFace], predictions: Predictions, rows: Sequence[int]) -> list[ShownFace]:
    with ThreadPoolExecutor(2) as pool:
        pictures = list(pool.map(lambda row: thumbnail(faces[row]), rows))
    return [
        ShownFace(
            printable(faces[row].face_id),
            face_anchor(printable(faces[row].face_id)),
            faces[row].emotion,
            EMOTIONS[predictions.predicted[row]],
            float(predictions.confidence[row]) if predictions.probabilistic else None,
            picture,
        )
        for row, picture in zip(rows, pictures, strict=True)
    ]


def face_anchor(face_id: str) -> str:
    """Return the anchor of a face in the pages that show it: ids may have characters that an anchor cannot have."""
    return f"face-{hashlib.sha256(face_id.encode()).hexdigest()[:12]}"


def thumbnail(face: LabelledFace) -> str:
    """Return a thumbnail of a face as a data URI; it is encoded again, so no bytes of the file reach the page."""
    from PIL import Image

    picture = Image.fromarray(decode_image(face.path))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
