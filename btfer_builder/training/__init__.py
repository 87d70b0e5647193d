"""Train a network of the protocol in its two phases (§4.2) and write down everything that shaped it."""

from btfer_builder.training.class_weights import class_counts, class_weights
from btfer_builder.training.loop import TrainingProgress
from btfer_builder.training.results import PhaseResult, Run, SetFacts, read_run
from btfer_builder.training.train import train

__all__ = [
    "PhaseResult",
    "Run",
    "SetFacts",
    "TrainingProgress",
    "class_counts",
    "class_weights",
    "read_run",
    "train",
]
