"""A report as comparisons need it: read from its folder, or taken from the results in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.power import Detectable
from btfer_builder.evaluate.metrics.sources import source_groups
from btfer_builder.evaluate.report.model_names import identity
from btfer_builder.evaluate.results import Evaluation
from btfer_builder.evaluate.signature import parse_signature
from btfer_builder.io.csv import as_mapping, read_csv, unescape_cell
from btfer_builder.io.json import read_json
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS


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
        Ids of the faces, sorted, and their positions in `EMOTIONS`.
    sources
        Of `source_groups`; each face one of its own in reports without this column.
    detectable
        What the set detects; empty in reports without it.
    human
        How well people do on the set, None where it is not known.
    """

    path: Path | None
    metrics: dict[str, Any]
    faces: tuple[str, ...]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    sources: NDArray[np.int64]
    detectable: tuple[Detectable, ...] = ()
    human: HumanCeiling | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.metrics["model"])


def read_report(path: Path) -> ReadReport:
    """Read a report's folder, or its `metrics.json`.

    Raises
    ------
    BtferError
        If it is not a report of `btfer eval`, or was changed by hand.
    """
    folder = path.parent if path.name == "metrics.json" else path
    import msgspec

    try:
        metrics = read_json(folder / "metrics.json")
        columns, lines = read_csv(folder / "predictions.csv")
        rows = sorted(
            (unescape_cell(row["face_id"]), row["emotion"], row["predicted"], int(row.get("source", number)))
            for number, row in enumerate(as_mapping(columns, cells) for _, cells in lines)
        )
        true = np.array([EMOTIONS.index(row[1]) for row in rows], dtype=np.int64)
        predicted = np.array([EMOTIONS.index(row[2]) for row in rows], dtype=np.int64)
        sources = np.array([row[3] for row in rows], dtype=np.int64)
        detectable = msgspec.convert(
            (metrics.get("detectable") or {}).get("rows", ()), tuple[Detectable, ...]
        )
        human = msgspec.convert(metrics.get("human"), HumanCeiling | None)
        faces = tuple(row[0] for row in rows)
        report = ReadReport(folder, metrics, faces, true, predicted, sources, detectable, human)
        _ = report.model, parse_signature(metrics["signature"])["set"], metrics["macro"]["f1"]
    except (FileNotFoundError, NotADirectoryError):
        raise BtferError(
            f"{path}: not a report (no metrics.json and predictions.csv); make one with btfer eval"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BtferError(
            f"{path}: not a report of this btfer ({error}); make it again with btfer eval"
        ) from None
    correct = int((true == predicted).sum())
    if len(rows) != metrics.get("n") or abs(correct / max(len(rows), 1) - metrics["accuracy"]) > 1e-9:
        raise BtferError(
            f"{path}: its predictions.csv and metrics.json disagree; make it again with btfer eval"
        )
    return report


def report_of(evaluation: Evaluation) -> ReadReport:
    """Return the results of a model in memory as a report."""
    predicted = evaluation.predictions.predicted
    rows = sorted(
        (printable(face.face_id), EMOTIONS.index(face.emotion), int(answer), int(source))
        for face, answer, source in zip(
            evaluation.faces, predicted, source_groups(evaluation.faces), strict=True
        )
    )
    faces, true, answers, sources = zip(*rows, strict=True)
    metrics = evaluation.to_dict() | {"model_path": identity(evaluation.model)}
    labels, predictions, groups = (np.array(column, np.int64) for column in (true, answers, sources))
    return ReadReport(
        None, metrics, faces, labels, predictions, groups, evaluation.detectable, evaluation.human
    )


def reports_in(folder: Path) -> list[Path]:
    """Return the folders of the reports in a folder, sorted.

    Raises
    ------
    BtferError
        If there are none.
    """
    paths = sorted(path.parent for path in folder.glob("*/metrics.json"))
    if not paths:
        raise BtferError(f"{folder} has no reports yet; run: btfer eval MODEL")
    return paths
