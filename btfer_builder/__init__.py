"""Build a balanced facial-expression test set out of image searches, and score models on it.

The names in `__all__` are the public API, documented in docs/api.md. They are imported when they are used, so that
`import btfer_builder` loads no other package. From version 0.2.0 on, it changes as Semantic Versioning says.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from btfer_builder.api.deployment import compare_conversions, recommend
    from btfer_builder.api.folders import (
        audit_datasets,
        diff_releases,
        hash_images,
        import_dataset,
        rebuild_release,
        scan_release,
    )
    from btfer_builder.api.grid import (
        answer_questions,
        benchmark,
        plan_benchmark,
        published_results,
        report_benchmark,
    )
    from btfer_builder.api.models import compare, convert, evaluate, load_faces, train
    from btfer_builder.api.networks import list_layers, list_networks
    from btfer_builder.api.report import Comparison, Report
    from btfer_builder.api.review_page import ReviewPage
    from btfer_builder.api.workspace import Workspace, create_workspace, open_workspace
    from btfer_builder.errors import BtferError
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.labels import EMOTIONS
else:
    # Two public functions are named as packages, and the first import of a package makes it an attribute of this one.
    # So both are imported now (they import nothing) and their names left to `__getattr__`.
    for _name in ("benchmark", "evaluate"):
        importlib.import_module(f"{__name__}.{_name}")
        del globals()[_name]

#: The module of each public name.
_MODULES = {
    "api.deployment": ("compare_conversions", "recommend"),
    "api.folders": (
        "audit_datasets", "diff_releases", "hash_images", "import_dataset", "rebuild_release", "scan_release",
    ),
    "api.grid": (
        "answer_questions", "benchmark", "plan_benchmark", "published_results", "report_benchmark",
    ),
    "api.models": ("compare", "convert", "evaluate", "load_faces", "train"),
    "api.networks": ("list_layers", "list_networks"),
    "api.report": ("Comparison", "Report"),
    "api.review_page": ("ReviewPage",),
    "api.workspace": ("Workspace", "create_workspace", "open_workspace"),
    "errors": ("BtferError",),
    "evaluate.face_set": ("FaceSet",),
    "labels": ("EMOTIONS",),
}  # fmt: skip

__all__ = [
    "EMOTIONS",
    "BtferError",
    "Comparison",
    "FaceSet",
    "Report",
    "ReviewPage",
    "Workspace",
    "__version__",
    "answer_questions",
    "audit_datasets",
    "benchmark",
    "compare",
    "compare_conversions",
    "convert",
    "create_workspace",
    "diff_releases",
    "evaluate",
    "hash_images",
    "import_dataset",
    "list_layers",
    "list_networks",
    "load_faces",
    "open_workspace",
    "plan_benchmark",
    "published_results",
    "rebuild_release",
    "recommend",
    "report_benchmark",
    "scan_release",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
