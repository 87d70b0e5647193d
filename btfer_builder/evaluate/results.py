"""The results of one model on one set, and their JSON form, which docs/evaluation.md describes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.efficiency import Efficiency
from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.evaluate.kernels import KernelScore
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.metrics.calibration import Coverage, Temperature
from btfer_builder.evaluate.metrics.groups import Grouping
from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.power import ALPHA, POWER, Detectable
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.metrics.scores import Interval, Scores, SoftScores
from btfer_builder.evaluate.notes import NO_PROBABILITIES, lacking_faces
from btfer_builder.evaluate.preprocessing.preprocessing_search import PreprocessingScore
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.robustness import CorruptionScore, ResolutionScore
from btfer_builder.networks.preprocessing import Preprocessing

#: Version of the form of `metrics.json`; raised when a number changes its meaning.
SCHEMA = 3

#: What is left out where a model's outputs are no probabilities.
LEFT_OUT = (
    *(metric.name for metric in METRICS.values() if metric.of_probabilities),
    "reliability",
    "risk_coverage",
    "soft_labels",
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one set.

    Attributes
    ----------
    title
        Name of the model: its file's name, after the folders that distinguish it from others of the same name.
    model, labels, preprocessing, declaration
        The model, the meaning of its outputs, its preprocessing and the source of that.
    faces, predictions
        The set and the predictions, in the same order.
    set_name, set_digest, signature
        The set, and what the numbers depend on.
    outcomes
        The labels, predictions and probabilities that the metrics are computed from.
    values, intervals
        Every metric of `METRICS` and its 95 % interval, by name; `intervals` also has `f1_<emotion>`.
    soft
        Scores against votes; None where faces have no votes of several reviewers.
    human
        How well people do on the set; None likewise.
    groups, corruptions, resolutions, efficiency, tried
        Further measurements; `tried` are other kinds of preprocessing, compared on the training domain.
    kernels
        The accuracy under the usual interpolations; empty if one is declared.
    detectable
        The smallest differences that the set detects, of all faces first.
    notes
        Remarks on the numbers, as sentences.
    risk_coverage
        Accuracy on the faces of which the model is surest; empty where its outputs are no probabilities.
    temperature
        Probabilities scaled by a temperature that was fitted on other faces; None without those.
    versions
        Versions of the libraries used.
    """

    title: str
    model: Model
    labels: Labels
    preprocessing: Preprocessing
    declaration: ResolvedPreprocessing
    faces: Sequence[LabelledFace]
    predictions: Predictions
    set_name: str
    set_digest: str
    signature: str
    outcomes: Outcomes
    values: dict[str, float | None]
    intervals: dict[str, Interval]
    soft: SoftScores | None
    human: HumanCeiling | None
    groups: tuple[Grouping, ...]
    corruptions: tuple[CorruptionScore, ...]
    resolutions: tuple[ResolutionScore, ...]
    efficiency: Efficiency
    tried: tuple[PreprocessingScore, ...]
    kernels: tuple[KernelScore, ...]
    detectable: tuple[Detectable, ...]
    notes: tuple[str, ...]
    risk_coverage: tuple[Coverage, ...] = ()
    temperature: Temperature | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def scores(self) -> Scores:
        """Accuracy, precision, recall and F1."""
        return self.outcomes.scores

    @property
    def degenerate_intervals(self) -> list[str]:
        """The names of the bootstrap intervals without a width.

        All their draws are equal, as those of a model that makes no error; they are no evidence of certainty.
        """
        return [name for name, (low, high) in self.intervals.items() if low == high]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form without the report's path; rows of the matrix are true, columns predicted."""
        result: dict[str, Any] = {"model": self.title, "n": self.scores.n}
        for name, metric in METRICS.items():
            metric.write(self.values[name], result)
        return result | {
            "per_class": {
                emotion: {
                    "precision": item.precision,
                    "recall": item.recall,
                    "f1": item.f1,
                    "support": item.support,
                    "precision_interval_95": item.precision_interval,
                    "recall_interval_95": item.recall_interval,
                    "f1_interval_95": self.intervals.get(f"f1_{emotion}"),
                    "roc_auc": self.outcomes.roc_auc_per_class[emotion],
                }
                for emotion, item in self.scores.per_class.items()
            },
            "confusion_matrix": [list(row) for row in self.scores.confusion],
            "signature": self.signature,
            "accuracy_interval_95": self.intervals["accuracy"],
            "reliability": [asdict(item) for item in self.outcomes.reliability],
            "intervals_95": {
                name: self.intervals[name]
                for name in METRICS
                if name in self.intervals and name != "accuracy"
            },
            "degenerate_intervals": self.degenerate_intervals,
            "lacking_classes": lacking_faces(self.scores, self.labels),
            "left_out": {} if self.predictions.probabilistic else dict.fromkeys(LEFT_OUT, NO_PROBABILITIES),
            "soft_labels": self.soft and asdict(self.soft),
            "risk_coverage": [asdict(item) for item in self.risk_coverage],
            "temperature": self.temperature and asdict(self.temperature),
            "human": self.human and asdict(self.human),
            "groups": [asdict(item) for item in self.groups],
            "detectable": {
                "alpha": ALPHA,
                "power": POWER,
                "rows": [asdict(item) for item in self.detectable],
            },
            "corruptions": [asdict(item) for item in self.corruptions],
            "resolutions": [asdict(item) for item in self.resolutions],
            "efficiency": asdict(self.efficiency),
            "kernels": [asdict(item) for item in self.kernels],
            "tried_preprocessing": [asdict(item) for item in self.tried],
            "preprocessing": self.preprocessing_dict(),
            "device": self.model.device,
            "set": {"name": self.set_name, "sha256": self.set_digest},
            "notes": list(self.notes),
        }

    def preprocessing_dict(self) -> dict[str, Any]:
        """Return the preprocessing and its source."""
        preprocessing = self.preprocessing
        return {
            "width": preprocessing.width,
            "height": preprocessing.height,
            "channels": preprocessing.channels,
            "color": preprocessing.color,
            "scale": preprocessing.scale,
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "crop": preprocessing.crop,
            "resize": preprocessing.resize,
            "resize_to": preprocessing.resize_to,
            "interpolation": list(self.predictions.interpolations),
            "labels": list(self.labels.names),
            "labels_mean": list(self.labels.outputs),
            "softmax_applied": self.predictions.activation == "logits",
            "activation": self.predictions.activation,
            "declared_by": self.declaration.source,
            "in_words": preprocessing.describe(),
        }


@dataclass(frozen=True, slots=True)
class EvalReport:
    """The results of one model and the folder of its report.

    Attributes
    ----------
    evaluation
        The results.
    path
        Folder with `metrics.json`, `predictions.csv`, `predictions.npz`, `confusion_matrix.png` and `report.html`.
    """

    evaluation: Evaluation
    path: Path

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.evaluation.title

    @property
    def scores(self) -> Scores:
        """Accuracy, precision, recall and F1."""
        return self.evaluation.scores

    @property
    def signature(self) -> str:
        """What the numbers depend on; results are comparable only where their signatures agree."""
        return self.evaluation.signature

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the numbers: missing classes, an applied softmax, and the like."""
        return self.evaluation.notes

    def to_dict(self) -> dict[str, Any]:
        """Return the public JSON form; rows of the matrix are true, columns predicted."""
        return self.evaluation.to_dict() | {"path": str(self.path)}
