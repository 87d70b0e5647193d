"""Score trained models on a labelled set of faces and write what came out as files people can read."""

from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder, faces_in_sample
from btfer_builder.evaluate.evaluate import evaluate_model, evaluate_models
from btfer_builder.evaluate.loaders.torch_module import wrap_module
from btfer_builder.evaluate.preprocessing.declaration import Sidecar, SidecarInput, SidecarLabels
from btfer_builder.evaluate.preprocessing.sidecar import read_sidecar, write_sidecar
from btfer_builder.evaluate.results import EvalReport

__all__ = [
    "EvalReport",
    "LabelledFace",
    "Sidecar",
    "SidecarInput",
    "SidecarLabels",
    "evaluate_model",
    "evaluate_models",
    "faces_in_folder",
    "faces_in_sample",
    "read_sidecar",
    "wrap_module",
    "write_sidecar",
]
