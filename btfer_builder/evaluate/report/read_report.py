"""A report as comparisons need it: read from its folder, or taken from the results in memory."""

import math
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.power import Detectable
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.metrics.sources import source_groups
from btfer_builder.evaluate.report.model_names import identity
from btfer_builder.evaluate.results import SCHEMA, Evaluation
from btfer_builder.evaluate.signature import parse_signature
from btfer_builder.io.csv import as_mapping, read_csv, unescape_cell
from btfer_builder.io.json import read_json
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS

#: The first form of `metrics.json`. What a comparison reads has the same meaning in all forms since.
_FIRST_SCHEMA = 2

#: Longest name and signature, in characters: they are shown in tables.
_LONGEST_TEXT = 2000

#: More faces than any set has.
_MANY = 1 << 40

_NO_CLASSES = np.zeros(0, np.int64)
_NO_NUMBERS = np.zeros(0, np.float64)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """A report as comparisons need it.

    Attributes
    ----------
    path
        The folder; None for a report that was not saved.
    metrics
        The content of its `metrics.json`.
    faces, true, predicted
        Ids of the faces, sorted, and their positions in `EMOTIONS`; empty without `predictions.csv`.
    confidence
        Probability of the predicted emotion, NaN where it is unknown.
    files
        The images of the faces, as the report names them.
    notice
        What was upgraded, as a sentence; empty if nothing was.
    sources
        Of `source_groups`; each face one of its own in reports without this column.
    """

    path: Path | None
    metrics: dict[str, Any]
    faces: tuple[str, ...] = ()
    true: NDArray[np.int64] = field(default_factory=_NO_CLASSES.copy)
    predicted: NDArray[np.int64] = field(default_factory=_NO_CLASSES.copy)
    confidence: NDArray[np.float64] = field(default_factory=_NO_NUMBERS.copy)
    files: tuple[str, ...] = ()
    notice: str = ""
    sources: NDArray[np.int64] = field(default_factory=_NO_CLASSES.copy)

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.metrics["model"])

    @property
    def detectable(self) -> tuple[Detectable, ...]:
        """What the set detects; empty in reports without it."""
        import msgspec

        return msgspec.convert((self.metrics.get("detectable") or {}).get("rows", ()), tuple[Detectable, ...])

    @property
    def human(self) -> HumanCeiling | None:
        """How well people do on the set; None where it is not known."""
        import msgspec

        return msgspec.convert(self.metrics.get("human"), HumanCeiling | None)

    @property
    def set_digest(self) -> str:
        """Hash of the contents of the set, 64 hexadecimal digits."""
        return str(self.metrics["set"]["sha256"])

    @property
    def set_name(self) -> str:
        """Name of the set."""
        return str(self.metrics["signature"]).split("|set:")[-1].partition("#")[0]

    @property
    def labelled_faces(self) -> list[LabelledFace]:
        """The faces with their images; that the images are those that were scored is not checked."""
        rows = zip(self.files, self.true, self.faces, strict=True)
        return [LabelledFace(Path(file), EMOTIONS[label], face_id) for file, label, face_id in rows]


def read_report(path: Path, *, paired: bool = True) -> ReadReport:
    """Read a report's folder, or its `metrics.json`.

    Parameters
    ----------
    path
        The folder or the file. Its content is checked as that of a stranger.
    paired
        Whether `predictions.csv` must be beside the `metrics.json`.

    Raises
    ------
    BtferError
        If it is not a report of `btfer eval`, was changed by hand, or is of a newer version.
    """
    folder = path.parent if path.name == "metrics.json" else path
    try:
        metrics = read_json(folder / "metrics.json")
        notice = _checked(path, metrics)
        if not paired and not (folder / "predictions.csv").is_file():
            return ReadReport(folder, metrics, notice=notice)
        columns, lines = read_csv(folder / "predictions.csv")
        some = islice(lines, metrics["n"] + 1)  # more are wrong, however many there are
        rows = sorted(_row(number, as_mapping(columns, cells)) for number, (_, cells) in enumerate(some))
    except (FileNotFoundError, NotADirectoryError):
        raise BtferError(
            f"{path}: not a report (no metrics.json and predictions.csv); make one with btfer eval"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else printable(str(error))
        raise BtferError(
            f"{path}: not a report of this btfer ({why}); make it again with btfer eval"
        ) from None
    faces, true, predicted, confidence, files, sources = zip(*rows, strict=True) if rows else ((),) * 6
    report = ReadReport(
        folder,
        metrics,
        faces,
        np.array(true, np.int64),
        np.array(predicted, np.int64),
        np.array(confidence, np.float64),
        files,
        notice,
        np.array(sources, np.int64),
    )
    correct = int((report.true == report.predicted).sum())
    if (
        not len(rows) == len(set(faces)) == metrics["n"]
        or abs(correct / max(len(rows), 1) - metrics["accuracy"]) > 1e-9
    ):
        raise BtferError(
            f"{path}: its predictions.csv and metrics.json disagree; make it again with btfer eval"
        )
    return report


def _checked(path: Path, metrics: dict[str, Any]) -> str:
    """Check what a comparison reads of a `metrics.json`; return what was upgraded, or nothing.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If it has not the form of one.
    BtferError
        If it is of a newer version.
    """
    schema = metrics["schema"]
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < _FIRST_SCHEMA:
        raise ValueError(f"schema {schema!r:.40}, expected {_FIRST_SCHEMA} to {SCHEMA}")
    if schema > SCHEMA:
        raise BtferError(
            f"{path}: written by a newer btfer (schema {schema}, known up to {SCHEMA}); upgrade btfer-builder"
        )
    for name in ("model", "signature"):
        if not isinstance(metrics[name], str) or not 0 < len(metrics[name]) <= _LONGEST_TEXT:
            raise ValueError(f"`{name}` is no text of at most {_LONGEST_TEXT:,} characters")
        metrics[name] = printable(metrics[name])
    if not isinstance(where := metrics.get("model_path", ""), str) or len(where) > _LONGEST_TEXT:
        raise ValueError(f"`model_path` is no text of at most {_LONGEST_TEXT:,} characters")
    parts = parse_signature(metrics["signature"])
    digest = metrics["set"]["sha256"]
    if not re.fullmatch("[0-9a-f]{64}", digest) or parts["set"] != digest[:8]:
        raise ValueError("the hash of its set and its signature disagree")
    n = metrics["n"]
    if isinstance(n, bool) or not isinstance(n, int) or not 0 < n < _MANY or parts["n"] != str(n):
        raise ValueError("its number of faces and its signature disagree")
    _ = metrics["macro"]["f1"]
    for name, metric in METRICS.items():
        _number(name, metric.read(metrics), required=name in {"accuracy", "macro_f1"})
    low, high = (_number("accuracy_interval_95", end) for end in metrics["accuracy_interval_95"])
    if not 0 <= low <= metrics["accuracy"] <= high <= 1 or not 0 <= metrics["macro"]["f1"] <= 1:
        raise ValueError("a share is not within 0 and 1, or not within its interval")
    read = ReadReport(path, metrics)
    _ = read.detectable, read.human
    cost = metrics.get("efficiency") or {}
    for name in ("file_bytes", "parameters", "latency_p50_ms", "images_per_second"):
        _number(name, cost.get(name), required=False)
    if schema == SCHEMA:
        return ""
    return f"{path}: read as schema {SCHEMA}, written as {schema}; its robustness scores are not comparable"


def _number(name: str, value: Any, *, required: bool = True) -> float:  # noqa: ANN401 - any JSON value
    if value is None and not required:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:  # NaN, too
        raise ValueError(f"`{name}` is no number")
    return float(value)


def _row(number: int, row: dict[str, str]) -> tuple[str, int, int, float, str, int]:
    label, answer = (EMOTIONS.index(row[name]) for name in ("emotion", "predicted"))
    confidence = float(row.get(f"p_{row['predicted']}") or math.nan)
    source = int(row.get("source", number))
    if not 0 <= source < _MANY:
        raise ValueError("a `source` is not the number of one")
    return (
        *(unescape_cell(row["face_id"]), label, answer),
        *(confidence, unescape_cell(row.get("path", "")), source),
    )


def report_of(evaluation: Evaluation) -> ReadReport:
    """Return the results of a model in memory as a report."""
    predictions = evaluation.predictions
    confidence = (
        predictions.confidence if predictions.probabilistic else np.full(len(evaluation.faces), np.nan)
    )
    rows = sorted(
        (
            *(printable(face.face_id), EMOTIONS.index(face.emotion), int(answer)),
            *(float(sure), str(face.path), int(source)),
        )
        for face, answer, sure, source in zip(
            evaluation.faces,
            predictions.predicted,
            confidence,
            source_groups(evaluation.faces),
            strict=True,
        )
    )
    faces, true, answers, sureness, files, sources = zip(*rows, strict=True)
    metrics = evaluation.to_dict() | {"model_path": identity(evaluation.model)}
    return ReadReport(
        None,
        metrics,
        faces,
        np.array(true, np.int64),
        np.array(answers, np.int64),
        np.array(sureness, np.float64),
        files,
        sources=np.array(sources, np.int64),
    )
