"""Score one model on a set of faces, from the model's file to the folder with the report."""

import hashlib
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from btfer_builder import __version__
from btfer_builder.emotions import EMOTIONS
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.faces import LabelledFace
from btfer_builder.evaluate.metrics import Scores, score
from btfer_builder.evaluate.models import Model, file_digest, load_model
from btfer_builder.evaluate.predict import (
    Feeding,
    Labels,
    Predictions,
    Progress,
    plan_feeding,
    predict_faces,
    read_labels,
)
from btfer_builder.evaluate.report import Results, report_html, write_predictions
from btfer_builder.files import write_bytes
from btfer_builder.recipe import EvalRecipe


@dataclass(frozen=True, slots=True)
class EvalReport:
    """The result of one model.

    Attributes
    ----------
    model
        Name of the model's file.
    scores
        All the numbers.
    signature
        What the numbers depend on; two results compare only where their signatures agree.
    path
        Folder with `metrics.json`, `predictions.csv`, `confusion_matrix.png` and `report.html`.
    notes
        What a reader must know beyond the numbers: classes left out, a softmax applied, and the like.
    """

    model: str
    scores: Scores
    signature: str
    path: Path
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the public JSON form; rows of the matrix are true, columns predicted."""
        return {
            "model": self.model,
            "n": self.scores.n,
            "accuracy": self.scores.accuracy,
            "macro": {
                "precision": self.scores.macro_precision,
                "recall": self.scores.macro_recall,
                "f1": self.scores.macro_f1,
            },
            "per_class": {
                emotion: {
                    "precision": one.precision,
                    "recall": one.recall,
                    "f1": one.f1,
                    "support": one.support,
                }
                for emotion, one in self.scores.per_class.items()
            },
            "confusion_matrix": [list(row) for row in self.scores.confusion],
            "signature": self.signature,
            "path": str(self.path),
        }


def evaluate_model(
    model_path: Path,
    faces: Sequence[LabelledFace],
    recipe: EvalRecipe,
    output: Path,
    progress: Progress = iter,
    *,
    set_name: str = "faces",
) -> EvalReport:
    """Score a model on every face and write the report.

    Parameters
    ----------
    model_path
        A `.keras`, `.h5` or `.hdf5` file.
    faces
        The set; predicted in this order, none left out.
    recipe
        How the model is fed and what its outputs mean.
    output
        Folder the report's own folder is made in, named after the model.
    progress
        Wraps the faces and yields them in order, like `tqdm`.
    set_name
        What the set is called in the signature and the report.

    Raises
    ------
    BtferError
        If the set is empty, the model cannot be used with this recipe, a face cannot be read, or the report
        cannot be written.
    """
    if not faces:
        raise BtferError("no faces to score the model on; give a set with at least one labelled face")
    model = load_model(model_path)
    labels = read_labels(recipe.labels, model)
    feeding = plan_feeding(recipe, model)
    predictions = predict_faces(
        model, faces, labels, feeding, batch_size=recipe.batch_size, progress=progress
    )
    true = np.array([EMOTIONS.index(face.emotion) for face in faces], dtype=np.int64)
    scores = score(true, predictions.predicted)
    signature = make_signature(set_name, faces, feeding, labels, predictions)
    try:
        folder = report_folder(output, model_path)
        report = EvalReport(
            model_path.name, scores, signature, folder, _notes(scores, labels, predictions, feeding)
        )
        _write(
            report,
            model=model,
            faces=faces,
            predictions=predictions,
            set_name=set_name,
            preprocessing=_preprocessing(recipe, labels, feeding, predictions),
        )
    except OSError as error:
        raise BtferError(f"{output}: the report cannot be written ({error}); choose another folder") from None
    return report


def make_signature(
    set_name: str, faces: Sequence[LabelledFace], feeding: Feeding, labels: Labels, predictions: Predictions
) -> str:
    """Put into one line what a result depends on, as sacreBLEU does.

    `BTFER|set:btfer#1a2b3c4d|n:2100|in:64grey/-1,1,area|labels:7|btfer:0.1.0`: the hash is over the face ids
    and labels in whatever order; `labels:7/8` says that one of the model's eight classes was left out.
    """
    rows = sorted(json.dumps([face.face_id, face.emotion]) for face in faces)
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:8]
    size = f"{feeding.width}" if feeding.width == feeding.height else f"{feeding.width}x{feeding.height}"
    color = "grey3" if feeding.color == "grey" and feeding.channels == 3 else feeding.color
    known = len(labels.outputs) - len(labels.dropped)
    name = re.sub(r"[^\w.-]+", "_", set_name)
    return "|".join(
        [
            "BTFER",
            f"set:{name}#{digest}",
            f"n:{len(faces)}",
            f"in:{size}{color}/{feeding.scale},{'+'.join(predictions.interpolations)}",
            f"labels:{known}" + (f"/{len(labels.outputs)}" if labels.dropped else ""),
            f"btfer:{__version__}",
        ]
    )


def report_folder(output: Path, model_path: Path) -> Path:
    """Make and return the folder of a model's report.

    It is named after the model. Where another model of that name has its report already, eight digits of the
    path's hash are added, so a model evaluated again finds its own folder and never another's.
    """
    folder = output / model_path.stem
    owner = _model_of(folder)
    if owner not in {None, str(model_path.resolve())}:
        digest = hashlib.sha256(str(model_path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        folder = output / f"{model_path.stem}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _model_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "metrics.json").read_bytes())["model_path"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        return ""  # somebody's, though not to be told whose


def _notes(scores: Scores, labels: Labels, predictions: Predictions, feeding: Feeding) -> tuple[str, ...]:
    notes = []
    absent = [emotion for emotion, one in scores.per_class.items() if not one.support]
    if absent:
        notes.append(f"The set has no faces of {', '.join(absent)}; the macro averages leave them out.")
    if labels.missing:
        notes.append(f"The model has no class {', '.join(labels.missing)}; it gets every such face wrong.")
    if labels.dropped:
        notes.append(
            f"The model's class {', '.join(labels.dropped)} is none of the seven; its share was ignored."
        )
    if predictions.softmaxed:
        notes.append(
            "The model's outputs are no probabilities (negative, or not summing to 1), so a softmax was "
            "applied; it changes the confidences, not the answers."
        )
    if feeding.color == "grey" and feeding.channels == 3:
        notes.append("The model takes three channels; the same grey image was put into each.")
    return tuple(notes)


def _preprocessing(
    recipe: EvalRecipe, labels: Labels, feeding: Feeding, predictions: Predictions
) -> dict[str, Any]:
    return {
        "width": feeding.width,
        "height": feeding.height,
        "channels": feeding.channels,
        "color": feeding.color,
        "scale": feeding.scale,
        "interpolation": list(predictions.interpolations),
        "labels": list(recipe.labels),
        "labels_mean": list(labels.outputs),
        "softmax_applied": predictions.softmaxed,
        "batch_size": recipe.batch_size,
    }


def _versions(model: Model) -> dict[str, str]:
    used = (
        "tensorflow",
        model.loader.replace("_", "-"),
        "scikit-learn",
        "numpy",
        "opencv-python-headless",
        "pillow",
    )
    return {"btfer-builder": __version__, "python": platform.python_version()} | {
        name: version(name) for name in used
    }


def _write(
    report: EvalReport,
    *,
    model: Model,
    faces: Sequence[LabelledFace],
    predictions: Predictions,
    set_name: str,
    preprocessing: dict[str, Any],
) -> None:
    from btfer_builder.evaluate.plot import confusion_png

    versions = _versions(model)
    light = confusion_png(report.scores.confusion)
    dark = confusion_png(report.scores.confusion, dark=True)
    metrics = report.to_dict() | {
        "accuracy_interval_95": list(report.scores.accuracy_interval),
        "set": set_name,
        "model_path": str(model.path.resolve()),
        "model_sha256": file_digest(model.path),
        "loader": model.loader,
        "preprocessing": preprocessing,
        "notes": list(report.notes),
        "versions": versions,
    }
    results = Results(
        report.model,
        set_name,
        report.scores,
        report.signature,
        report.notes,
        preprocessing,
        versions,
        light,
        dark,
    )
    write_predictions(report.path / "predictions.csv", faces, predictions)
    write_bytes(report.path / "confusion_matrix.png", light)
    write_bytes(report.path / "report.html", report_html(results, faces, predictions))
    # Last, so that a folder with a metrics.json is complete.
    write_bytes(report.path / "metrics.json", json.dumps(metrics, indent=2).encode() + b"\n")
