"""Compute every number of a model from its predictions on a set."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from btfer_builder import __version__
from btfer_builder.config import EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.efficiency import efficiency
from btfer_builder.evaluate.inference.outputs import Predictions, filled
from btfer_builder.evaluate.inference.predict import ModelRun
from btfer_builder.evaluate.kernels import kernel_note, kernel_scores
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.registry import PACKAGES
from btfer_builder.evaluate.metrics.calibration import risk_coverage
from btfer_builder.evaluate.metrics.groups import group_scores
from btfer_builder.evaluate.metrics.human import human_ceiling
from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.power import detectable_differences
from btfer_builder.evaluate.metrics.registry import metric_intervals, metric_values
from btfer_builder.evaluate.metrics.scores import score_votes
from btfer_builder.evaluate.metrics.sources import source_groups
from btfer_builder.evaluate.notes import notes_of
from btfer_builder.evaluate.preprocessing.preprocessing_search import PreprocessingScore, warning
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.results import Evaluation
from btfer_builder.evaluate.robustness import corruption_scores, resolution_scores
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS


def true_classes(faces: Sequence[LabelledFace]) -> NDArray[np.int64]:
    """Return the positions of the faces' emotions in `EMOTIONS`, shape (n,)."""
    return np.array([EMOTIONS.index(face.emotion) for face in faces], dtype=np.int64)


def measure(
    job: ModelRun,
    declaration: ResolvedPreprocessing,
    faces: Sequence[LabelledFace],
    seen: Sequence[Predictions],
    *,
    recipe: EvalRecipe,
    named: tuple[str, str, str],
    tried: tuple[PreprocessingScore, ...],
    kernels: Sequence[Predictions] = (),
) -> Evaluation:
    """Compute every number of one model from its predictions.

    Parameters
    ----------
    job, declaration
        The model, and the source of its preprocessing.
    faces
        The set.
    seen
        Predictions of the original faces, then of all corruptions and severities, then of the smaller resolutions, as
        far as the recipe asks for them.
    recipe
        What is measured.
    named
        Name and hash of the set, and the signature.
    tried
        Other kinds of preprocessing, compared on the training domain.
    kernels
        Predictions of `kernel_runs`.
    """
    true, predictions = true_classes(faces), seen[0]
    outcomes = Outcomes(
        true,
        predictions.predicted,
        filled(predictions),
        predictions.scores,
        predictions.probabilistic,
        job.labels.missing,
        sources := source_groups(faces),
    )
    drawing = {"resamples": recipe.resamples, "seed": recipe.seed}
    answers = [view.predicted for view in seen[1:]]
    smaller = answers[len(answers) - len(recipe.resolutions) :]
    votes = np.array([[face.votes.get(emotion, 0) for emotion in EMOTIONS] for face in faces], np.float64)
    of_kernels = kernel_scores(true, predictions.predicted, kernels, sources)
    set_name, digest, signature = named
    return Evaluation(
        title=printable(job.model.title),
        model=job.model,
        labels=job.labels,
        preprocessing=job.preprocessing,
        declaration=declaration,
        faces=faces,
        predictions=predictions,
        set_name=set_name,
        set_digest=digest,
        signature=signature,
        outcomes=outcomes,
        values=metric_values(outcomes),
        intervals=metric_intervals(outcomes, **drawing),
        soft=score_votes(outcomes.probabilities, votes, predictions.predicted)
        if predictions.probabilistic
        else None,
        human=human_ceiling(true, votes, sources, **drawing),
        groups=group_scores(faces, true, predictions.predicted, **drawing),
        corruptions=corruption_scores(
            true,
            predictions.predicted,
            answers[: len(answers) - len(smaller)],
            sources=sources,
            **drawing,
        )
        if recipe.corruptions
        else (),
        resolutions=resolution_scores(true, recipe.resolutions, smaller, sources),
        efficiency=efficiency(job.model, job.preprocessing, measure=recipe.efficiency),
        tried=tried,
        kernels=of_kernels,
        risk_coverage=risk_coverage(outcomes),
        detectable=detectable_differences(faces, true, predictions.predicted),
        notes=(
            *notes_of(
                outcomes.scores, job.labels, predictions, job.preprocessing, declaration, job.model.begins
            ),
            *filter(None, [kernel_note(of_kernels), warning(tried) if tried else None]),
        ),
        versions=_versions(job.model),
    )


def _versions(model: Model) -> dict[str, str]:
    used = [*PACKAGES[model.loader], "scikit-learn", "scipy", "numpy", "opencv-python-headless", "pillow"]
    return {"btfer-builder": __version__, "python": platform.python_version()} | {
        name: version(name) for name in used
    }
