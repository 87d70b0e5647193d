"""Score trained models on a labelled set of faces and write what came out as files people can read."""

from btfer_builder.evaluate.evaluate import EvalReport, evaluate_model
from btfer_builder.evaluate.faces import LabelledFace, faces_in_folder, faces_in_sample

__all__ = ["EvalReport", "LabelledFace", "evaluate_model", "faces_in_folder", "faces_in_sample"]
