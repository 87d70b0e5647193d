"""Train a network of the protocol in its two phases (§4.2) and write down everything that shaped it."""

from btfer_builder.protocol.training.balance import class_counts, class_weights
from btfer_builder.protocol.training.fitting import Moment
from btfer_builder.protocol.training.results import PhaseResult, Run, SetFacts, read_run
from btfer_builder.protocol.training.train import train

__all__ = ["Moment", "PhaseResult", "Run", "SetFacts", "class_counts", "class_weights", "read_run", "train"]
