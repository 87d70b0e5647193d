"""Everything that is known of one model on one set, and its JSON form, which docs/evaluation.md explains."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.efficiency import Efficiency
from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.metrics.groups import Grouping
from btfer_builder.evaluate.metrics.scores import Interval, ProbabilityScores, Scores, SoftScores
from btfer_builder.evaluate.preprocessing.preprocessing_search import PreprocessingScore
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.robustness import CorruptionScore, ResolutionScore
from btfer_builder.networks.preprocessing import Preprocessing

#: Of the form of `metrics.json`; a number that changes its meaning raises it.
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one set.

    Attributes
    ----------
    title
        What the model is called: its file's name, with folders before it where another has the same.
    model, labels, feeding, declaration
        The model, what its outputs mean, how it was fed and who said so.
    faces, predictions
        The set and the answers, in the same order.
    set_name, set_digest, signature
        What was scored; what the numbers depend on.
    scores, chances, soft
        The numbers; `soft` is None where faces have no votes of several reviewers.
    intervals
        95 % bootstrap intervals by the name of the number.
    groups, corruptions, resolutions, efficiency, tried
        What else was measured; `tried` are other ways of feeding the model, on its training domain.
    notes
        What a reader must know beyond the numbers.
    versions
        Of the libraries that had a part in it.
    """

    title: str
    model: Model
    labels: Labels
    feeding: Preprocessing
    declaration: ResolvedPreprocessing
    faces: Sequence[LabelledFace]
    predictions: Predictions
    set_name: str
    set_digest: str
    signature: str
    scores: Scores
    chances: ProbabilityScores
    soft: SoftScores | None
    intervals: dict[str, Interval]
    groups: tuple[Grouping, ...]
    corruptions: tuple[CorruptionScore, ...]
    resolutions: tuple[ResolutionScore, ...]
    efficiency: Efficiency
    tried: tuple[PreprocessingScore, ...]
    notes: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without the place of the report; rows of the matrix are true, columns predicted."""
        scores = self.scores
        return {
            "model": self.title,
            "n": scores.n,
            "accuracy": scores.accuracy,
            "macro": {
                "precision": scores.macro_precision,
                "recall": scores.macro_recall,
                "f1": scores.macro_f1,
            },
            "per_class": {
                emotion: {
                    "precision": one.precision,
                    "recall": one.recall,
                    "f1": one.f1,
                    "support": one.support,
                    "precision_interval_95": one.precision_interval,
                    "recall_interval_95": one.recall_interval,
                    "f1_interval_95": self.intervals.get(f"f1_{emotion}"),
                    "roc_auc": self.chances.roc_auc_per_class[emotion],
                }
                for emotion, one in scores.per_class.items()
            },
            "confusion_matrix": [list(row) for row in scores.confusion],
            "signature": self.signature,
            "accuracy_interval_95": scores.accuracy_interval,
            "balanced_accuracy": scores.macro_recall,
            "top2_accuracy": self.chances.top2_accuracy,
            "roc_auc": self.chances.roc_auc,
            "log_loss": self.chances.log_loss,
            "brier": self.chances.brier,
            "ece": self.chances.ece,
            "reliability": [asdict(one) for one in self.chances.reliability],
            "intervals_95": {
                "top2_accuracy": self.chances.top2_interval,
                **{
                    name: both
                    for name, both in self.intervals.items()
                    if name not in {"accuracy", "top2_accuracy"} and not name.startswith("f1_")
                },
            },
            "soft_labels": self.soft and asdict(self.soft),
            "groups": [asdict(one) for one in self.groups],
            "corruptions": [asdict(one) for one in self.corruptions],
            "resolutions": [asdict(one) for one in self.resolutions],
            "efficiency": asdict(self.efficiency),
            "tried_preprocessing": [asdict(one) for one in self.tried],
            "preprocessing": self.preprocessing(),
            "set": {"name": self.set_name, "sha256": self.set_digest},
            "notes": list(self.notes),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Return how the model was fed and who said so."""
        feeding = self.feeding
        return {
            "width": feeding.width,
            "height": feeding.height,
            "channels": feeding.channels,
            "color": feeding.color,
            "scale": feeding.scale,
            "mean": list(feeding.mean),
            "std": list(feeding.std),
            "crop": feeding.crop,
            "resize": feeding.resize,
            "interpolation": list(self.predictions.interpolations),
            "labels": list(self.labels.names),
            "labels_mean": list(self.labels.outputs),
            "softmax_applied": self.predictions.softmaxed,
            "declared_by": self.declaration.source,
            "in_words": feeding.describe(),
        }


@dataclass(frozen=True, slots=True)
class EvalReport:
    """The result of one model and where its report lies.

    Attributes
    ----------
    evaluation
        Everything that was measured.
    path
        Folder with `metrics.json`, `predictions.csv`, `confusion_matrix.png` and `report.html`.
    """

    evaluation: Evaluation
    path: Path

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.evaluation.title

    @property
    def scores(self) -> Scores:
        """All scores of the answers."""
        return self.evaluation.scores

    @property
    def signature(self) -> str:
        """What the numbers depend on; two results compare only where their signatures agree."""
        return self.evaluation.signature

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know beyond the numbers: classes left out, a softmax applied, and the like."""
        return self.evaluation.notes

    def to_dict(self) -> dict[str, Any]:
        """Return the public JSON form; rows of the matrix are true, columns predicted."""
        return self.evaluation.to_dict() | {"path": str(self.path)}
