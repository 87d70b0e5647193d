"""Train a network of the protocol in two phases (§4.2) and record everything that affects the result."""

from btfer_builder.datasets.class_weights import class_counts, class_weights
from btfer_builder.training.loop import TrainingProgress
from btfer_builder.training.results import DatasetSummary, PhaseResult, Run, read_run
from btfer_builder.training.train import train

__all__ = [
    "DatasetSummary",
    "PhaseResult",
    "Run",
    "TrainingProgress",
    "class_counts",
    "class_weights",
    "read_run",
    "train",
]
