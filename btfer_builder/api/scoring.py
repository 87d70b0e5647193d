"""Score and rank models with settings over current ones: the defaults, or those of a workspace."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import Any

from btfer_builder.api.keywords import path_of
from btfer_builder.api.report import Comparison, Report
from btfer_builder.config import EvalRecipe, given_names, with_keywords
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.evaluate import load, score_models
from btfer_builder.evaluate.face_set import FaceSet
from btfer_builder.evaluate.preprocessing.presets import bundled_model
from btfer_builder.evaluate.report.collect import collect_reports
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.read_report import ReadReport, report_of
from btfer_builder.io.terminal import echo_stderr, track

#: Characters of a name that a file system takes as a folder's.
_LONGEST_NAME = 100


def score(
    model: Any,  # noqa: ANN401 - a path, a Keras model or a function
    faces: FaceSet,
    current: EvalRecipe,
    settings: Mapping[str, Any],
    *,
    name: str = "",
    training_data: str | PathLike[str] | None = None,
    calibration_data: str | PathLike[str] | None = None,
) -> Report:
    """Score a model with settings over the current ones; see `models.evaluate`."""
    (recipe,) = with_keywords("eval", settings, current)
    if not isinstance(name, str | None) or "/" in (name or "") or len(name or "") > _LONGEST_NAME:
        raise BtferError(
            f"name: expected at most {_LONGEST_NAME} characters without a slash, got {str(name)[:200]!r}"
        )
    if model is None:
        if recipe.preset == "none":
            raise BtferError(
                "no model: give a path, a Keras model or a function, or a preset that has a model"
            )
        model = bundled_model(recipe.preset)
    elif isinstance(model, str | PathLike):
        path_of(model)  # an empty one is no model
    (evaluation,) = score_models(
        [load(model, recipe, name or "")],
        faces.faces,
        recipe,
        partial(track, description="eval", unit="faces"),
        set_name=faces.name,
        explicit=given_names(settings, EvalRecipe),
        leak=faces.leak,
        training_faces=() if training_data is None else faces_in_folder(path_of(training_data)),
        calibration_faces=() if calibration_data is None else faces_in_folder(path_of(calibration_data)),
        cache=faces.cache,
    )
    return Report(evaluation)


def rank(
    reports: Sequence[Report | str | PathLike[str]],
    current: EvalRecipe,
    settings: Mapping[str, Any],
    *,
    named: bool = True,
) -> Comparison:
    """Rank models with settings over the current ones; see `models.compare`, and `named` in `collect_reports`."""
    (recipe,) = with_keywords("eval", settings, current, only=("resamples", "seed"))
    read = read_all(reports, "compare", paired=False, named=named)
    return Comparison(compare_reports(read, resamples=recipe.resamples, seed=recipe.seed))


def read_all(
    reports: Sequence[Report | str | PathLike[str]], name: str, *, paired: bool = True, named: bool = True
) -> list[ReadReport]:
    """Return the reports that the function of this name is given; `paired` and `named` as in `collect_reports`.

    Raises
    ------
    BtferError
        If there are none, or one is not a report.
    """
    if isinstance(reports, str | PathLike | Report | Mapping) or not isinstance(reports, Iterable):
        raise BtferError(f"{name} takes a list of reports, as {name}([first, second])")
    given = list(reports)
    read = [report_of(report.evaluation) for report in given if isinstance(report, Report)]
    paths = [path_of(report) for report in given if not isinstance(report, Report)]
    found, lines = collect_reports(paths, paired=paired, named=named) if paths else ([], [])
    read += found
    for line in lines:
        echo_stderr(line)
    if not read:
        raise BtferError("no reports to compare; give what evaluate returns, or folders of saved reports")
    return read
