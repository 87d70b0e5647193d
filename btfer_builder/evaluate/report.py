"""Write a result down for people: the table of predictions and the self-contained report page."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btfer_builder.decode import decode_image
from btfer_builder.emotions import EMOTIONS, Emotion
from btfer_builder.evaluate.faces import LabelledFace
from btfer_builder.evaluate.metrics import Scores
from btfer_builder.evaluate.predict import Predictions
from btfer_builder.files import write_csv

#: How many confident errors the report shows, and the longer side of their pictures.
MAX_ERRORS = 12
THUMBNAIL = 96


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the page shows besides the faces themselves; the plots are PNG files."""

    model: str
    set_name: str
    scores: Scores
    signature: str
    notes: tuple[str, ...]
    preprocessing: dict[str, Any]
    versions: dict[str, str]
    plot_light: bytes
    plot_dark: bytes


@dataclass(frozen=True, slots=True)
class ConfidentError:
    """A face the model got wrong, with its confidence in 0…1 and the face as a data URI."""

    face_id: str
    true: Emotion
    predicted: Emotion
    confidence: float
    picture: str


def write_predictions(path: Path, faces: Sequence[LabelledFace], predictions: Predictions) -> None:
    """Write `predictions.csv`: a row a face, a probability a class, empty where the model lacks it."""
    columns = ["face_id", "path", "emotion", "predicted", "correct"]
    columns += [f"p_{emotion}" for emotion in EMOTIONS]
    write_csv(path, columns, _rows(faces, predictions))


def _rows(faces: Sequence[LabelledFace], predictions: Predictions) -> Iterator[dict[str, str]]:
    for face, column, shares in zip(faces, predictions.predicted, predictions.probabilities, strict=True):
        answer = EMOTIONS[column]
        yield {
            "face_id": _shown(face.face_id),
            "path": _shown(str(face.path)),
            "emotion": face.emotion,
            "predicted": answer,
            "correct": str(answer == face.emotion).lower(),
        } | {
            f"p_{emotion}": "" if np.isnan(share) else f"{share:.6f}"
            for emotion, share in zip(EMOTIONS, shares, strict=True)
        }


def worst_errors(faces: Sequence[LabelledFace], predictions: Predictions) -> list[ConfidentError]:
    """Return the at most twelve wrong answers the model was surest of, surest first."""
    chances = predictions.probabilities[np.arange(len(faces)), predictions.predicted]
    wrong = [row for row, face in enumerate(faces) if EMOTIONS[predictions.predicted[row]] != face.emotion]
    wrong.sort(key=lambda row: (-chances[row], faces[row].face_id))
    return [
        ConfidentError(
            face_id=_shown(faces[row].face_id),
            true=faces[row].emotion,
            predicted=EMOTIONS[predictions.predicted[row]],
            confidence=float(chances[row]),
            picture=_thumbnail(faces[row].path),
        )
        for row in wrong[:MAX_ERRORS]
    ]


def report_html(results: Results, faces: Sequence[LabelledFace], predictions: Predictions) -> bytes:
    """Return `report.html`: one file with everything in it, which asks nothing of the network."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("btfer_builder.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"percent": _percent, "data_uri": _data_uri}
    page = pages.get_template("report.html.j2").render(
        results=results,
        model=_shown(results.model),
        scores=results.scores,
        summary=summary(results.scores),
        errors=worst_errors(faces, predictions),
    )
    return page.encode("utf-8")


def summary(scores: Scores) -> list[str]:
    """Say in plain sentences what the numbers mean."""
    low, high = scores.accuracy_interval
    right = sum(scores.confusion[i][i] for i in range(len(EMOTIONS)))
    largest = max(one.support for one in scores.per_class.values()) / scores.n
    sentences = [
        f"The model names the right emotion for {right:,} of {scores.n:,} faces, {_percent(scores.accuracy)} "
        f"(95% interval {_percent(low)} to {_percent(high)}).",
        f"Always answering with the largest class would get {_percent(largest)}.",
    ]
    there = [emotion for emotion in EMOTIONS if scores.per_class[emotion].support]
    best = max(there, key=lambda emotion: scores.per_class[emotion].recall)
    worst = min(there, key=lambda emotion: scores.per_class[emotion].recall)
    if scores.per_class[best].recall > scores.per_class[worst].recall:
        said = f"It recognises {best} best ({_percent(scores.per_class[best].recall)} of its faces)"
        said += f" and {worst} least ({_percent(scores.per_class[worst].recall)}"
        row = list(scores.confusion[EMOTIONS.index(worst)])
        row[EMOTIONS.index(worst)] = 0
        taken = f"; most often it takes it for {EMOTIONS[row.index(max(row))]}" if max(row) else ""
        sentences.append(f"{said}{taken}).")
    return sentences


def _thumbnail(path: Path) -> str:
    """Return a face as a data URI; it is encoded anew, so none of the file's own bytes get through."""
    from PIL import Image

    picture = Image.fromarray(decode_image(path))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    picture.save(png, "PNG")
    return _data_uri(png.getvalue())


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _shown(name: str) -> str:
    """Make a file name printable even if it is no valid UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
