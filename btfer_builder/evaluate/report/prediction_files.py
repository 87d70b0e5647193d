"""The predictions of a model as files: a table for people and programs, and the arrays with the raw outputs."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.evaluate.metrics.sources import source_groups
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS


def write_predictions(
    folder: Path, faces: Sequence[LabelledFace], predictions: Predictions, labels: Labels
) -> None:
    """Write `predictions.csv` and `predictions.npz`, a row a face, in full precision.

    The table has one probability a class, empty where the model lacks the class or its outputs are no probabilities,
    and the number of the photo or creator that a face shares with others (`source`, of `source_groups`). The arrays are
    `face_id`, `emotion` and `predicted` (text), `probabilities` (float64, NaN where the table is empty) in the order of
    `emotions`, and `outputs` (float32), what the model gave, in the order of `labels`.
    """
    columns = ["face_id", "path", "emotion", "predicted", "correct"]
    columns += [*(f"p_{emotion}" for emotion in EMOTIONS), "source"]
    write_csv(folder / "predictions.csv", columns, prediction_rows(faces, predictions))
    content = io.BytesIO()
    np.savez_compressed(
        content,
        face_id=np.array([printable(face.face_id) for face in faces]),
        emotion=np.array([face.emotion for face in faces]),
        predicted=np.array([EMOTIONS[column] for column in predictions.predicted]),
        probabilities=predictions.probabilities,
        outputs=predictions.outputs,
        emotions=np.array(EMOTIONS),
        labels=np.array([printable(name) for name in labels.names]),
    )
    write_bytes(folder / "predictions.npz", content.getvalue())


def prediction_rows(faces: Sequence[LabelledFace], predictions: Predictions) -> Iterator[dict[str, str]]:
    """Yield the rows of `predictions.csv`."""
    sources = source_groups(faces)
    for face, column, shares, source in zip(
        faces, predictions.predicted, predictions.probabilities, sources, strict=True
    ):
        answer = EMOTIONS[column]
        yield (
            {
                "face_id": printable(face.face_id),
                "path": printable(str(face.path)),
                "emotion": face.emotion,
                "predicted": answer,
                "correct": str(answer == face.emotion).lower(),
            }
            | {
                f"p_{emotion}": "" if np.isnan(share) else repr(float(share))
                for emotion, share in zip(EMOTIONS, shares, strict=True)
            }
            | {"source": str(source)}
        )
