"""Choose among scored models, and compare the conversions of one."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from btfer_builder.api.keywords import guarded, path_of, takes
from btfer_builder.config import EvalRecipe, given_names, with_keywords
from btfer_builder.evaluate.preprocessing.resolve import DECLARED
from btfer_builder.io.terminal import track

if TYPE_CHECKING:
    from os import PathLike

    from btfer_builder.api.report import Report
    from btfer_builder.api.workspace import Workspace
    from btfer_builder.datasets.labelled_faces import LabelledFace
    from btfer_builder.evaluate.conversions import Conversions
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.evaluate.recommend import Recommendation

#: The settings of scoring that conversions use.
_SCORING = (*DECLARED, "preset", "trust_model", "resamples", "seed")


@guarded
def recommend(
    reports: "Sequence[Report | str | PathLike[str]]",
    *,
    max_megabytes: float | None = None,
    max_parameters: float | None = None,
    max_latency_ms: float | None = None,
    min_accuracy: float | None = None,
) -> "Recommendation":
    """Choose among scored models within limits of size, latency and accuracy.

    Parameters
    ----------
    reports
        What `evaluate` returns, or folders of saved reports. Reports on different sets are separate choices.
    max_megabytes
        Largest file, in millions of bytes.
    max_parameters
        Largest number of weights.
    max_latency_ms
        Longest median time for one image; known of models that were scored with `efficiency=True`, on the machine that
        scored them.
    min_accuracy
        Lowest accuracy, 0–1.

    Returns
    -------
    Recommendation
        Every model with a verdict: all within the limits are `recommended` that no other one is significantly better
        than (McNemar's exact test, Holm's correction).

    Raises
    ------
    BtferError
        If there are no reports, a folder is not a report, or a limit is not a number in its range.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.recommend([report, other], min_accuracy=0.5).to_frame()[["model", "verdict"]].values.tolist()
    [['perfect', 'recommended'], ['always_happy', 'outside']]
    """
    from btfer_builder.api.scoring import read_all
    from btfer_builder.evaluate.recommend import Limits, recommend_models

    limits = Limits(
        max_megabytes=max_megabytes,
        max_parameters=max_parameters,
        max_latency_ms=max_latency_ms,
        min_accuracy=min_accuracy,
    )
    return recommend_models(read_all(reports, "recommend"), limits)


@takes(EvalRecipe, only=_SCORING)
def compare_conversions(
    model: "str | PathLike[str]",
    faces: "FaceSet | Sequence[LabelledFace] | str | PathLike[str] | Workspace",
    *,
    out: "str | PathLike[str]",
    data: "str | PathLike[str] | None" = None,
    **settings: Any,  # noqa: ANN401
) -> "Conversions":
    """Convert a Keras model to TensorFlow Lite (float32, float16, int8) and ONNX, and compare all of them.

    Parameters
    ----------
    model
        A `.keras`, `.h5` or `.hdf5` file, or what `train` returns.
    faces
        What `load_faces` returns or takes; all are scored on them.
    out
        Folder for the converted models, their reports and the table.
    data
        Folder of class folders from the training domain, on which int8 is calibrated; without it int8 is not made.

    Returns
    -------
    Conversions
        Accuracy, size and latency of the original and of each conversion, with the paired difference of their
        accuracies; a conversion that cannot be made has its `error`.

    Raises
    ------
    BtferError
        If the model cannot be loaded or scored, or a folder cannot be read or written.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> table = bt.compare_conversions("model.keras", "photos", out="small", data="train")  # doctest: +SKIP
    >>> table.to_frame()[["name", "accuracy", "file_bytes", "latency_p50_ms"]]  # doctest: +SKIP
    """
    from btfer_builder.api.models import face_set
    from btfer_builder.evaluate.conversions import compare_conversions

    (recipe,) = with_keywords("eval", settings, EvalRecipe(), only=_SCORING)
    chosen = face_set(faces)
    return compare_conversions(
        path_of(model),
        chosen.faces,
        recipe,
        path_of(out),
        set_name=chosen.name,
        data=None if data is None else path_of(data),
        explicit=given_names(settings, EvalRecipe),
        progress=partial(track, description="eval", unit="faces"),
    )
