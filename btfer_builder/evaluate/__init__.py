"""Score trained models on a labelled set of faces and write what came out as files people can read.

The names are imported when they are used, because `btfer_builder` imports this package at once; see there.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder, faces_in_sample
    from btfer_builder.evaluate.evaluate import evaluate_model, evaluate_models
    from btfer_builder.evaluate.loaders.torch_module import wrap_module
    from btfer_builder.evaluate.preprocessing.declaration import (
        Sidecar,
        SidecarInput,
        SidecarLabels,
        SidecarOutput,
    )
    from btfer_builder.evaluate.preprocessing.sidecar import read_sidecar, write_sidecar
    from btfer_builder.evaluate.results import EvalReport

_MODULES = {
    "datasets.labelled_faces": ("LabelledFace", "faces_in_folder", "faces_in_sample"),
    "evaluate.evaluate": ("evaluate_model", "evaluate_models"),
    "evaluate.loaders.torch_module": ("wrap_module",),
    "evaluate.preprocessing.declaration": ("Sidecar", "SidecarInput", "SidecarLabels", "SidecarOutput"),
    "evaluate.preprocessing.sidecar": ("read_sidecar", "write_sidecar"),
    "evaluate.results": ("EvalReport",),
}  # fmt: skip

__all__ = [
    "EvalReport",
    "LabelledFace",
    "Sidecar",
    "SidecarInput",
    "SidecarLabels",
    "SidecarOutput",
    "evaluate_model",
    "evaluate_models",
    "faces_in_folder",
    "faces_in_sample",
    "read_sidecar",
    "wrap_module",
    "write_sidecar",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"btfer_builder.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
