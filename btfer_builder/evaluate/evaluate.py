"""Score models on a set of faces and write their reports."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from btfer_builder.config import EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.calibration_faces import check_apart, temperature_of
from btfer_builder.evaluate.inference.kept_faces import View, as_it_is
from btfer_builder.evaluate.inference.outputs import read_labels
from btfer_builder.evaluate.inference.predict import ModelRun, Progress, predict_jobs
from btfer_builder.evaluate.kernels import kernel_runs
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.measure import measure
from btfer_builder.evaluate.metrics.calibration import with_temperature
from btfer_builder.evaluate.preprocessing.preprocessing_search import (
    search_preprocessing,
)
from btfer_builder.evaluate.preprocessing.resolve import (
    build_preprocessing,
    resolve_preprocessing,
)
from btfer_builder.evaluate.report.model_names import distinct_names, place_of
from btfer_builder.evaluate.results import EvalReport, Evaluation
from btfer_builder.evaluate.robustness import (
    corruption_views,
    resolution_view,
)
from btfer_builder.evaluate.signature import (
    check_hash,
    check_set,
    content_digests,
    make_signature,
    set_digest,
)
from btfer_builder.evaluate.write_report import write_report
from btfer_builder.images.face_cache import MEMORY, FaceCache


def evaluate_model(
    model_path: Path | str | Model,
    faces: Sequence[LabelledFace],
    recipe: EvalRecipe,
    output: Path,
    progress: Progress = iter,
    *,
    set_name: str = "faces",
    explicit: Collection[str] = (),
    leak: str | None = None,
    cache: FaceCache = MEMORY,
) -> EvalReport:
    """Score one model on every face and write the report; see `score_models`."""
    return evaluate_models(
        [model_path],
        faces,
        recipe,
        output,
        progress,
        set_name=set_name,
        explicit=explicit,
        leak=leak,
        cache=cache,
    )[0]


def evaluate_models(
    models: Sequence[Path | str | Model],
    faces: Sequence[LabelledFace],
    recipe: EvalRecipe,
    output: Path,
    progress: Progress = iter,
    *,
    set_name: str = "faces",
    explicit: Collection[str] = (),
    leak: str | None = None,
    training_faces: Sequence[LabelledFace] = (),
    calibration_faces: Sequence[LabelledFace] = (),
    cache: FaceCache = MEMORY,
) -> list[EvalReport]:
    """Score models on every face and write a report for each model into its folder of `output`; see `score_models`.

    Raises
    ------
    BtferError
        As `score_models`, or if a report cannot be written.
    """
    evaluations = score_models(
        models,
        faces,
        recipe,
        progress,
        set_name=set_name,
        explicit=explicit,
        leak=leak,
        training_faces=training_faces,
        calibration_faces=calibration_faces,
        cache=cache,
    )
    return [write_report(evaluation, output) for evaluation in evaluations]


def score_models(
    models: Sequence[Path | str | Model],
    faces: Sequence[LabelledFace],
    recipe: EvalRecipe,
    progress: Progress = iter,
    *,
    set_name: str = "faces",
    explicit: Collection[str] = (),
    leak: str | None = None,
    training_faces: Sequence[LabelledFace] = (),
    calibration_faces: Sequence[LabelledFace] = (),
    cache: FaceCache = MEMORY,
) -> list[Evaluation]:
    """Score models on every face. Each face is decoded once.

    Parameters
    ----------
    models
        Files, folders, `package.module:callable`, or loaded models, as `wrap_module` makes one of a PyTorch module.
    faces
        The set. All are predicted, in this order.
    recipe
        What is measured, and the preprocessing where no sidecar declares it.
    progress
        Wraps the faces and yields them in order, like `tqdm`.
    set_name
        Name of the set in the signature and the report.
    explicit
        Settings of the recipe that take precedence over a model's sidecar: those given as flags.
    leak
        How many faces of the set are known to be in a training set, and what was compared; None if not checked.
    training_faces
        Faces of the models' training domain. The usual kinds of preprocessing are compared on a part of them, and a
        warning is added where another one is better than the declared one.
    calibration_faces
        Faces outside the set, on which the temperature of each model is fitted; empty for none.
    cache
        Where decoded, resized faces of the set are kept for the next call, up to `recipe.memory`.

    Raises
    ------
    BtferError
        If the set is empty or differs from the expected one, a model cannot be used with this recipe, or a face cannot
        be read.
    """
    if not faces:
        raise BtferError("no faces to score the model on; give a set with at least one labelled face")
    if any(not 8 <= side <= 2048 for side in recipe.resolutions):
        raise BtferError("--resolutions: expected sides of 8 to 2048 pixels, as 48,96,224")
    check_hash(recipe.set_hash)
    digests = content_digests(faces, recipe.workers)
    digest = set_digest(faces, digests)
    if calibration_faces:
        check_apart(calibration_faces, faces)
    check_set(digest, recipe.set_hash)
    loaded = [load(model, recipe) for model in models]
    declared = [resolve_preprocessing(model, recipe, explicit) for model in loaded]
    jobs = [make_job(model, item.recipe, explicit) for model, item in zip(loaded, declared, strict=True)]
    views: list[View] = [as_it_is]
    views += corruption_views(recipe.seed) if recipe.corruptions else []
    views += [resolution_view(side) for side in recipe.resolutions]
    variants = [
        [] if item.kernel_declared else kernel_runs(job) for job, item in zip(jobs, declared, strict=True)
    ]
    answers = predict_jobs(
        [*jobs, *(run for runs in variants for run in runs)],
        faces,
        batch_size=recipe.batch_size,
        workers=recipe.workers,
        scheduler=recipe.scheduler,
        progress=progress,
        views=views,
        digests=digests,
        cache=cache,
        memory=recipe.memory,
    )
    titles = distinct_names([place_of(model) for model in loaded])
    evaluations = []
    of_variants = iter(answers[0][len(jobs) :])
    for number, (job, declaration) in enumerate(zip(jobs, declared, strict=True)):
        seen = [view[number] for view in answers]
        tried = (
            search_preprocessing(
                job,
                training_faces,
                batch_size=recipe.batch_size,
                workers=recipe.workers,
                seed=recipe.seed,
                memory=recipe.memory,
            )
            if training_faces
            else ()
        )
        signature = make_signature(
            set_name,
            faces,
            digest,
            preprocessing=job.preprocessing,
            labels=job.labels,
            predictions=seen[0],
            leak=leak,
        )
        evaluation = measure(
            job,
            declaration,
            faces,
            seen,
            recipe=recipe,
            named=(set_name, digest, signature),
            tried=tried,
            kernels=[next(of_variants) for _ in variants[number]],
        )
        if calibration_faces and seen[0].probabilistic:
            temperature = temperature_of(job, calibration_faces, recipe, seen[0].activation)
            scaled = with_temperature(evaluation.outcomes, temperature, len(calibration_faces))
            evaluation = replace(evaluation, temperature=scaled)
        evaluations.append(replace(evaluation, title=titles[number]))
    return evaluations


def load(model: Any, recipe: EvalRecipe, name: str = "") -> Model:  # noqa: ANN401 - what load_model takes
    """Load a model with the settings of a recipe; a loaded one is returned as it is."""
    if isinstance(model, Model):
        return model
    return load_model(
        model,
        trust_model=recipe.trust_model,
        architecture=recipe.architecture,
        output=recipe.output,
        name=name,
        device=recipe.device,
    )


def make_job(model: Model, recipe: EvalRecipe, explicit: Collection[str] = ()) -> ModelRun:
    """Combine a model with the meaning of its outputs and its preprocessing; see `build_preprocessing`.

    Raises
    ------
    BtferError
        If the recipe does not fit the model.
    """
    return ModelRun(
        model,
        read_labels(recipe.labels, model),
        build_preprocessing(recipe, model, explicit),
        recipe.activation,
    )
